import numpy as np
import polars as pl
import pytest

from corpora.schema import LabelSet
from labeling.votes.sampling import Sampling, draw
from results.readers.diversity import DIVERSITY, NEARLY_COPIES, describe_diversity
from results.readers.labelers import summarise_labeler

DESIGN = (0.6, 0.3, 0.1)
THREE = [(0.5, 0.4, 0.1), (0.2, 0.7, 0.1), (0.1, 0.1, 0.8)]


def described(cast, diversity="resample"):
    frame = describe_diversity(cast, diversity)
    assert frame.schema == DIVERSITY
    assert len(frame) == 1
    return frame.row(0, named=True)


def test_the_numbers_of_the_design_on_what_temperature_does(cast_of):
    # A label distribution of .6 / .3 / .1: P(3 agree) is .24 at temperature 1 and .91 at 0.2.
    row = described(cast_of({"q": DESIGN}, {"q": "yes"}))
    assert row["unanimous_at_1"] == pytest.approx(0.24, abs=0.005)
    assert row["unanimous_at_0.2"] == pytest.approx(0.91, abs=0.005)
    # By hand: at temperature T a label has a weight of p^(1/T).
    for temperature in (0.2, 0.5, 1.0):
        weights = [p ** (1 / temperature) for p in DESIGN]
        expected = sum((weight / sum(weights)) ** 3 for weight in weights)
        assert row[f"unanimous_at_{temperature:g}"] == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 2.0])
def test_reference_temperatures_do_not_depend_on_the_labelers_own(cast_of, temperature):
    row = described(cast_of({"q": DESIGN}, {}, sampling=Sampling(temperature)))
    assert (row["unanimous_at_0.2"], row["unanimous_at_1"]) == pytest.approx((0.9117, 0.244), abs=5e-4)


def test_the_truncation_stays_the_labelers_own_at_every_temperature(cast_of):
    # top_k 2 leaves .6 and .3, that is 2/3 and 1/3.
    row = described(cast_of({"q": DESIGN}, {}, sampling=Sampling(1.0, 2)))
    assert row["unanimous_at_1"] == pytest.approx((8 + 1) / 27)
    assert row["unanimous_at_0.5"] == pytest.approx((4**3 + 1) / 5**3)


def test_how_often_votes_differ_is_counted_and_expected(cast_of):
    drawn = {"a": ("yes", "no", "yes"), "b": ("yes", "yes", "yes"), "c": ("no", "yes", "maybe"), "d": ("no",) * 3}
    row = described(cast_of(dict.fromkeys(drawn, DESIGN), {}, drawn=drawn))
    assert row["votes_differ"] == 0.5
    assert row["p_differ"] == pytest.approx(1 - 0.244)
    assert (row["n"], row["prompts_differ"]) == (4, 0.0)  # one prompt, asked thrice


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.4), Sampling(1.5, 2), Sampling(1.0, 0, 0.75)])
def test_the_expected_share_that_differs_is_that_of_very_many_draws(cast_of, sampling):
    n = 1500
    seeds = iter(range(3 * n))
    labels = LabelSet().labels
    drawn = {f"q{i:04d}": [labels[draw(np.array(one), sampling, next(seeds))] for one in THREE] for i in range(n)}
    row = described(cast_of(dict.fromkeys(drawn, THREE), {}, sampling=sampling, drawn=drawn))
    assert row["votes_differ"] == pytest.approx(row["p_differ"], abs=0.04)


def test_prompts_differ_where_their_most_probable_labels_do(cast_of):
    shown = {"a": THREE, "b": [(0.6, 0.3, 0.1), (0.5, 0.1, 0.4), (0.4, 0.3, 0.3)], "c": DESIGN, "d": DESIGN}
    assert described(cast_of(shown, {}, sampling=Sampling(0)), "permute")["prompts_differ"] == 0.25


def test_without_chance_votes_differ_where_prompts_do(cast_of):
    row = described(cast_of({"a": THREE, "b": DESIGN}, {}, sampling=Sampling(0)), "paraphrase")
    assert row["p_differ"] == row["prompts_differ"] == row["votes_differ"] == 0.5
    assert not row["nearly_copies"]


@pytest.mark.parametrize(("p", "copies"), [(0.9999, True), (0.994, True), (0.992, False), (0.6, False)])
def test_votes_that_hardly_differ_are_called_nearly_copies(cast_of, p, copies):
    row = described(cast_of({"q": (p, 1 - p, 0.0)}, {}))
    assert row["p_differ"] == pytest.approx(1 - p**3 - (1 - p) ** 3)
    assert row["nearly_copies"] is (row["p_differ"] < NEARLY_COPIES) is copies


def test_a_row_says_how_votes_were_drawn(cast_of):
    row = described(cast_of({"q": DESIGN}, {}, sampling=Sampling(0.7, 20, 0.9, 0.05), reader="a|b"), "permute")
    assert (row["reader"], row["diversity"]) == ("a|b", "permute")
    assert (row["temperature"], row["top_k"], row["top_p"], row["min_p"]) == (0.7, 20, 0.9, 0.05)


def test_without_distributions_only_the_counted_share_is_known(cast_of):
    row = described(cast_of({"a": ["yes", "yes", "no"], "b": ["no"] * 3}, {}))
    assert (row["n"], row["votes_differ"]) == (2, 0.5)
    names = ("p_differ", "prompts_differ", "unanimous_at_0.2", "unanimous_at_0.5", "unanimous_at_1", "nearly_copies")
    assert [row[name] for name in names] == [None] * 6


@pytest.mark.parametrize("n_labels", [2, 8])
def test_labels_that_are_all_alike_are_unanimous_as_seldom_as_can_be(cast_of, n_labels):
    labels = LabelSet(tuple("abcdefgh"[:n_labels]))
    row = described(cast_of({"q": [1 / n_labels] * n_labels}, {}, labels=labels))
    for name in ("unanimous_at_0.2", "unanimous_at_0.5", "unanimous_at_1"):
        assert row[name] == pytest.approx(1 / n_labels**2)


def test_how_often_votes_differ_is_the_same_number_in_every_table(cast_of, ballots):
    shown = {"a": [None] * 3, "b": DESIGN, "c": [DESIGN, DESIGN, None], "d": ["yes", "no", "yes"]}
    known = pl.DataFrame({"question_id": list(shown), "reference": ["yes"] * 4, "cluster": list(shown)})
    row = summarise_labeler("reader", ballots(shown), known, LabelSet(), 0.95).row(0, named=True)
    # All but b, whose three votes are "yes": a failed vote agrees with nothing.
    assert described(cast_of(shown, dict.fromkeys(shown, "yes")))["votes_differ"] == row["votes_differ"] == 3 / 4
