"""How probable it is that a weighted sum of exponentials is 0 or more."""

from __future__ import annotations

import numpy as np

from results.stats.resampling import Array

_POINTS: Array = np.exp(np.arange(-7.0, 9.05, 0.1))
_STEP = 0.1
_NUMBERS = 100_000  # in one block: few enough for the processor's cache
_REACH, _ORDERS = 0.6, 32  # how far the series is used, and how long it is: it is off by less than 1e-6
_NOTHING = 1e-10  # a height that adds nothing any more


def above_zero(weights: Array) -> Array:
    """P(sum of w E >= 0), where E are independent standard exponentials.

    By inversion of the characteristic function (Imhof 1961, "Computing the distribution of quadratic forms in normal
    variables", with two degrees of freedom each):

        p = 1/2 + (1/pi) * integral over u of sin(sum of atan(e^u w)) * product of (1 + e^(2u) w^2)^(-1/2)

    over all w, scaled so that their squares sum to 1. The integrand dies out doubly exponentially, so the trapezoid
    rule on 160 points is exact to about six digits. Where e^u w is small for all w, both sums are power series of it,
    whose coefficients are the sums of powers of w: they are the same for all u, so most points cost next to nothing.

    Args:
        weights: shape (terms, sums), not all 0.

    Returns:
        Shape (sums,), between 0 and 1.
    """
    found = np.empty(weights.shape[1])
    block = max(1, _NUMBERS // len(weights))
    for start in range(0, weights.shape[1], block):
        at = slice(start, start + block)
        found[at] = _invert(weights[:, at])
    return found


def _invert(weights: Array) -> Array:
    scaled = weights / np.sqrt((weights**2).sum(axis=0))
    n_near = int(np.searchsorted(_POINTS, _REACH / np.abs(scaled).max()))
    values = _near(scaled, _POINTS[:n_near])
    # Below the first point the integrand is e^u times the sum of the weights; that point counts half.
    integral = values.sum(axis=0) - (values[0] / 2 if n_near else 0) + _POINTS[0] * scaled.sum(axis=0) / _STEP
    each = max(1, _NUMBERS // scaled.size)
    for start in range(n_near, len(_POINTS), each):
        values, highest = _far(scaled, _POINTS[start : start + each])
        integral += values
        if highest < _NOTHING:
            break
    above: Array = np.clip(0.5 + integral * _STEP / np.pi, 0.0, 1.0)
    return above


def _near(scaled: Array, points: Array) -> Array:
    """The integrand at points where the series converges; shape (points, sums)."""
    powers, sums = scaled.copy(), [scaled.sum(axis=0)]
    for _ in range(_ORDERS - 1):
        powers *= scaled
        sums.append(powers.sum(axis=0))
    orders = np.arange(1, _ORDERS + 1)
    # atan(x) = x - x^3 / 3 + ...; log(1 + x^2) / 2 = x^2 / 2 - x^4 / 4 + ...
    signs = np.where((orders - 1) // 2 % 2 == 0, 1.0, -1.0)
    terms = points[:, None] ** orders * (signs / orders)
    of_orders = np.stack(sums)
    phases, logs = terms[:, ::2] @ of_orders[::2], terms[:, 1::2] @ of_orders[1::2]
    values: Array = np.sin(phases) * np.exp(-logs)
    return values


def _far(scaled: Array, points: Array) -> tuple[Array, float]:
    """The integrand summed over some points, and how large it can be at the last of them."""
    turned = points[:, None, None] * scaled
    heights = np.exp(-0.5 * np.log1p(turned**2).sum(axis=1))
    values: Array = (np.sin(np.arctan(turned).sum(axis=1)) * heights).sum(axis=0)
    return values, float(heights[-1].max())
