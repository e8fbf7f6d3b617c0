"""Looks at growing data: how much of the error rate each may use, so that all of them together stay below it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import scipy

from results.stats.resampling import Array

_NODES = 30  # of the integral, divided by the least standard deviation that a look adds: 30 to 70 where looks double
_APART = 1.01  # times the questions of the look before; below that, the integral would need thousands of nodes
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
    return float(scipy.optimize.brentq(lambda share: crossing(sizes, level * share) - level, low, 1.0, xtol=1e-6))


def crossing(sizes: Sequence[int], nominal: float) -> float:
    """Probability that a standard normal statistic is significant at any of some looks, one-sided.

    Args:
        sizes: number of questions at each look, growing. One with hardly more than the look before counts as if it had
            nothing in common with it, which is safe.
        nominal: level of each look.
    """
    edge = float(scipy.stats.norm.isf(nominal))
    apart = list(sizes[:1])
    for size in sizes[1:]:
        apart += [size] if size >= _APART * apart[-1] else []
    steps = [(np.sqrt(before / now), np.sqrt(1 - before / now)) for before, now in pairwise(apart)]
    narrowest = min((float(spread) for _, spread in steps), default=1.0)
    nodes, gaps = np.polynomial.legendre.leggauss(int(np.ceil(_NODES / narrowest)))
    z = _DEEPEST + (edge - _DEEPEST) * (nodes + 1) / 2
    widths = gaps * (edge - _DEEPEST) / 2
    # Density of the statistic at this look where no earlier one was significant.
    density: Array = _normal(z)
    crossed = nominal * (1 + len(sizes) - len(apart))
    for number, (kept, spread) in enumerate(steps):
        crossed += float((density * widths) @ scipy.special.ndtr((kept * z - edge) / spread))
        if number + 1 < len(steps):
            density = _normal((z[:, None] - kept * z[None, :]) / spread) / spread @ (density * widths)
    return crossed


def _normal(z: Array) -> Array:
    """Density of a standard normal statistic; SciPy's has too much of a preamble for a loop."""
    density: Array = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return density
