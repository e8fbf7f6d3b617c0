import numpy as np
import polars as pl
import pytest

from corpora.schema import LabelSet
from labeling.votes.consensus import NOT_REVIEWED, ConsensusConfig
from labeling.votes.sampling import Sampling
from labeling.votes.vote import Vote, votes_frame
from results.stats.resampling import EXCLUDED
from results.sweep.judged import gold_law, label_indices

LABELS = LabelSet()
FACTS = pl.DataFrame(
    {
        "question_id": ["a", "b", "c"],
        "gold_label": ["yes", None, "maybe"],
        "reference": ["yes", "no", "no"],
        "cluster": ["d0", "d0", "d1"],
    }
)
SHOWN = {
    "a": [(0.8, 0.1, 0.1), (0.6, 0.3, 0.1), (0.5, 0.5, 0.0)],
    "b": [(0.5, 0.25, 0.25)] * 3,
    "c": [(0.1, 0.2, 0.1)] * 3,  # recorded without normalising: 1/4, 1/2, 1/4
}


def votes(shown=SHOWN, failed=()) -> pl.DataFrame:
    return votes_frame(
        Vote(
            "f", f"p{number}", "document", number, number, question, None if question in failed else "yes",
            "empty" if question in failed else None, () if question in failed else probabilities, None, None, 10,
        )
        for question, three in shown.items()
        for number, probabilities in enumerate(three)
    )  # fmt: skip


def law_of(rule="unanimous", sampling=Sampling(), given=None, reviewed=NOT_REVIEWED):  # noqa: B008  # immutable
    consensus = ConsensusConfig(rule=rule, most_probable=False)
    return gold_law(FACTS, votes() if given is None else given, LABELS, sampling, consensus, reviewed)


def test_a_question_is_kept_with_a_label_as_often_as_all_three_votes_draw_it():
    law = law_of()
    expected = [[0.8 * 0.6 * 0.5, 0.1 * 0.3 * 0.5, 0.0], [1 / 8, 1 / 64, 1 / 64], [1 / 64, 1 / 8, 1 / 64]]
    np.testing.assert_allclose(law.chances, expected)
    assert law.observed.tolist() == [0, EXCLUDED, 2]
    assert list(law.clusters) == ["d0", "d0", "d1"]


def test_votes_are_drawn_as_they_were_sampled():
    # At temperature 1/2 chances are squared: .5, .25, .25 become 4/6, 1/6, 1/6.
    assert law_of(sampling=Sampling(temperature=0.5)).chances[1] == pytest.approx([64 / 216, 1 / 216, 1 / 216])
    assert law_of(sampling=Sampling(temperature=0)).chances[1].tolist() == [1, 0, 0]


def test_a_majority_is_two_votes_or_three():
    assert law_of("majority").chances[1] == pytest.approx([3 * 0.25 * 0.5 + 1 / 8] + [3 / 16 * 0.75 + 1 / 64] * 2)


def test_only_the_reference_can_be_kept_where_it_must_match():
    np.testing.assert_allclose(law_of("unanimous_and_correct").chances, [[0.24, 0, 0], [0, 1 / 64, 0], [0, 1 / 8, 0]])


def test_only_what_people_settled_on_can_be_kept_under_the_rule_reviewed():
    law = law_of("reviewed", reviewed={"a": "no", "b": None, "other": "yes"})
    np.testing.assert_allclose(law.chances, [[0, 0.015, 0], [0, 0, 0], [0, 0, 0]])


def test_a_rule_that_draws_nothing_is_certain():
    assert law_of("min_probability").chances.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_votes_without_distributions_are_certain_of_what_was_voted():
    assert law_of(given=votes_frame([])).chances.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    mixed = law_of(given=votes(failed=("c",))).chances
    assert mixed[2].tolist() == [0, 0, 1]
    assert mixed[1] == pytest.approx([1 / 8, 1 / 64, 1 / 64])


def test_votes_on_other_questions_are_not_mixed_in():
    more = SHOWN | {"z": [(1.0, 0.0, 0.0)] * 3, "aa": [(0.0, 1.0, 0.0)] * 3}
    np.testing.assert_allclose(law_of(given=votes(more)).chances, law_of().chances)


def test_labels_are_numbered_in_canonical_order():
    assert label_indices(pl.Series(["maybe", "yes", None, "no", "other"]), LABELS).tolist() == [2, 0, -1, 1, -1]
