"""Scores in which every question and answer counts with its probability."""

import numpy as np
import polars as pl
import pytest

from labeling.votes.consensus import ConsensusConfig, ReaderVotes, build_gold
from labeling.votes.sampling import Sampling
from results.config import ScoringConfig
from results.readers.answers import ANSWERS
from results.sweep.scoring import score_sweep

CONFIG = ScoringConfig(n_resamples=400)
SETTING = {"splitter": "tokens", "overlap": 0, "embedder": "minilm", "retriever": "dense"}
PLACE = {"cut": "k", "amount": 1, "n_chunks": 1}
LABELS = ("yes", "no", "maybe")


def answer(question, probabilities, **place):
    best = LABELS[int(np.argmax(probabilities))] if probabilities else None
    return {
        "reader": "reader", "question_id": question, "label": best, "failure": None if best else "empty",
        "margin": 0.5, "probabilities": list(probabilities),
        "prompt_hash": f"{question}{place.get('size')}{place['arm']}",
    } | place  # fmt: skip


@pytest.fixture
def scored(ballots, corpus_of):
    def score(votes, answers, config=CONFIG, consensus=ConsensusConfig(), sampling=Sampling(), references=None):  # noqa: B008  # immutable
        """`answers[size][question]` is a distribution, or None for a failed answer."""
        corpus = corpus_of(references or ["yes"] * len(votes))
        cast = ballots(votes)
        gold = build_gold(cast, corpus.questions, corpus.labels, consensus, sampling)
        asked = corpus.questions.select("question_id")
        reader = ReaderVotes("reader", sampling, "resample", asked, cast, gold, None)
        rows = [
            answer(question, given or (), arm="retrieved", size=size, n_context_tokens=size, **SETTING, **PLACE)
            for size, of_size in answers.items()
            for question, given in of_size.items()
        ]
        # Without distributions the whole document is asked once more, and the answer is a label.
        sure = {"yes": (1.0, 0.0, 0.0)}
        rows += [answer(one, sure.get(three[0], three), arm="document") for one, three in votes.items()]
        return score_sweep(corpus, pl.DataFrame(rows, schema=ANSWERS), [reader], consensus, config)

    return score


VOTES = {"q000": (0.9, 0.1, 0.0), "q001": (0.5, 0.3, 0.2), "q002": (0.2, 0.7, 0.1)}
ANSWERS_OF = {64: {"q000": (0.8, 0.1, 0.1), "q001": (0.2, 0.6, 0.2), "q002": (0.1, 0.6, 0.3)}}
KEPT = np.array([0.9**3, 0.5**3, 0.7**3])  # with the most probable label alone


def test_accuracy_is_that_of_answers_weighted_by_the_chance_to_be_kept(scored):
    (cell,) = scored(VOTES, ANSWERS_OF).cells.rows(named=True)
    assert cell["gold_accuracy"] == pytest.approx(KEPT @ [0.8, 0.2, 0.6] / KEPT.sum())
    assert cell["gold_n"] == pytest.approx(KEPT.sum() ** 2 / (KEPT**2).sum())
    assert cell["scores"] == "expected"
    # Greedy answers are yes, no, no; what counts is yes, yes, no.
    assert cell["gold_greedy"] == pytest.approx((KEPT[0] + KEPT[2]) / KEPT.sum())


def test_any_temperature_follows_from_the_same_distributions(scored):
    squares = [0.64 / 0.66, 0.04 / 0.44, 0.36 / 0.46]
    (cell,) = scored(VOTES, ANSWERS_OF, CONFIG.model_copy(update={"answer_temperature": 0.5})).cells.rows(named=True)
    assert cell["gold_accuracy"] == pytest.approx(KEPT @ squares / KEPT.sum())
    (greedy,) = scored(VOTES, ANSWERS_OF, CONFIG.model_copy(update={"answer_temperature": 0.0})).cells.rows(named=True)
    assert greedy["gold_accuracy"] == pytest.approx(greedy["gold_greedy"])


def test_answers_are_drawn_as_the_reader_draws_its_votes(scored):
    found = scored(VOTES, ANSWERS_OF, sampling=Sampling(temperature=0.5))
    kept = np.array([0.81 / 0.82, 0.25 / 0.38, 0.49 / 0.54]) ** 3
    assert found.cells["gold_accuracy"][0] == pytest.approx(kept @ [0.64 / 0.66, 0.04 / 0.44, 0.36 / 0.46] / kept.sum())


def test_precision_recall_and_f1_are_those_of_the_expected_confusion_matrix(scored):
    classes = scored(VOTES, ANSWERS_OF).classes
    yes = classes.filter(pl.col("label") == "yes").row(0, named=True)
    hits = KEPT[:2] @ [0.8, 0.2]
    assert yes["recall"] == pytest.approx(hits / KEPT[:2].sum())
    assert yes["precision"] == pytest.approx(hits / (KEPT @ [0.8, 0.2, 0.1]))


def test_the_parts_of_the_ladder_add_up(scored):
    row = scored(VOTES, ANSWERS_OF).ladder.filter(pl.col("questions") == "gold").row(0, named=True)
    assert row["n_wrong"] == pytest.approx(KEPT.sum() * (1 - row["retrieved"]))
    assert row["document"] == pytest.approx(KEPT @ [0.9, 0.5, 0.7] / KEPT.sum())
    assert row["n_reader"] == pytest.approx(KEPT @ [0.1, 0.5, 0.3])


def test_a_failed_answer_is_wrong(scored):
    answers = {64: {**ANSWERS_OF[64], "q000": None}}
    (cell,) = scored(VOTES, answers).cells.rows(named=True)
    assert cell["gold_accuracy"] == pytest.approx(KEPT @ [0.0, 0.2, 0.6] / KEPT.sum())
    assert cell["n_failed"] == 1


def test_drawn_scores_count_what_was_observed(scored):
    drawn = ScoringConfig(n_resamples=400, answers="drawn")
    (cell,) = scored(VOTES, ANSWERS_OF, drawn, ConsensusConfig(most_probable=False)).cells.rows(named=True)
    # Each vote gave its most probable label, so all three questions are kept.
    assert (cell["gold_n"], cell["gold_accuracy"], cell["scores"]) == (3, pytest.approx(2 / 3), "observed")


def test_a_reader_without_distributions_is_scored_on_what_was_observed(scored):
    votes = {question: ["yes"] * 3 for question in VOTES}
    answers = {64: {"q000": (1.0, 0.0, 0.0), "q001": (0.0, 1.0, 0.0), "q002": (1.0, 0.0, 0.0)}}
    (cell,) = scored(votes, answers).cells.rows(named=True)
    assert (cell["gold_n"], cell["gold_accuracy"]) == (pytest.approx(3), pytest.approx(2 / 3))


def many(n, right):
    """Votes that are always sure, and answers of two sizes that are right with these chances."""
    votes = {f"q{number:03d}": (0.98, 0.01, 0.01) for number in range(n)}
    answers = {
        size: {question: (chance, 1 - chance, 0.0) for question in votes}
        for size, chance in zip((64, 128), right, strict=True)
    }
    return votes, answers


def test_settings_that_answer_alike_are_told_apart_from_none(scored):
    few, enough = (scored(*many(n, (0.8, 0.8))).cells for n in (50, 70))
    assert few["p_within"].min() > 0.05
    assert enough["p_within"].max() < 0.05
    assert few["n_more"][0] == pytest.approx(10, abs=4)


def test_a_worse_setting_is_not_shown_within(scored):
    found = scored(*many(100, (0.7, 0.9)))
    assert found.cells["p_within"].to_list() == pytest.approx([1.0, 0.0], abs=0.01)
    (pair,) = found.comparisons.rows(named=True)
    assert pair["difference"] == pytest.approx(0.2)
    assert pair["p_value"] < 0.001
    assert pair["p_mcnemar"] is None


def test_the_advice_at_other_temperatures(scored):
    found = scored(*many(100, (0.6, 0.7))).temperatures
    assert found["temperature"].to_list() == [1.0, 0.5, 0.2, 0.0]
    # .6 and .7 become .88 and .99 at .2, and both are always right if greedy: then the cheaper one will do.
    assert found["amount"].to_list() == [1] * 4
    sizes = found["setting"].str.extract(r"size=(\d+)").cast(pl.Int64).to_list()
    assert sizes == [128, 128, 128, 64]
    assert found["accuracy"].to_list()[-1] == 1.0
