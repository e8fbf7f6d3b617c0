"""The accuracy of a reader in every cell and arm, and the harm of every cell, resampled together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from results.config import ScoringConfig
from results.stats.clustered import cluster_sums
from results.stats.resampling import Array, Resampled, resample_means
from results.stats.worst_case import Weighted
from results.sweep.judged import BASELINE_ARMS, CELL_ARMS, Judged

HARM = "harm"
COUNTS = 0.001  # a question that is less probable to count changes nothing, whether its answer failed or not


@dataclass(frozen=True)
class Arms:
    """How every question that counts is answered, one column per arm and cell.

    Attributes:
        places: column by arm and number of the cell (0 for the arms that are the same in every cell); "harm" is right
            without context and wrong with what was retrieved. What was not asked is missing.
        right: shape (questions that count, columns): probability that the answer is right, given that they count;
            1 or 0 as observed where scores are drawn.
        weights: shape (questions that count,): how much each counts; 1 as observed.
        clusters: document of each of these questions.
        n_failed: how many of them an arm has no answer to, by arm and number of the cell.
    """

    places: dict[tuple[str, int], int]
    right: Array
    weights: Array
    clusters: list[str]
    n_failed: dict[tuple[str, int], int]

    def columns(self, arm: str) -> list[int]:
        """Columns of an arm, in the order of the cells; empty where it was not asked."""
        return [place for (name, _), place in self.places.items() if name == arm]

    @property
    def n_weighted(self) -> float:
        """How many questions count: the sum of their weights."""
        return float(self.weights.sum())

    def n_right(self, arm: str, number: int) -> float:
        """How many questions an arm answers correctly, or is expected to."""
        return float(self.weights @ self.right[:, self.places[arm, number]])

    @property
    def documents(self) -> Weighted:
        """The scores of all columns, summed by document."""
        if not len(self.weights):
            return Weighted(self.weights, self.right)
        sums, _ = cluster_sums(self.right * self.weights[:, None], self.clusters)
        return Weighted(cluster_sums(self.weights, self.clusters)[0], sums)


@dataclass(frozen=True)
class ArmMeans(Arms):
    """The same with the mean of every column.

    Attributes:
        means: the columns, resampled together, so that any two of them are paired.
    """

    means: Resampled


def collect_arms(judged: Judged, questions: str) -> Arms:
    """How a reader answers in all arms and cells.

    Args:
        judged: its answers.
        questions: "gold", judged by the gold labels, or "all", judged by the references.
    """
    law = judged.laws[questions]
    keys, values = _values(judged)
    of_question = law.weights.sum(axis=1)
    rows = np.flatnonzero(of_question)
    weights = of_question[rows]
    right = np.einsum("ql,qlc->qc", law.weights[rows], values[rows]) / weights[:, None]
    failed = {key: given.sum(axis=1) == 0 for key, given in judged.chances.items()}
    n_failed = {key: int((of_arm & (of_question > COUNTS)).sum()) for key, of_arm in failed.items()}
    places = {key: place for place, key in enumerate(keys)}
    return Arms(places, right, weights, [law.clusters[row] for row in rows.tolist()], n_failed)


def _values(judged: Judged) -> tuple[list[tuple[str, int]], Array]:
    """The columns by arm and number of the cell, and how probable each answer is: (questions, labels, columns)."""
    found = {arm: judged.right(arm) for arm in (*CELL_ARMS, *BASELINE_ARMS)}
    asked = {arm: right for arm, right in found.items() if right is not None}
    if "closed_book" in asked:
        asked[HARM] = asked["closed_book"] * (1 - asked["retrieved"])
    keys = [(arm, number) for arm, right in asked.items() for number in range(right.shape[2])]
    return keys, np.concatenate(list(asked.values()), axis=2)


def resample_arms(judged: Judged, questions: str, config: ScoringConfig) -> ArmMeans:
    """Resample all arms of a reader.

    Args:
        judged: its answers.
        questions: as in `collect_arms`.
        config: resamples and seed.
    """
    arms = collect_arms(judged, questions)
    _, values = _values(judged)
    means = resample_means(values, judged.laws[questions], config.n_resamples, config.seed)
    return ArmMeans(arms.places, arms.right, arms.weights, arms.clusters, arms.n_failed, means)
