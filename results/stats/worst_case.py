"""Tests of a mean of bounded scores that stay valid when the sample lacks the rare question: one worst case is added.

Two settings that answer alike on every question read so far may differ on the next. A t test, a bootstrap or sign flips
do not know that question and are wrong far too often (`docs/statistics.md` has the figures). So one imagined document,
as bad as the scores can be, is added to the sample, and all documents are weighted at random:

    p = P(E_1 Y_1 + ... + E_n Y_n + E_0 U >= 0)

E_i are independent standard exponentials, Y_i the documents' sums and U > 0 the worst case (Gaffke 2005, "Three test
statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative variable"; Learned-Miller and Thomas
2019, "A New Confidence Interval for the Mean of a Bounded Random Variable", arXiv:1905.06208). On scores that are 0 or
1 it is the test of Clopper and Pearson. In general its validity is conjectured: it is proven in special cases, and no
counterexample is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import exponnorm, norm

from results.stats.resampling import Array, effective_number

_FROM, _TO, _STEP = -7.0, 9.0, 0.1
MOST = 1000.0  # times as many documents; nobody reads more
_BLOCK = 2_000_000  # numbers in one block of the integral


def worst_case_p(sums: Array, worst: Array | float) -> Array:
    """P-values of the hypotheses that the mean of some bounded scores is 0 or more.

    The probability is that of a weighted sum of exponentials, by inversion of its characteristic function (Imhof 1961,
    "Computing the distribution of quadratic forms in normal variables", with two degrees of freedom each):

        p = 1/2 + (1/pi) * integral over u of sin(sum of atan(e^u y)) * product of (1 + e^(2u) y^2)^(-1/2)

    over all y, scaled so that their squares sum to 1. The integrand dies out doubly exponentially, so the trapezoid
    rule on 160 points is exact to about six digits.

    Args:
        sums: shape (documents, hypotheses): what each document adds to the score.
        worst: the largest possible sum of a document, above 0; one for all hypotheses or one each.

    Returns:
        Shape (hypotheses,), between 0 and 1.
    """
    tops = np.broadcast_to(np.asarray(worst, dtype=np.float64), sums.shape[1:])
    found = np.empty(sums.shape[1])
    block = max(1, _BLOCK // ((len(sums) + 1) * _points().size))
    for start in range(0, sums.shape[1], block):
        at = slice(start, start + block)
        found[at] = _above_zero(np.concatenate([sums[:, at], tops[None, at]]))
    return found


def _points() -> Array:
    points: Array = np.exp(np.arange(_FROM, _TO + _STEP / 2, _STEP))
    return points


def _above_zero(weights: Array) -> Array:
    """P(sum of exponentials with these weights >= 0); weights of shape (documents, hypotheses)."""
    scaled = weights / np.sqrt((weights**2).sum(axis=0))
    turned = _points()[:, None, None] * scaled
    phases = np.arctan(turned).sum(axis=1)
    heights = np.exp(-0.5 * np.log1p(turned**2).sum(axis=1))
    values = np.sin(phases) * heights
    # Below the first point the integrand is e^u times the sum of the weights.
    below = np.exp(_FROM) * scaled.sum(axis=0)
    integral = _STEP * (values.sum(axis=0) - values[0] / 2) + below
    above: Array = np.clip(0.5 + integral / np.pi, 0.0, 1.0)
    return above


class Weighted(NamedTuple):
    """Documents whose questions count with a weight.

    Attributes:
        weights: shape (documents,): sum over its questions of the probability that they count.
        sums: shape (documents, columns): sum over its questions of that probability times the score of each column.
    """

    weights: Array
    sums: Array

    @property
    def effective(self) -> float:
        """How many equally weighted documents these are worth."""
        return effective_number(self.weights)

    @property
    def typical(self) -> float:
        """Weight of a document, as a document of the total weight would have on average."""
        total = float(self.weights.sum())
        return float((self.weights**2).sum()) / total if total else 0.0


def p_better_by(documents: Weighted, lead: Array, *, strict: bool = False) -> Array:
    """P-values of each column being better than each other one by no more than a lead: small ones show that it is.

    Args:
        documents: scores between 0 and 1.
        lead: shape (columns, columns): between 0 and 1, for each pair.
        strict: as in `p_worse_by`.

    Returns:
        Shape (columns, columns): a small value at (i, j) shows that column i is better than column j by more than the
        lead at (i, j). The diagonal is 1.
    """
    n = documents.sums.shape[1]
    weight = float(documents.weights.max(initial=0.0)) if strict else documents.typical
    found = np.ones((n, n))
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    if pairs and weight:
        better, worse = map(list, zip(*pairs, strict=True))
        leads = lead[better, worse]
        gaps = documents.sums[:, worse] - documents.sums[:, better] + documents.weights[:, None] * leads
        found[better, worse] = worst_case_p(gaps, (1 + leads) * weight)
    return found


def p_worse_by(documents: Weighted, margin: float, *, strict: bool = False) -> Array:
    """P-values of each column being worse than each other one by the margin or more.

    The difference of two weighted means is at least the margin exactly if the mean of
    Y = sum over a document's questions of weight * (rival - column - margin) is 0 or more, so no ratio is involved.

    Args:
        documents: scores between 0 and 1.
        margin: between 0 and 1.
        strict: whether the worst case is as heavy as the heaviest document, not as the typical one.

    Returns:
        Shape (columns, columns): a small value at (i, j) shows that column i is not worse than column j by the margin.
        The diagonal is 0, and so is every pair of columns that are the same in all documents if the margin is above 0.
    """
    n = documents.sums.shape[1]
    heaviest = float(documents.weights.max(initial=0.0))
    weight = heaviest if strict else documents.typical
    if weight == 0:
        return 1.0 - np.eye(n)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    found = np.zeros((n, n))
    if pairs:
        columns, rivals = map(list, zip(*pairs, strict=True))
        gaps = documents.sums[:, rivals] - documents.sums[:, columns] - margin * documents.weights[:, None]
        found[columns, rivals] = worst_case_p(gaps, (1 - margin) * weight)
    return found


def shaffer(p_values: Sequence[float], shares: Sequence[float] = (), n_tried: int | None = None) -> list[float]:
    """Adjusted p-values of the claims that each of K settings is within a margin of the best, in the given order.

    At least one setting is the best, so at most K - 1 claims are wrong: the first step is divided by K - 1, not K
    (Shaffer 1986, "Modified Sequentially Rejective Multiple Test Procedures"): multipliers K-1, K-1, K-2, ..., 1.

    Args:
        p_values: one per setting.
        shares: the share of the error rate that one look may use, for the multipliers 1, 2, ..., K-1; all of it where
            it is empty. See `results.stats.looks`.
        n_tried: how many settings were tried, with those that are out of the race and have no p-value.
    """
    n = n_tried or len(p_values)
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(order):
        multiplier = max(1, min(n - 1, n - place))
        share = shares[multiplier - 1] if shares else 1.0
        largest = max(largest, min(1.0, p_values[index] * multiplier / share))
        adjusted[index] = largest
    return adjusted


def documents_needed(gaps: Array, worst: float, margin: float, level: float, power: float) -> float | None:
    """How many times as many documents like these would show that two settings that are equal are within a margin.

    The weighted sum of the test is taken as normal, with the worst case beside it as an exponential: an exponentially
    modified normal distribution. Documents vary as those that were read do, but around no difference.

    Args:
        gaps: shape (documents,): what each adds to the difference between the rival and the setting.
        worst: the worst case of the test.
        margin: shape of the margin: what it subtracts from the mean of `gaps`, above 0.
        level: that the p-value has to reach.
        power: probability with which it should.

    Returns:
        The factor, at least 0; None where more than `MOST` times as many would be needed.
    """
    n, spread = len(gaps), float(gaps.std())
    squares = spread**2 + margin**2

    def above(factor: float) -> float:
        size = n * factor
        mean = -size * margin + float(norm.ppf(power)) * spread * size**0.5
        scale = (size * squares) ** 0.5
        return float(exponnorm.sf(0.0, worst / scale, loc=mean, scale=scale)) - level

    if above(MOST) > 0:
        return None
    low = 1 / n
    return low if above(low) <= 0 else float(brentq(above, low, MOST, xtol=1e-3))


def fewest_documents(n_settings: int, margin: float, alpha: float, share: float = 1.0) -> float:
    """The fewest effective documents with which the test can show that settings that look alike are within a margin.

    If no document differs, p is (1 - margin)^n; that has to fall below alpha over the multiplier of the first step.

    Args:
        n_settings: settings that are compared.
        margin: above 0.
        alpha: error rate.
        share: the share of it that one look may use.
    """
    return float(np.log(max(1, n_settings - 1) / (alpha * share)) / -np.log1p(-margin))
