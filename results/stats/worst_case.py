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

import heapq
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from results.stats.clustered import effective_number
from results.stats.exponential_sums import above_zero
from results.stats.resampling import Array

Indices = npt.NDArray[np.intp]
MOST = 1000.0  # times as many documents; nobody reads more
_NUMBERS = 1_000_000  # held at a time, however many pairs there are


def worst_case_p(sums: Array, worst: Array | float) -> Array:
    """P-values of the hypotheses that the mean of some bounded scores is 0 or more.

    Args:
        sums: shape (documents, hypotheses): what each document adds to the score.
        worst: the largest possible sum of a document, above 0; one for all hypotheses or one each.

    Returns:
        Shape (hypotheses,), between 0 and 1.
    """
    tops = np.broadcast_to(np.asarray(worst, dtype=np.float64), sums.shape[1:])
    return above_zero(np.concatenate([sums, tops[None]]))


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
    found = np.ones(lead.shape)
    better, worse = np.nonzero(~np.eye(len(lead), dtype=bool))
    found[better, worse] = _p_of_pairs(documents, better, worse, lead[better, worse], strict=strict)
    return found


def shown_not_best(documents: Weighted, alpha: float, *, strict: bool = False) -> list[bool]:
    """Which columns are shown not to be the best: another one is shown to be better.

    Each of K columns meets K - 1 rivals, and Holm's multipliers K, K - 1, ... correct over the columns (Holm 1979, "A
    Simple Sequentially Rejective Multiple Test Procedure"). So with probability alpha at most, a column is out that no
    other one is better than, also where several or all are equally good. What is left is a confidence set for the
    best, as in Gupta 1965, "On some multiple decision (selection and ranking) rules", by a test for bounded scores.

    Args:
        documents: scores between 0 and 1.
        alpha: error rate.
        strict: as in `p_worse_by`.
    """
    n = documents.sums.shape[1]
    found = p_better_by(documents, np.zeros((n, n)), strict=strict).min(axis=0, initial=1.0)
    is_out = [False] * n
    for n_out, column in enumerate(np.argsort(found, kind="stable")):
        if found[column] * max(1, n - 1) * (n - n_out) >= alpha:
            break
        is_out[column] = True
    return is_out


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
        The diagonal is 0.
    """
    n = documents.sums.shape[1]
    found = p_better_by(documents, np.full((n, n), -margin), strict=strict)
    np.fill_diagonal(found, 0.0)
    return found


def p_worse_than(
    documents: Weighted, columns: Sequence[int], rivals: Sequence[int], margin: float, *, strict: bool = False
) -> Array:
    """The same for some pairs: of each column and the rival at its place; shape (columns,)."""
    leads = np.full(len(columns), -margin)
    return _p_of_pairs(documents, np.asarray(columns), np.asarray(rivals), leads, strict=strict)


def _p_of_pairs(documents: Weighted, better: Indices, worse: Indices, leads: Array, *, strict: bool) -> Array:
    weight = float(documents.weights.max(initial=0.0)) if strict else documents.typical
    found = np.ones(len(better))
    block = max(1, _NUMBERS // max(1, len(documents.weights)))
    for start in range(0, len(better) if weight else 0, block):
        at = slice(start, start + block)
        gaps = documents.sums[:, worse[at]] - documents.sums[:, better[at]] + documents.weights[:, None] * leads[at]
        found[at] = worst_case_p(gaps, (1 + leads[at]) * weight)
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
    return step_down(p_values, p_values.__getitem__, shares, n_tried)


def step_down(
    bounds: Sequence[float], exact: Callable[[int], float], shares: Sequence[float] = (), n_tried: int | None = None
) -> list[float]:
    """The same, where p-values are dear: each is computed only if it can matter, and the result is the same.

    From the first adjusted value of 1 on, all are 1, however large their p-values are.

    Args:
        bounds: for each setting, a value that its p-value is not below.
        exact: gives the p-value of the setting with this number.
        shares: as in `shaffer`.
        n_tried: as in `shaffer`.
    """
    n = n_tried or len(bounds)
    adjusted = [1.0] * len(bounds)
    waiting = [(bound, False, index) for index, bound in enumerate(bounds)]
    heapq.heapify(waiting)
    largest, place = 0.0, 0
    while waiting and largest < 1:
        p_value, is_exact, index = heapq.heappop(waiting)
        if not is_exact:
            heapq.heappush(waiting, (exact(index), True, index))
            continue
        multiplier = max(1, min(n - 1, n - place))
        share = shares[multiplier - 1] if shares else 1.0
        largest = max(largest, min(1.0, p_value * multiplier / share))
        adjusted[index], place = largest, place + 1
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
        mean = -size * margin + float(scipy.stats.norm.ppf(power)) * spread * size**0.5
        scale = (size * squares) ** 0.5
        return float(scipy.stats.exponnorm.sf(0.0, worst / scale, loc=mean, scale=scale)) - level

    if above(MOST) > 0:
        return None
    low = 1 / n
    return low if above(low) <= 0 else float(scipy.optimize.brentq(above, low, MOST, xtol=1e-3))


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
