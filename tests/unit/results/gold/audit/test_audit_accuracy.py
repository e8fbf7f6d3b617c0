"""How often a gold set is right: lined up from tables, with questions on which people have not settled."""

import numpy as np
import polars as pl
import pytest

from corpora.schema import LabelSet
from labeling.votes.consensus import GOLD
from labeling.votes.vote import VOTES
from results.gold.audit.accuracy import gold_accuracy, reviews_needed
from results.gold.audit.exact import ExactLimits
from results.gold.audit.sample import Audited, line_up_audit

LABELS = LabelSet(labels=("yes", "no"))
NAN = float("nan")


def audited(right, total=200, said=None, p_unanimous=None):
    rows = np.arange(len(right))
    said = np.zeros((total, 0)) if said is None else np.asarray(said, float).reshape(total, -1)
    known = np.full(total, NAN) if p_unanimous is None else np.asarray(p_unanimous, float)
    return Audited(rows, np.asarray(right, float), said, known)


def gold_of(*rows):
    names = ("question_id", "label", "kept", "p_unanimous")
    frame = pl.DataFrame(rows, schema=names, orient="row")
    return frame.select(
        pl.col(name).cast(kind) if name in names else pl.lit(None, kind).alias(name) for name, kind in GOLD.items()
    )


def votes_of(**distributions):
    rows = [
        {"question_id": name, "vote": vote, "label": "yes", "probabilities": given}
        for name, each in distributions.items()
        for vote, given in enumerate(each)
    ]
    frame = pl.DataFrame(rows, schema_overrides={"probabilities": pl.List(pl.Float64)})
    return frame.select(
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind).alias(name)
        for name, kind in VOTES.items()
    )


GOLD_SET = gold_of(("a", "yes", True, 0.9), ("b", None, False, 0.3), ("c", "no", True, 0.7), ("d", "yes", True, None))


def test_gold_votes_and_labels_are_lined_up():
    votes = votes_of(a=[[0.8, 0.2], [0.4, 0.1], [0.5, 0.5]], b=[[1.0, 0.0]] * 3, c=[[0.25, 0.75]] * 3)
    sample = pl.DataFrame({"question_id": ["d", "a", "c"], "given": ["no", "yes", None]})
    found = line_up_audit(GOLD_SET, votes, sample, LABELS)
    assert found.rows.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(found.right, [0.0, 1.0, NAN])
    # a: its distributions add up to 1 after they are normalised: (0.8 + 0.8 + 0.5) / 3. d is not known: the mean.
    np.testing.assert_allclose(found.said, [[0.7], [0.75], [0.725]])
    np.testing.assert_array_equal(found.p_unanimous, [0.9, 0.7, NAN])
    assert (found.n, found.total, found.n_right, found.n_unsettled) == (3, 3, 1, 1)


def test_a_reader_without_distributions_says_nothing():
    sample = pl.DataFrame({"question_id": ["a"], "given": ["yes"]})
    found = line_up_audit(GOLD_SET, votes_of(a=[[], [], []]), sample, LABELS)
    assert found.said.shape == (3, 0)
    assert gold_accuracy(found, 0.95).left == 1


@pytest.mark.parametrize("ids", [["a", "a"], ["b"], ["a", "stranger"]])
def test_what_is_no_sample_of_the_gold_set_is_refused(ids):
    sample = pl.DataFrame({"question_id": ids, "given": ["yes"] * len(ids)})
    with pytest.raises(ValueError, match="in the gold set"):
        line_up_audit(GOLD_SET, votes_of(a=[[1.0, 0.0]] * 3), sample, LABELS)


def test_without_a_model_it_is_the_exact_interval():
    found = gold_accuracy(audited([1] * 55 + [0] * 5), 0.95)
    assert found.share == found.plain
    assert found.share == (55 / 60, *ExactLimits(60, 200, 0.95).at(55))
    assert (found.n, found.n_right, found.n_unsettled, found.total, found.worth) == (60, 55, 0, 200, 60)


def test_an_unsettled_question_is_wrong_for_one_end_and_right_for_the_other():
    found = gold_accuracy(audited([1] * 50 + [0] * 5 + [NAN] * 5), 0.95)
    limits = ExactLimits(60, 200, 0.95)
    assert found.share == (50 / 55, limits.at(50)[0], limits.at(55)[1])


def test_it_is_so_with_a_model_too():
    rng = np.random.default_rng(1)
    said = rng.random(400)
    right = (said + 0.2 * rng.random(400) > 0.3).astype(float)
    whole = gold_accuracy(audited(right[:120], 400, said), 0.95)
    unsettled = right[:120].copy()
    unsettled[:6] = NAN
    some = gold_accuracy(audited(unsettled, 400, said), 0.95)
    assert whole.left < 1
    assert some.left < 1
    assert some.share.low < whole.share.low < whole.share.high < some.share.high
    assert some.share.low <= some.share.estimate <= some.share.high


@pytest.mark.parametrize("right", [[], [NAN] * 4])
def test_where_nothing_is_settled_nothing_is_known(right):
    found = gold_accuracy(audited(right), 0.95)
    assert np.isnan(found.share.estimate)
    assert (found.share.low, found.share.high) == (0.0, 1.0)


def test_what_the_model_is_worth_is_counted_in_reviews():
    rng = np.random.default_rng(2)
    said = rng.random(1000)
    right = (said + 0.2 * rng.random(1000) > 0.4).astype(float)
    found = gold_accuracy(audited(right[:100], 1000, said), 0.95)
    plain = (1 - 100 / 1000) / 100
    assert (1 - found.worth / 1000) / found.worth == pytest.approx(plain * found.left, rel=0.01)
    assert found.worth > 150
    assert found.width < found.plain.high - found.plain.low


def test_the_reviews_that_are_needed_give_the_width():
    found = gold_accuracy(audited([1] * 36 + [0] * 4, 2000), 0.95)
    n = reviews_needed(found, 0.1)
    assert n > 40
    low, high = ExactLimits(n, 2000, 0.95).at(0.9 * n)
    assert high - low <= 0.1
    low, high = ExactLimits(n - 1, 2000, 0.95).at(0.9 * (n - 1))
    assert high - low > 0.1


def test_a_sample_that_is_large_enough_is_enough():
    found = gold_accuracy(audited([1] * 36 + [0] * 4, 2000), 0.95)
    assert reviews_needed(found, found.width) == 40


def test_before_the_first_review_the_worst_is_planned_for():
    n = reviews_needed(gold_accuracy(audited([], 20_000), 0.95), 0.1)
    assert 377 <= n <= 400  # 377 are the textbook's for 5 points on either side; the exact interval is wider


def test_what_people_do_not_settle_on_cannot_be_narrowed_away():
    found = gold_accuracy(audited([1] * 36 + [NAN] * 4, 2000), 0.95)
    assert reviews_needed(found, 0.08) == 2000
    assert reviews_needed(found, 0.2) < 400
