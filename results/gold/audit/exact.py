"""Exact statements about a finite list of questions, from a simple random sample of it without replacement.

How many of the sampled questions are right follows the hypergeometric law, whatever the list is like: also where
questions share documents, as the list is fixed and only the draw is random. It is the interval of Clopper and Pearson
1934 for a finite list (Katz 1953, "Confidence intervals for the number showing a certain characteristic in a population
when sampling is without replacement"), so it holds for every number of questions and every accuracy.
"""

from __future__ import annotations

import math

import scipy

Ends = tuple[float, float]
_ROUNDING = 1e-9  # a share times a number of questions may miss a whole number by this


class ExactLimits:
    """The interval of the share of a list that is right, for every number of right questions in a sample.

    Args:
        n: questions in the sample.
        total: questions in the list.
        confidence: of the interval; half of what is left is allowed on either side.
    """

    def __init__(self, n: int, total: int, confidence: float) -> None:
        self.n, self.total = n, total
        self._alpha = (1 - confidence) / 2
        self._known: dict[int, Ends] = {}

    def at(self, n_right: float) -> Ends:
        """The ends for so many right questions; between two whole numbers they are interpolated."""
        below = min(self.n, math.floor(n_right + _ROUNDING))
        part = max(0.0, n_right - below)
        (low, high), (next_low, next_high) = self._at(below), self._at(min(self.n, below + 1))
        return low + part * (next_low - low), high + part * (next_high - high)

    def _at(self, x: int) -> Ends:
        if x not in self._known:
            low = fewest_right(x, self.n, self.total, self._alpha)
            # As many questions are wrong as are not right, so the upper end is the lower end of what is wrong.
            high = self.total - fewest_right(self.n - x, self.n, self.total, self._alpha)
            self._known[x] = low / self.total, high / self.total
        return self._known[x]


def fewest_right(n_right: int, n: int, total: int, alpha: float) -> int:
    """The fewest right questions of a list with which a sample has so many with a probability above alpha.

    Args:
        n_right: in the sample.
        n: questions in the sample.
        total: questions in the list.
        alpha: error rate of the one-sided test.
    """
    low, high = n_right, total - n + n_right  # the sample itself is known
    while low < high:
        middle = (low + high) // 2
        if scipy.stats.hypergeom.sf(n_right - 1, total, middle, n) > alpha:
            high = middle
        else:
            low = middle + 1
    return low


def p_below(n_wrong: int, n: int, total: int, wished: float) -> float:
    """P-value of a list being right in less than a share of its questions: a small one shows that it is not.

    Args:
        n_wrong: wrong questions in the sample.
        n: questions in the sample.
        total: questions in the list.
        wished: the share, between 0 and 1.
    """
    too_many = total - math.ceil(wished * total - _ROUNDING) + 1
    if n == 0 or n_wrong >= too_many:
        return 1.0
    return float(scipy.stats.hypergeom.cdf(n_wrong, total, too_many, n))
