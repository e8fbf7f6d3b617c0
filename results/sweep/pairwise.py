"""The settings of a sweep compared pair by pair, and which cells are shown to be near the best."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import scipy

from results.settings import CUT_SCHEMA
from results.stats.clustered import cluster_sums, holm, mcnemar_exact, sign_flip
from results.stats.resampling import Array, Difference, Resampled, difference_interval, with_half_questions
from results.stats.worst_case import Weighted, p_worse_by, p_worse_than, step_down
from results.sweep.arms import ArmMeans

COMPARISONS = pl.Schema(
    {
        "reader": pl.String(),
        **CUT_SCHEMA,
        "a": pl.String(),
        "b": pl.String(),
        "n": pl.Float64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "standard_error": pl.Float64(),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "p_mcnemar": pl.Float64(),
    }
)


def compare_columns(
    names: Sequence[str], columns: Sequence[int], arms: ArmMeans, confidence: float
) -> list[dict[str, Any]]:
    """All pairs of some columns, with Holm's correction over these pairs.

    Args:
        names: one per column.
        columns: their places in `arms`.
        arms: accuracies of all columns, resampled together.
        confidence: of the intervals.

    Returns:
        A row per pair: the columns of `COMPARISONS` from `a` on. Where scores are drawn, the p-value comes from
        flipping the sign of each document's summed difference, over all patterns of signs; McNemar's test takes
        questions as independent. Where they are expected, it is twice the smaller one of `p_worse_by` on either side,
        and there is nothing for McNemar's test to count.
    """
    means, covariance = arms.means, arms.means.covariance
    documents = arms.documents
    worse = p_worse_by(Weighted(documents.weights, documents.sums[:, columns]), 0.0)
    ordered = sorted(zip(names, columns, range(len(columns)), strict=True))
    rows: list[dict[str, Any]] = []
    for (a, at, place_a), (b, other, place_b) in combinations(ordered, 2):
        found = difference(means, covariance, at, other, confidence)
        row = {"a": a, "b": b, "n": means.n, "difference": found.estimate, "low": found.low, "high": found.high}
        row |= {"standard_error": found.error, "p_value": 1.0, "p_mcnemar": None}
        if means.is_drawn:
            sums, _ = cluster_sums(arms.right[:, at] - arms.right[:, other], arms.clusters)
            right = [(arms.right[:, column] > 0).tolist() for column in (at, other)]
            row["p_mcnemar"] = mcnemar_exact(*right)
            row["p_value"] = sign_flip(sums) if means.n_clusters > 1 else 1.0
        elif np.abs(documents.sums[:, at] - documents.sums[:, other]).max(initial=0.0) > 0:
            row["p_value"] = min(1.0, 2 * float(min(worse[place_a, place_b], worse[place_b, place_a])))
        rows.append(row)
    for row, p_holm in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = p_holm
    return rows


def difference(means: Resampled, covariance: Array, a: int, b: int, confidence: float) -> Difference:
    """Column a minus column b, paired."""
    error = float(np.sqrt(max(0.0, covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])))
    estimate = float(means.estimates[a] - means.estimates[b])
    return difference_interval(estimate, error, means.n, means.n_clusters, confidence)


def shown_within(
    documents: Weighted, columns: Sequence[int], margin: float, *, strict: bool = False, shares: Sequence[float] = (),
    n_tried: int | None = None,
) -> list[float]:  # fmt: skip
    """For each of some columns, the p-value of being more than a margin worse than the best of them.

    A column is within the margin of the best if it is within the margin of every other column. All of these claims must
    hold, so the largest of their one-sided p-values is that of the whole (intersection-union test: Berger 1982,
    "Multiparameter Hypothesis Testing and Acceptance Sampling"). Which column is best is not taken from the data. Each
    pair is tested with one worst document added (`results.stats.worst_case`), and Shaffer's multipliers correct for the
    number of columns that are tried.

    Args:
        documents: scores of all columns.
        columns: those that are compared.
        margin: largest loss that is acceptable.
        strict: as in `p_worse_by`.
        shares: as in `shaffer`.
        n_tried: as in `shaffer`.
    """
    if not documents.weights.sum():
        return [1.0] * len(columns)
    if len(columns) < 2:
        return [0.0] * len(columns)  # whoever is left is not worse than those that are out of the race
    mine = Weighted(documents.weights, documents.sums[:, list(columns)])
    each = range(len(columns))
    # A column that is far behind the leader is far behind the best: no other rival can show anything else.
    leader = int(mine.sums.sum(axis=0).argmax())
    against_leader = np.zeros(len(columns))
    behind = [one for one in each if one != leader]
    against_leader[behind] = p_worse_than(mine, behind, [leader] * len(behind), margin, strict=strict)

    def against_all(column: int) -> float:
        rivals = [one for one in behind if one != column]
        found = p_worse_than(mine, [column] * len(rivals), rivals, margin, strict=strict)
        return float(found.max(initial=against_leader[column]))

    return step_down(against_leader.tolist(), against_all, shares, n_tried)


def shown_within_drawn(means: Resampled, columns: Sequence[int], margin: float) -> list[float]:
    """The same from right and wrong answers: Student's test of the resampled differences, with Holm's correction.

    Args:
        means: accuracies of all columns, resampled together.
        columns: those that are compared.
        margin: largest loss that is acceptable.
    """
    if len(columns) < 2:
        return [1.0 if means.n == 0 else 0.0] * len(columns)
    if means.n_clusters < 2:
        return [1.0] * len(columns)
    estimates, draws = means.estimates[list(columns)], means.draws[:, list(columns)]
    # Rows are the columns that are tried, columns all others.
    leads = estimates[None, :] - estimates[:, None]
    centres, errors = with_half_questions(leads, difference_errors(draws), means.n, means.n_clusters)
    p_values = scipy.stats.t.cdf((centres - margin) / errors, means.n_clusters - 1)
    np.fill_diagonal(p_values, 0.0)
    return holm(p_values.max(axis=1).tolist())


def difference_errors(draws: Array) -> Array:
    """Standard errors of the differences of all pairs of columns; shape (columns, columns)."""
    covariance = np.atleast_2d(np.cov(draws, rowvar=False))
    variances = np.diag(covariance)
    errors: Array = np.sqrt(np.maximum(0.0, variances[:, None] + variances[None, :] - 2 * covariance))
    return errors
