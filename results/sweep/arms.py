"""The accuracy of a reader in every cell and arm, and the harm of every cell, resampled together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from results.config import ScoringConfig
from results.stats.resampling import Array, Resampled, counted, resample_means
from results.sweep.judged import BASELINE_ARMS, CELL_ARMS, NO_LABEL, Judged

HARM = "harm"


class ArmMeans(NamedTuple):
    """Means over the questions that count, one column per arm and cell.

    Attributes:
        means: the columns, resampled together, so that any two of them are paired.
        places: column by arm and number of the cell (0 for the arms that are the same in every cell); "harm" is right
            without context and wrong with what was retrieved. What was not asked is missing.
        right: shape (questions that count, columns): 1 or 0 as observed.
        clusters: document of each of these questions.
        n_failed: how many of them an arm has no answer to, by arm and number of the cell.
    """

    means: Resampled
    places: dict[tuple[str, int], int]
    right: Array
    clusters: list[str]
    n_failed: dict[tuple[str, int], int]

    def columns(self, arm: str) -> list[int]:
        """Columns of an arm, in the order of the cells; empty where it was not asked."""
        return [place for (name, _), place in self.places.items() if name == arm]

    def n_right(self, arm: str, number: int) -> int:
        """How many questions an arm answers correctly."""
        return int(self.right[:, self.places[arm, number]].sum())


def resample_arms(judged: Judged, questions: str, n_labels: int, config: ScoringConfig) -> ArmMeans:
    """Resample all arms of a reader.

    Args:
        judged: its answers.
        questions: "gold", judged by the gold labels, or "all", judged by the references.
        n_labels: size of the label set.
        config: resamples and seed.
    """
    law = judged.laws[questions]
    found = {arm: judged.right(arm, n_labels) for arm in (*CELL_ARMS, *BASELINE_ARMS)}
    asked = {arm: right for arm, right in found.items() if right is not None}
    if "closed_book" in asked:
        asked[HARM] = asked["closed_book"] * (1 - asked["retrieved"])
    keys = [(arm, number) for arm, right in asked.items() for number in range(right.shape[2])]
    values = np.concatenate(list(asked.values()), axis=2)
    means = resample_means(values, law, config.n_resamples, config.seed)
    rows = counted(law)
    right = values[rows, law.observed[rows]]
    clusters = [law.clusters[row] for row in rows]
    n_failed = {key: int((given[rows] == NO_LABEL).sum()) for key, given in judged.given.items()}
    return ArmMeans(means, {key: place for place, key in enumerate(keys)}, right, clusters, n_failed)
