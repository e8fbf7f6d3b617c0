"""Qualification: is a reader better than always giving the majority label, or at least better than chance?

Two one-sided tests on held-out questions, each corrected over the readers of a run (Holm). Against the majority label:
an exact paired sign-flip test by document, which is McNemar's where every question has a document of its own. Against
chance: a permutation test of whether it agrees with the reference labels more often than its own answers would if
shuffled.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from results.stats.answer_metrics import NO_ANSWER
from results.stats.chance_agreement import above_chance, agreement_against_chance, p_above_chance
from results.stats.clustered import cluster_sums, holm, sign_flip, wilson_clustered

Standing = Literal["better than the majority label", "better than chance only", "at chance", "cannot tell"]
AT_CHANCE_MARGIN = 0.1  # at chance: not shown to be better, and shown not to be better by this much


class Evidence(NamedTuple):
    """What one reader's answers say about it and the two baselines, before correction.

    Attributes:
        majority_label: the most frequent reference label of these questions; None for a choice at random.
        majority_share: accuracy of always giving it.
        p_vs_majority: one-sided p-value of being more accurate than that.
        chance: accuracy of the reader's answers when shuffled.
        p_vs_chance: one-sided p-value of being more accurate than that.
        above_chance_high: upper bound of how much more accurate it is.
    """

    majority_label: str | None
    majority_share: float
    p_vs_majority: float
    chance: float
    p_vs_chance: float
    above_chance_high: float


def weigh(judged: pl.DataFrame, confidence: float) -> Evidence | None:
    """Test one reader's answers.

    Where questions have choices of their own, what always gives the majority label is replaced by a choice at random:
    the places of the right ones are drawn, so no place is more often right. An answer that all questions may be given,
    such as that it is not stated, is the constant answer where it is right more often than a choice at random.

    Args:
        judged: columns label (null for no answer), reference (never null), cluster; and guess and constant, as from
            `answers_without_reading`, where questions have choices of their own.
        confidence: of the bound.

    Returns:
        None where no question has a reference.
    """
    if judged.is_empty():
        return None
    if "guess" in judged.columns and (guessed := _against_guessing(judged, confidence)) is not None:
        return guessed
    # The majority label of these very questions is the hardest constant answer to beat: the test errs on the strict
    # side.
    known = judged["constant"] if "constant" in judged.columns else judged["reference"]
    counts = known.drop_nulls().value_counts().sort(["count", known.name], descending=[True, False])
    majority = counts[known.name][0]
    right, always = (judged["label"] == judged["reference"]).fill_null(value=False), known.eq_missing(majority)
    gains = right.cast(pl.Float64).to_numpy() - always.cast(pl.Float64).to_numpy()
    sums, _ = cluster_sums(gains, judged["cluster"].to_list())
    share = float(np.mean(always.to_numpy()))
    return Evidence(majority, share, sign_flip(sums, "greater"), *_against_chance(judged, confidence))


def _against_chance(judged: pl.DataFrame, confidence: float) -> tuple[float, float, float]:
    """The last three fields of the evidence."""
    given, known = judged["label"].fill_null(NO_ANSWER).to_list(), judged["reference"].to_list()
    right = (judged["label"] == judged["reference"]).fill_null(value=False)
    shuffled = agreement_against_chance(given, known)
    clusters = judged["cluster"].to_list()
    clustered = above_chance(given, known, clusters, confidence)
    # A reader that gives one answer always agrees with its shuffled self: the interval of its accuracy is a bound too.
    accuracy = wilson_clustered(right.cast(pl.Float64).to_numpy(), clusters, confidence)
    above = max(clustered.high, accuracy.high - shuffled.expected)
    return shuffled.expected, p_above_chance(given, known, clusters), above


def _against_guessing(judged: pl.DataFrame, confidence: float) -> Evidence | None:
    """The evidence against a choice at random; None where a constant answer is right more often."""
    guess = judged["guess"].to_numpy()
    constant = judged["constant"].drop_nulls()
    share = float(guess.mean())
    if len(constant) and float(constant.value_counts()["count"].max()) / len(judged) > share:  # type: ignore[arg-type]  # a number
        return None
    n_right = int((judged["label"] == judged["reference"]).sum())
    return Evidence(None, share, p_by_guessing(n_right, guess), *_against_chance(judged, confidence))


def p_by_guessing(n_right: int, guess: npt.NDArray[np.float64]) -> float:
    """Probability that choices at random are right at least so often: exact, a sum of independent draws.

    They are independent whatever the documents, because the places of the choices are drawn question by question.

    Args:
        n_right: how often the reader is right.
        guess: shape (questions,): how probable a choice at random is right.
    """
    chances = np.ones(1)
    for probability in guess:
        chances = np.convolve(chances, [1 - probability, probability])
    return float(min(1.0, chances[n_right:].sum()))


def correct(labelers: pl.DataFrame, confidence: float) -> pl.DataFrame:
    """Fill in p_vs_majority_holm, p_vs_chance_holm, qualified and standing, over all readers of a run.

    Args:
        labelers: frame with the columns p_vs_majority, p_vs_chance and above_chance_high, null where nothing is known.
        confidence: of the tests.
    """
    adjusted = {name: holm_of_known(labelers[name].to_list()) for name in ("p_vs_majority", "p_vs_chance")}
    alpha = 1 - confidence
    standings: list[Standing | None] = [
        None if majority is None or chance is None else _standing(majority < alpha, chance < alpha, above)
        for majority, chance, above in zip(
            adjusted["p_vs_majority"], adjusted["p_vs_chance"], labelers["above_chance_high"], strict=True
        )
    ]
    return labelers.with_columns(
        p_vs_majority_holm=pl.Series(adjusted["p_vs_majority"], dtype=pl.Float64),
        p_vs_chance_holm=pl.Series(adjusted["p_vs_chance"], dtype=pl.Float64),
        qualified=pl.Series([None if p is None else p < alpha for p in adjusted["p_vs_majority"]], dtype=pl.Boolean),
        standing=pl.Series(standings, dtype=pl.String),
    )


def _standing(beats_majority: bool, beats_chance: bool, above_chance_high: float) -> Standing:
    if beats_majority:
        return "better than the majority label"
    if beats_chance:
        return "better than chance only"
    return "at chance" if above_chance_high < AT_CHANCE_MARGIN else "cannot tell"


def holm_of_known(p_values: list[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, skipping what is null."""
    known = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(known) for p in p_values]
