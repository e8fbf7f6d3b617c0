import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import classification_report

from corpora.schema import LabelSet
from results.stats.answer_metrics import NO_ANSWER, PER_CLASS, resample_macro, score_answers, score_classes
from results.stats.resampling import EXCLUDED, fixed_law, one_hot

LABELS = LabelSet(("yes", "no", "maybe"))
RIGHT = ["yes", "yes", "yes", "no", "no", "maybe"]
ANSWERED = ["yes", "yes", "no", "no", None, "yes"]

pairs = st.lists(
    st.tuples(st.sampled_from(LABELS.labels), st.sampled_from([*LABELS.labels, None])), min_size=1, max_size=40
)


def test_scores_are_those_computed_by_hand():
    scores = score_answers(RIGHT, ANSWERED, LABELS)
    # yes: 2 of 3 given and 2 of 3 right; no: 1 of 2 and 1 of 2; maybe: never given.
    assert scores.n == 6
    assert scores.accuracy == pytest.approx(3 / 6)
    assert scores.macro_precision == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores.macro_recall == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_classes_are_those_counted_by_hand():
    frame = score_classes(RIGHT, ANSWERED, LABELS)
    assert frame.schema == PER_CLASS
    assert frame.rows() == [
        ("yes", pytest.approx(2 / 3), pytest.approx(2 / 3), pytest.approx(2 / 3), 3, 3),
        ("no", 0.5, 0.5, 0.5, 2, 2),
        ("maybe", 0.0, 0.0, 0.0, 1, 0),
    ]


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_scores_equal_the_classification_report_of_scikit_learn(answers):
    right, answered = [one for one, _ in answers], [one for _, one in answers]
    given = [one or NO_ANSWER for one in answered]
    present = [label for label in LABELS if label in right]
    report = classification_report(right, given, labels=present, output_dict=True, zero_division=0.0)
    scores = score_answers(right, answered, LABELS)
    macro = report["macro avg"]
    assert scores.macro_precision == pytest.approx(macro["precision"])
    assert scores.macro_recall == pytest.approx(macro["recall"])
    assert scores.macro_f1 == pytest.approx(macro["f1-score"])
    every = classification_report(right, given, labels=list(LABELS), output_dict=True, zero_division=0.0)
    for label, precision, recall, f1, n, n_answered in score_classes(right, answered, LABELS).iter_rows():
        expected = every[label]
        assert (precision, recall, f1, n) == pytest.approx(
            (expected["precision"], expected["recall"], expected["f1-score"], expected["support"])
        )
        assert n_answered == given.count(label)


def test_no_answer_is_a_wrong_answer():
    assert score_answers(["yes", "no"], [None, None], LABELS).accuracy == 0.0
    assert score_answers(["yes", "no"], ["yes", None], LABELS) == (2, 0.5, 0.5, 0.5, 0.5)


def test_no_answer_costs_no_label_its_precision():
    assert score_classes(["yes", "no"], ["yes", None], LABELS)["precision"].to_list() == [1.0, 0.0, 0.0]


def test_a_label_that_is_never_right_is_not_averaged_over():
    scores = score_answers(["yes", "yes", "no"], ["yes", "yes", "no"], LABELS)
    assert scores == (3, 1.0, 1.0, 1.0, 1.0)


def test_answering_a_label_that_is_never_right_costs_the_recall_of_the_one_that_was():
    scores = score_answers(["yes", "yes", "no"], ["yes", "maybe", "no"], LABELS)
    assert scores.accuracy == pytest.approx(2 / 3)
    assert scores.macro_precision == 1.0
    assert scores.macro_recall == pytest.approx((1 / 2 + 1) / 2)


def test_nothing_to_score_is_unknown_not_zero():
    scores = score_answers([], [], LABELS)
    assert scores.n == 0
    assert all(math.isnan(value) for value in scores[1:])


def test_classes_of_nothing_have_a_row_for_each_label_with_no_questions():
    frame = score_classes([], [], LABELS)
    assert frame.schema == PER_CLASS
    assert frame.select("label", "n", "n_answered").rows() == [("yes", 0, 0), ("no", 0, 0), ("maybe", 0, 0)]


def test_answers_must_be_as_many_as_questions():
    with pytest.raises(ValueError, match=r"inconsistent|shorter|longer"):
        score_answers(["yes", "no"], ["yes"], LABELS)


def outcomes(labels, given):
    """Index of each label, -1 for none."""
    return np.array([-1 if one is None else labels.index(one) for one in given], dtype=np.int64)


def said(given):
    """Shape (questions, labels, columns): 1 at each label that was given."""
    return np.stack([one_hot(column, len(LABELS)) for column in given.T], axis=2)


def resample(right, given, clusters, n_resamples, confidence, seed, chances=None):
    """`resample_macro` of one column of answers, whose right answers are certain unless `chances` says otherwise."""
    observed = outcomes(LABELS, right)
    law = fixed_law(observed, len(LABELS), clusters)
    if chances is not None:
        law = law._replace(chances=np.array(chances))
    (macro,) = resample_macro(said(outcomes(LABELS, given)[:, None]), law, n_resamples, confidence, seed)
    return macro


def drawn_clusters(clusters, rng):
    """Questions of as many documents, drawn with replacement."""
    names = sorted(set(clusters))
    members = {name: [n for n, one in enumerate(clusters) if one == name] for name in names}
    return [n for at in rng.integers(0, len(names), size=len(names)) for n in members[names[at]]]


def test_resampled_macro_scores_agree_with_a_slow_bootstrap_by_scikit_learn():
    rng = np.random.default_rng(0)
    right = rng.choice(list(LABELS), size=80, p=[0.5, 0.3, 0.2]).tolist()
    given = [one if rng.random() < 0.7 else str(rng.choice(list(LABELS))) for one in right]
    clusters = [f"d{number // 2}" for number in range(80)]
    fast = resample(right, given, clusters, 2000, 0.95, 1)
    slow = []
    for _ in range(400):
        drawn = drawn_clusters(clusters, rng)
        slow.append(score_answers([right[n] for n in drawn], [given[n] for n in drawn], LABELS)[2:])
    scores = score_answers(right, given, LABELS)
    assert [one.estimate for one in fast] == pytest.approx(scores[2:])
    ends = np.quantile(slow, [0.025, 0.975], axis=0)
    for interval, low, high in zip(fast, *ends, strict=True):
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.03)


def test_one_document_says_nothing_about_macro_scores():
    found = resample(["yes", "no"], ["yes", None], ["d", "d"], 100, 0.95, 0)
    assert all((one.low, one.high) == (0, 1) for one in found)


def test_resampled_intervals_hold_the_estimates_and_are_no_points():
    rng = np.random.default_rng(5)
    right = rng.choice(list(LABELS), size=90).tolist()
    given = [one if rng.random() < 0.6 else None for one in right]
    for one in resample(right, given, [f"d{n}" for n in range(90)], 400, 0.95, 0)[1:]:
        assert one.low < one.estimate < one.high


def test_questions_on_one_document_widen_the_macro_intervals():
    rng = np.random.default_rng(6)
    right = rng.choice(["yes", "no"], size=40).tolist()
    given = [one if rng.random() < 0.6 else "maybe" for one in right]
    fourfold = [[one for one in given_one for _ in range(4)] for given_one in (right, given)]
    alone, together = ([f"{prefix}{n // by}" for n in range(160)] for prefix, by in (("q", 1), ("d", 4)))
    narrow, wide = (resample(*fourfold, clusters, 1000, 0.95, 0)[2] for clusters in (alone, together))
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(2, abs=0.4)


def test_columns_share_their_resamples_and_each_is_scored_as_if_alone():
    rng = np.random.default_rng(7)
    right = rng.choice(list(LABELS), size=30).tolist()
    columns = [[one if rng.random() < share else None for one in right] for share in (0.5, 0.8)]
    law = fixed_law(outcomes(LABELS, right), 3, [f"d{n}" for n in range(30)])
    given = np.stack([outcomes(LABELS, one) for one in (*columns, columns[0])], axis=1)
    first, second, again = resample_macro(said(given), law, 200, 0.95, 4)
    assert first == again != second
    assert resample_macro(said(given[:, 1:2]), law, 200, 0.95, 4) == [second]


def test_a_law_that_is_certain_of_the_observed_changes_nothing_and_an_uncertain_one_widens():
    rng = np.random.default_rng(8)
    right = rng.choice(["yes", "no"], size=60).tolist()
    given = [one if rng.random() < 0.7 else "maybe" for one in right]
    clusters = [f"d{n}" for n in range(60)]
    sure = [[float(one == label) for label in LABELS] for one in right]
    fixed = resample(right, given, clusters, 2000, 0.95, 0)
    assert resample(right, given, clusters, 2000, 0.95, 0, sure) == fixed
    # With half a chance of being left out, a resample holds about half of the questions.
    halved = resample(right, given, clusters, 2000, 0.95, 0, np.array(sure) / 2)
    assert halved.recall.estimate == fixed.recall.estimate
    ratio = (halved.recall.high - halved.recall.low) / (fixed.recall.high - fixed.recall.low)
    assert ratio == pytest.approx(2**0.5, abs=0.2)


def test_where_no_question_counts_the_macro_scores_are_unknown():
    law = fixed_law(np.array([EXCLUDED, EXCLUDED]), 3, ["a", "b"])
    found = resample_macro(said(np.array([[0, 1], [1, 1]])), law, 100, 0.95, 0)
    assert len(found) == 2
    assert all(math.isnan(value) for macro in found for interval in macro for value in interval)
