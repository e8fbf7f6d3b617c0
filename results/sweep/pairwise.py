"""The settings of a sweep compared pair by pair, and which cells are shown to be near the best."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t as student

from results.settings import CUT_SCHEMA
from results.stats.clustered import cluster_sums, holm, mcnemar_exact, sign_flip
from results.stats.resampling import Array, Difference, Resampled, difference_interval, with_half_questions

COMPARISONS = pl.Schema(
    {
        "reader": pl.String(),
        **CUT_SCHEMA,
        "a": pl.String(),
        "b": pl.String(),
        "n": pl.Int64(),
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
    names: Sequence[str], columns: Sequence[int], means: Resampled, right: Array, clusters: Sequence[str],
    confidence: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """All pairs of some columns, with Holm's correction over these pairs.

    Args:
        names: one per column.
        columns: their places in `means`.
        means: accuracies of all columns, resampled together.
        right: shape (questions that count, columns): 1 where the answer is right.
        clusters: document of each of these questions.
        confidence: of the intervals.

    Returns:
        A row per pair: the columns of `COMPARISONS` from `a` on. The p-value comes from flipping the sign of each
        document's summed difference, over all patterns of signs; McNemar's test takes questions as independent.
    """
    ordered = sorted(zip(names, columns, strict=True))
    covariance = means.covariance
    rows: list[dict[str, Any]] = []
    for (a, at), (b, other) in combinations(ordered, 2):
        found = difference(means, covariance, at, other, confidence)
        sums, _ = cluster_sums(right[:, at] - right[:, other], clusters)
        rows.append(
            {
                "a": a, "b": b, "n": means.n, "difference": found.estimate, "low": found.low, "high": found.high,
                "standard_error": found.error, "p_value": sign_flip(sums) if means.n_clusters > 1 else 1.0,
                "p_mcnemar": mcnemar_exact((right[:, at] > 0).tolist(), (right[:, other] > 0).tolist()),
            }
        )  # fmt: skip
    for row, p_holm in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = p_holm
    return rows


def difference(means: Resampled, covariance: Array, a: int, b: int, confidence: float) -> Difference:
    """Column a minus column b, paired."""
    error = float(np.sqrt(max(0.0, covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])))
    estimate = float(means.estimates[a] - means.estimates[b])
    return difference_interval(estimate, error, means.n, means.n_clusters, confidence)


def shown_within(means: Resampled, columns: Sequence[int], margin: float) -> list[float]:
    """For each of some columns, the p-value of being more than a margin worse than the best of them.

    A column is within the margin of the best if it is within the margin of every other column. All of these claims must
    hold, so the largest of their one-sided p-values is that of the whole (intersection-union test: Berger 1982,
    "Multiparameter Hypothesis Testing and Acceptance Sampling"). Which column is best is not taken from the data. Holm
    corrects for the number of columns that are tried.

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
    p_values = student.cdf((centres - margin) / errors, means.n_clusters - 1)
    np.fill_diagonal(p_values, 0.0)
    return holm(p_values.max(axis=1).tolist())


def difference_errors(draws: Array) -> Array:
    """Standard errors of the differences of all pairs of columns; shape (columns, columns)."""
    covariance = np.atleast_2d(np.cov(draws, rowvar=False))
    variances = np.diag(covariance)
    errors: Array = np.sqrt(np.maximum(0.0, variances[:, None] + variances[None, :] - 2 * covariance))
    return errors
