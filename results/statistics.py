"""The statistics of the verdict: paired, clustered by document, seeded.

Questions on one document stand or fall together, so that documents, not questions, are resampled and permuted
(Miller 2024, "Adding Error Bars to Evals", arXiv:2411.00640, section 2.2, argues the same for clustered standard
errors). Deviation: percentile bootstrap and exact sign flips instead of normal theory, as gold sets may be small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm
from scipy.stats import t as student

Scores = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with the ends of its interval."""

    estimate: float
    low: float
    high: float


class Comparison(NamedTuple):
    """A paired difference of means: estimate and interval, standard error, and the sign-flip p-value."""

    difference: float
    low: float
    high: float
    standard_error: float
    p_value: float


def cluster_sums(scores: Scores, clusters: Sequence[str]) -> tuple[Scores, Scores]:
    """Sum of scores and number of questions per cluster, clusters in sorted order.

    Args:
        scores: shape (questions,) or (questions, columns).
        clusters: cluster of each question.

    Returns:
        Shapes (clusters,) or (clusters, columns), and (clusters,).
    """
    _, codes = np.unique(np.asarray(clusters, dtype=object), return_inverse=True)
    n_clusters = int(codes.max()) + 1
    sums = np.zeros((n_clusters, *scores.shape[1:]))
    np.add.at(sums, codes, scores)
    return sums, np.bincount(codes, minlength=n_clusters).astype(np.float64)


def bootstrap_mean(scores: Scores, clusters: Sequence[str], n_resamples: int, confidence: float, seed: int) -> Interval:
    """Mean of scores with a percentile bootstrap interval over clusters.

    Args:
        scores: shape (questions,).
        clusters: cluster of each question.
        n_resamples: bootstrap resamples.
        confidence: such as 0.95.
        seed: of the resampling.

    Returns:
        NaN throughout when there is no question.
    """
    if len(scores) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    sums, sizes = cluster_sums(scores, clusters)
    means = _resampled_means(sums, sizes, n_resamples, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(scores.mean()), float(low), float(high))


def _resampled_means(sums: Scores, sizes: Scores, n_resamples: int, seed: int) -> Scores:
    rng = np.random.default_rng(seed)
    n = len(sizes)
    means = np.empty(n_resamples)
    # In blocks: 10,000 resamples of 10,000 documents at once would take 800 MB.
    block = max(1, 4_000_000 // n)
    for start in range(0, n_resamples, block):
        drawn = rng.integers(0, n, size=(min(block, n_resamples - start), n))
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means


def compare_paired(a: Scores, b: Scores, clusters: Sequence[str], confidence: float) -> Comparison:
    """Difference of the means of two paired right-or-wrong columns, a minus b.

    The interval is that of Agresti and Min 2005 ("Simple improved confidence intervals for comparing matched
    proportions": half a question added to each cell of the paired table), so that it does not shrink to a point where
    two columns never disagreed. Deviation: squared deviations are summed over clusters, and the quantile is Student's
    with one degree of freedom less than clusters; one cluster says nothing, and its interval is the whole range.

    The p-value flips the sign of each cluster's summed difference, all patterns counted. With one question a cluster
    it is McNemar's exact test.

    Args:
        a: shape (questions,), 0 or 1.
        b: shape (questions,), 0 or 1, same questions.
        clusters: cluster of each question.
        confidence: of the interval.
    """
    sums, sizes = cluster_sums(a - b, clusters)
    n = float(sizes.sum()) + 2
    centre = float(sums.sum()) / n
    added = 0.5 * (1 - centre) ** 2 + 0.5 * (1 + centre) ** 2 + centre**2
    standard_error = float(np.sqrt(((sums - sizes * centre) ** 2).sum() + added)) / n
    if len(sums) < 2:
        return Comparison(float((a - b).mean()), -1.0, 1.0, float("inf"), 1.0)
    reach = float(student.ppf((1 + confidence) / 2, len(sums) - 1)) * standard_error
    low, high = max(-1.0, centre - reach), min(1.0, centre + reach)
    return Comparison(float((a - b).mean()), low, high, standard_error, sign_flip(sums))


def sign_flip(sums: Scores) -> float:
    """Two-sided exact p-value of the sum of whole numbers under random signs.

    The distribution of the sum is built up by convolution, one cluster at a time, so that no pattern is left to chance.
    """
    moved = np.abs(np.rint(sums)).astype(np.int64)
    moved = moved[moved > 0]
    total = int(moved.sum())
    # chances[i] is the probability of the sum i - total.
    chances = np.zeros(2 * total + 1)
    chances[total] = 1.0
    for size in moved:
        chances = (np.roll(chances, size) + np.roll(chances, -size)) / 2
    reach = abs(int(np.rint(sums.sum())))
    values = np.abs(np.arange(-total, total + 1))
    return float(min(1.0, chances[values >= reach].sum()))


def mcnemar_exact(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Exact two-sided McNemar test on paired right / wrong answers (binomial on the discordant pairs)."""
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values (Holm 1979), in the given order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def wilson(n_right: int, n: int, confidence: float = 0.95) -> Interval:
    """A share with its Wilson score interval; NaN throughout for n = 0."""
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    interval = binomtest(n_right, n).proportion_ci(confidence, method="wilson")
    return Interval(n_right / n, float(interval.low), float(interval.high))


def detectable_difference(standard_error: float, n_comparisons: int, confidence: float, power: float = 0.8) -> float:
    """The smallest difference that a comparison with this standard error would have found with probability `power`.

    (z_(1 - alpha/2m) + z_power) * SE, after Miller 2024, equation 9, with alpha divided by the number of comparisons.
    """
    alpha = (1 - confidence) / n_comparisons
    return float((norm.ppf(1 - alpha / 2) + norm.ppf(power)) * standard_error)


def better_than_majority(n_right: int, n: int, majority_share: float) -> float:
    """One-sided exact binomial p-value that accuracy exceeds that of always answering the majority label."""
    if n == 0:
        return 1.0
    return float(binomtest(n_right, n, majority_share, alternative="greater").pvalue)
