"""Looks at growing data: how much of the error rate each may use, so that all of them together stay below it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from results.stats.resampling import Array

_NODES = 300  # of the integral over the statistic at a look
_DEEPEST = -9.0  # standard errors; nothing that counts lies below


def look_shares(sizes: Sequence[int], n_settings: int, alpha: float) -> list[float]:
    """The share of the error rate that a test may use at every look.

    Levels are the same at all looks (Pocock 1977, "Group sequential methods in the design and analysis of clinical
    trials"), each found so that a statistic at the edge of its hypothesis, with the information growing as the number
    of questions does, crosses at any look with probability alpha over the multiplier (Armitage, McPherson and Rowe
    1969, "Repeated Significance Tests on Accumulating Data").

    Args:
        sizes: number of questions at each look that may take place, growing.
        n_settings: settings that are compared.
        alpha: error rate of all looks together.

    Returns:
        Shares between 0 and 1, for the multipliers 1, 2, ..., `n_settings` - 1 of `shaffer`.
    """
    return [_share(tuple(sizes), alpha / multiplier) for multiplier in range(1, max(2, n_settings))]


@cache
def _share(sizes: tuple[int, ...], level: float) -> float:
    if len(sizes) < 2:
        return 1.0
    low = 1 / len(sizes)  # Bonferroni's, which is always safe
    return float(brentq(lambda share: crossing(sizes, level * share) - level, low, 1.0, xtol=1e-4))


def crossing(sizes: Sequence[int], nominal: float) -> float:
    """Probability that a standard normal statistic is significant at any of some looks, one-sided.

    Args:
        sizes: number of questions at each look, growing.
        nominal: level of each look.
    """
    edge = float(norm.isf(nominal))
    nodes, gaps = np.polynomial.legendre.leggauss(_NODES)
    z = _DEEPEST + (edge - _DEEPEST) * (nodes + 1) / 2
    widths = gaps * (edge - _DEEPEST) / 2
    # Density of the statistic at this look where no earlier one was significant.
    density: Array = norm.pdf(z)
    crossed = nominal
    for before, now in pairwise(sizes):
        kept = np.sqrt(before / now)
        spread = np.sqrt(1 - before / now)
        crossed += float((density * widths) @ norm.sf((edge - kept * z) / spread))
        density = norm.pdf((z[:, None] - kept * z[None, :]) / spread) / spread @ (density * widths)
    return crossed
