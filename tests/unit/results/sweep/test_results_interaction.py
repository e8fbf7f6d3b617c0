import numpy as np
import polars as pl
import pytest
from scipy.stats import bootstrap
from scipy.stats import t as student

from labeling.votes.consensus import ConsensusConfig
from results.config import ScoringConfig
from results.stats.clustered import holm
from results.sweep.interaction import INTERACTIONS
from results.sweep.scoring import score_sweep
from tests.doubles.judged_by_hand import answers_by_hand, first, questions_by_hand, reader_by_hand

N = 90
CONFIG = ScoringConfig(answers="drawn", n_resamples=4000)
FALLS = {32: 80, 64: 60, 128: 30, 256: 25}
RISES = {32: 20, 64: 40, 128: 60, 256: 85}


def interactions(right, kept=None, cuts=(("k", 3),), per_document: int = 1) -> pl.DataFrame:
    """`right[reader][size]` counts right answers, always to the first questions."""
    corpus = questions_by_hand(N, per_document)
    kept = kept or {}
    answers = pl.concat(
        answers_by_hand(reader, {("retrieved", size): first(n, N) for size, n in sizes.items()}, cut)
        for reader, sizes in right.items()
        for cut in cuts
    )
    readers = [reader_by_hand(reader, corpus, kept.get(reader)) for reader in right]
    return score_sweep(corpus, answers, readers, ConsensusConfig(), CONFIG).interactions


def row(frame: pl.DataFrame, questions: str = "gold", cut: str = "k") -> dict:
    return frame.filter(pl.col("questions") == questions, pl.col("cut") == cut).row(0, named=True)


def slope(of_size: dict[int, int], n: int = N) -> float:
    sizes, right = zip(*of_size.items(), strict=True)
    return float(np.polyfit(np.log2(sizes), np.array(right) / n, 1)[0])


def test_slopes_are_those_of_lines_through_the_accuracies():
    found = interactions({"small": FALLS, "large": RISES})
    assert found.schema == INTERACTIONS
    for questions in ("gold", "all"):
        one = row(found, questions)
        assert one["slope_small"] == pytest.approx(slope(FALLS))
        assert one["slope_large"] == pytest.approx(slope(RISES))
        assert one["difference"] == pytest.approx(slope(FALLS) - slope(RISES))
        assert one["finding"] == "small wants smaller chunks than large."


def test_readers_that_both_gain_or_both_lose_are_not_said_to_want_different_sizes():
    """The best size is the same; only what it is worth differs."""
    steep, flat = {64: 30, 128: 60, 256: 90}, {64: 60, 128: 66, 256: 72}
    falling, slowly = ({size: counts[320 - size] for size in (64, 256)} for counts in (steep, flat))
    for small, large, finding in (
        (flat, steep, "Larger chunks help small less than large."),
        (steep, flat, "Larger chunks help large less than small."),
        (falling, slowly, "Larger chunks hurt small more than large."),
    ):
        one = row(interactions({"small": small, "large": large}))
        assert one["finding"] == finding


def test_the_interval_of_a_slope_is_students_around_scipys_standard_error():
    one = row(interactions({"small": FALLS, "large": RISES}))
    x = np.log2(list(FALLS)) - np.log2(list(FALLS)).mean()
    per_question = np.stack([first(n, N) for n in FALLS.values()], axis=1) @ (x / (x**2).sum())
    error = bootstrap((per_question,), np.mean, n_resamples=4000, rng=np.random.default_rng(0)).standard_error
    reach = student.ppf(0.975, N - 1) * error * np.sqrt(N / (N - 1))
    assert one["slope_small_high"] - one["slope_small"] == pytest.approx(reach, rel=0.05)
    assert one["slope_small"] - one["slope_small_low"] == pytest.approx(reach, rel=0.05)


def test_readers_that_lose_alike_cannot_be_told_apart():
    one = row(interactions({"small": FALLS, "large": FALLS}))
    assert (one["difference"], one["p_value"]) == (0, 1)
    assert one["finding"] == "Cannot tell whether small and large want different chunk sizes."


def test_both_are_judged_on_the_questions_that_both_count():
    kept = {"small": [number < 60 for number in range(N)], "large": [number >= 30 for number in range(N)]}
    found = interactions({"small": {64: 60, 128: 40}, "large": {64: 50, 128: 60}}, kept)
    one = row(found)
    # Questions 30 to 59: small gets 30 and 10 of them right, large 20 and 30.
    assert (one["n"], one["slope_small"], one["slope_large"]) == (30, pytest.approx(-20 / 30), pytest.approx(10 / 30))
    assert row(found, "all")["n"] == N


def test_no_question_in_common_tells_nothing():
    kept = {"small": [number < 45 for number in range(N)], "large": [number >= 45 for number in range(N)]}
    one = row(interactions({"small": FALLS, "large": RISES}, kept))
    assert (one["n"], one["difference"], one["p_value"]) == (0, None, 1)
    assert one["finding"].endswith("too few questions in common.")


def test_one_document_tells_nothing():
    one = row(interactions({"small": FALLS, "large": RISES}, per_document=N))
    assert one["difference"] is None
    assert one["finding"].endswith("too few questions in common.")


def test_every_pair_of_readers_and_cut_is_corrected_for():
    found = interactions({"s": FALLS, "m": FALLS, "l": RISES}, cuts=(("k", 3), ("budget", 256)))
    assert len(found) == 3 * 2 * 2
    assert found.select("small", "large").unique().sort("small", "large").rows() == [("m", "l"), ("s", "l"), ("s", "m")]
    gold = found.filter(pl.col("questions") == "gold")
    assert gold["p_holm"].to_list() == pytest.approx(holm(gold["p_value"].to_list()))
    # The same answers under both cuts: the same slopes, from the same resamples.
    by_cut = gold.partition_by("cut")
    assert by_cut[0].drop("cut", "amount").equals(by_cut[1].drop("cut", "amount"))


def test_one_size_has_no_slope():
    assert interactions({"small": {64: 50}, "large": {64: 60}}).is_empty()
