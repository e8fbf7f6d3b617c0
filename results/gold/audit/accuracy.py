"""How often a gold set is right, without reference labels: from a random sample of it that people have looked at.

It is about the questions of this gold set and no others. They are a fixed list, so it does not matter here how they
share documents. What people settle on counts as the truth; where they have not settled, the question counts as wrong
for the lower end of the interval and as right for the upper one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from results.gold.audit.exact import ExactLimits
from results.gold.audit.powered import Powered, power, powered_limits
from results.gold.audit.sample import Audited
from results.stats.clustered import Interval


class Accuracy(NamedTuple):
    """How often a gold set is right.

    Attributes:
        share: of the gold set that is right, with its interval; NaN within 0 to 1 where nothing was settled.
        plain: the same from the sample alone.
        n: questions in the sample.
        n_right: of these, on which people give the gold label.
        n_unsettled: of these, on which people have not settled.
        total: questions in the gold set.
        left: share of the variance that the reader's own probabilities leave; 1 where they do not help.
        confidence: of the intervals.
    """

    share: Interval
    plain: Interval
    n: int
    n_right: int
    n_unsettled: int
    total: int
    left: float
    confidence: float

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.share.high - self.share.low

    @property
    def worth(self) -> int:
        """As many reviews would be needed for as small a variance without the reader's own probabilities."""
        # The variance of the mean of a sample without replacement is in proportion to (1 - n / total) / n.
        return round(self.n / (self.left + (1 - self.left) * self.n / self.total)) if self.n else 0


def gold_accuracy(audited: Audited, confidence: float, limits: ExactLimits | None = None) -> Accuracy:
    """How often a gold set is right, from a simple random sample of it.

    Args:
        audited: the gold set and the sample.
        confidence: of the interval.
        limits: the exact intervals of samples of this size from this gold set, where they are at hand.
    """
    n_right, n_unsettled = audited.n_right, audited.n_unsettled
    counts = audited.n, n_right, n_unsettled, audited.total
    if not audited.n:
        nothing = Interval(float("nan"), 0.0, 1.0)
        return Accuracy(nothing, nothing, *counts, 1.0, confidence)
    limits = limits or ExactLimits(audited.n, audited.total, confidence)
    worst, best = (_powered(audited, unsettled, confidence) for unsettled in (0.0, 1.0))
    low, high = powered_limits(worst, n_right, limits)[0], powered_limits(best, n_right + n_unsettled, limits)[1]
    plain_low, plain_high = limits.at(n_right)[0], limits.at(n_right + n_unsettled)[1]
    left = max(worst.left, best.left)
    alone, helped = _settled(audited, confidence)
    share = Interval(float(np.clip(helped if left < 1 else alone, low, high)), low, high)
    return Accuracy(share, Interval(alone, plain_low, plain_high), *counts, left, confidence)


def _powered(audited: Audited, unsettled: float, confidence: float) -> Powered:
    """The estimate if all questions on which people have not settled were wrong (0) or right (1)."""
    right = np.where(np.isnan(audited.right), unsettled, audited.right)
    return power(right, audited.said[audited.rows], audited.said.mean(axis=0), confidence)


def _settled(audited: Audited, confidence: float) -> tuple[float, float]:
    """The estimate from what is settled, without and with the reader's own probabilities; NaN where nothing is."""
    is_settled = ~np.isnan(audited.right)
    if not is_settled.any():
        return float("nan"), float("nan")
    settled = audited._replace(rows=audited.rows[is_settled], right=audited.right[is_settled])
    return float(settled.right.mean()), _powered(settled, 0.0, confidence).estimate


def reviews_needed(accuracy: Accuracy, width: float) -> int:
    """The smallest sample, this one included, whose interval would be at most so wide if the shares stay as they are.

    What people do not settle on cannot be narrowed away: where that alone is wider, it is the whole gold set.

    Args:
        accuracy: from the sample so far.
        width: of the whole interval, above 0.
    """
    if accuracy.n and accuracy.width <= width:
        return accuracy.n
    fewest, most = accuracy.n + 1, accuracy.total
    while fewest < most:
        middle = (fewest + most) // 2
        if _expected_width(accuracy, middle) <= width:
            most = middle
        else:
            fewest = middle + 1
    return min(fewest, accuracy.total)


def _expected_width(accuracy: Accuracy, n: int) -> float:
    limits = ExactLimits(n, accuracy.total, accuracy.confidence)
    open_share = accuracy.n_unsettled / accuracy.n if accuracy.n else 0.0
    centre = 0.5 if np.isnan(accuracy.share.estimate) else accuracy.share.estimate
    low, high = (limits.at(min(n, max(0.0, settled * n))) for settled in _ends(centre, open_share))
    return float((high[1] - low[0] - open_share) * accuracy.left**0.5 + open_share)


def _ends(centre: float, open_share: float) -> tuple[float, float]:
    """The share of right questions if all open ones were wrong, and if all of them were right."""
    return centre * (1 - open_share), centre * (1 - open_share) + open_share
