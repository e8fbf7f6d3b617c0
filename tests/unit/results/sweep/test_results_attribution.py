import numpy as np
import polars as pl
import pytest
from scipy.stats import t as student

from labeling.votes.consensus import ConsensusConfig
from results.config import ScoringConfig
from results.sweep.attribution import LADDER, fieller
from results.sweep.scoring import score_sweep
from tests.doubles.judged_by_hand import answers_by_hand, first, questions_by_hand, reader_by_hand

N = 60
CONFIG = ScoringConfig(answers="drawn", n_resamples=400)
# Of 60 questions: closed book the first 20, the document the first 54, the chunks the first 45, retrieval the last 40.
RIGHT = {
    ("closed_book", 0): first(20, N),
    ("document", 0): first(54, N),
    ("random", 64): first(15, N),
    ("oracle_chunk", 64): first(45, N),
    ("retrieved", 64): [number >= 20 for number in range(N)],
}


def ladder(right=None, kept=None, per_document: int = 1) -> pl.DataFrame:
    corpus = questions_by_hand(N, per_document)
    answers = answers_by_hand("reader", right or RIGHT)
    return score_sweep(corpus, answers, [reader_by_hand("reader", corpus, kept)], ConsensusConfig(), CONFIG).ladder


def rung(frame: pl.DataFrame, questions: str = "gold") -> dict:
    return frame.filter(pl.col("questions") == questions).row(0, named=True)


def test_every_rung_is_the_accuracy_of_its_arm():
    found = ladder()
    assert found.schema == LADDER
    row = rung(found)
    arms = ("closed_book", "random", "document", "oracle_chunk", "retrieved")
    assert [row[arm] for arm in arms] == pytest.approx([20 / 60, 15 / 60, 54 / 60, 45 / 60, 40 / 60])


def test_the_parts_sum_to_what_is_wrong():
    row = rung(ladder())
    assert (row["n_wrong"], row["n_reader"], row["n_chunking"], row["n_retrieval"]) == (20, 6, 9, 5)
    parts = row["reader_loss"], row["chunking_loss"], row["retrieval_loss"]
    assert parts == pytest.approx((6 / 60, 9 / 60, 5 / 60))
    assert sum(parts) == pytest.approx(1 - row["retrieved"], abs=1e-12)


def test_chunks_may_help_a_reader():
    row = rung(ladder(RIGHT | {("oracle_chunk", 64): first(60, N)}))
    assert (row["n_chunking"], row["n_retrieval"]) == (-6, 20)
    assert row["chunking_loss"] == pytest.approx(-0.1)
    assert row["chunking_loss_low"] < -0.1 < row["chunking_loss_high"] < 0


def test_harm_is_right_without_context_and_wrong_with_it():
    row = rung(ladder())
    assert (row["n_harmed"], row["harm"]) == (20, pytest.approx(20 / 60))
    assert row["harm_low"] < 20 / 60 < row["harm_high"]
    unharmed = rung(ladder(RIGHT | {("retrieved", 64): first(40, N)}))
    assert (unharmed["n_harmed"], unharmed["harm"], unharmed["harm_low"]) == (0, 0, 0)
    assert 0 < unharmed["harm_high"] < 0.07


def test_the_recovered_share_of_the_gap():
    row = rung(ladder())
    assert row["recovered"] == pytest.approx((40 - 20) / (54 - 20))
    assert row["recovered_low"] < row["recovered"] < row["recovered_high"]


def test_nothing_is_recovered_of_a_gap_that_is_not_shown():
    row = rung(ladder(RIGHT | {("document", 0): first(22, N)}))
    assert (row["recovered"], row["recovered_low"], row["recovered_high"]) == (None, None, None)
    assert row["n_reader"] == 38


def test_the_ladder_is_climbed_on_gold_and_on_all_questions():
    found = ladder(kept=[number < 30 for number in range(N)])
    assert (rung(found)["n"], rung(found, "all")["n"]) == (30, 60)
    # Of the first 30 the document gets all and retrieval the last 10.
    assert (rung(found)["n_reader"], rung(found)["n_wrong"]) == (0, 20)
    assert rung(found, "all")["n_wrong"] == 20


def test_an_arm_that_was_not_asked_leaves_its_losses_unknown():
    row = rung(ladder({key: flags for key, flags in RIGHT.items() if key[0] not in ("oracle_chunk", "closed_book")}))
    assert (row["oracle_chunk"], row["n_chunking"], row["n_retrieval"], row["chunking_loss"]) == (None,) * 4
    assert (row["closed_book"], row["harm"], row["n_harmed"], row["recovered"]) == (None,) * 4
    assert (row["n_reader"], row["n_wrong"]) == (6, 20)


def test_an_empty_gold_set_has_no_ladder():
    assert ladder(kept=[0] * N)["questions"].to_list() == ["all"]


def test_one_document_says_nothing_about_losses():
    row = rung(ladder(per_document=N))
    assert (row["chunking_loss_low"], row["chunking_loss_high"]) == (-1, 1)
    assert (row["reader_loss_low"], row["reader_loss_high"]) == (0, 1)
    assert row["recovered"] is None


# Fieller's interval


def test_at_the_ends_of_fiellers_interval_the_contrast_is_just_not_zero():
    spread = np.array([[0.004, 0.001], [0.001, 0.003]])
    found = fieller(0.3, 0.5, spread, 2.0)
    assert found.estimate == pytest.approx(0.6)
    for end in (found.low, found.high):
        error = np.sqrt(spread[0, 0] - 2 * end * spread[0, 1] + end**2 * spread[1, 1])
        assert abs(0.3 - end * 0.5) == pytest.approx(2 * error)


def test_a_certain_denominator_gives_students_interval():
    reach = float(student.ppf(0.975, 30))
    found = fieller(0.3, 0.5, np.array([[0.01, 0], [0, 0]]), reach)
    assert found == pytest.approx((0.6, 0.6 - reach * 0.2, 0.6 + reach * 0.2))


def test_a_denominator_that_may_be_zero_is_refused():
    with pytest.raises(ValueError, match=r"0\.1 is not shown"):
        fieller(0.3, 0.1, np.array([[0.01, 0], [0, 0.01]]), 2.0)
