"""How probable it is that a weighted sum of exponentials is 0 or more: to seven digits, in either tail, at any size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from results.stats.resampling import Array

Complex = npt.NDArray[np.complex128]
_NUMBERS = 60_000  # in one block: few enough for the processor's cache
_STEP, _END = 0.4, 12.0  # along the path; exp(-72) is left behind its end
_NOTHING = 1e-10  # a value that adds nothing any more
_NONE = 1e-290  # times the largest weight of the other sign: no tail
_HEAVY = 0.08  # weights above it are taken one by one; fewer than 160 can be, as squares sum to 1
_REACH, _ORDERS = 0.7, 32  # how far the series of the light ones is used, and how long it is
_TOGETHER = 256  # factors in one product, so that none overflows
_STEPS = 200  # of Newton's method; about ten are taken


def above_zero(weights: Array) -> Array:
    """P(sum of w E >= 0), where E are independent standard exponentials.

    With K(s) = -sum of log(1 - s w), the logarithm of the moment generating function,

        p = 1/(2 pi i) * integral of exp(K(s)) / s

    along any path that crosses the real axis between 0 and the first pole of K (Daniels 1987, "Tail Probability
    Approximations", section 2). Daniels approximates this integral at its saddle point; here it is computed, along the
    path of steepest descent from there: s(t), where the integrand is exp(-t^2 / 2) times its height at the saddle
    point. So nothing oscillates, and no step is too coarse, however far the mean is from 0. Imhof's integral (1961)
    on a fixed grid does not have this property: the grid aliases if there are many terms or one of them is heavy.

    All poles and saddle points of the integrand lie on the real axis, because the derivative of a polynomial with real
    roots has real roots. So nothing stops the path on its way to infinity, and the trapezoid rule converges
    exponentially on it (Trefethen and Weideman 2014, "The Exponentially Convergent Trapezoidal Rule"). The error is
    below 1e-7 of p or of 1 - p, whichever is the tail.

    Args:
        weights: shape (terms, sums). A sum without any weight is 0.

    Returns:
        Shape (sums,), between 0 and 1.
    """
    found = np.empty(weights.shape[1])
    block = max(1, _NUMBERS // len(weights))
    for start in range(0, weights.shape[1], block):
        at = slice(start, start + block)
        found[at] = _above_zero(weights[:, at])
    return found


def _above_zero(weights: Array) -> Array:
    """Each sum is turned so that its mean is not above 0, and what is above 0 is a tail."""
    is_turned = weights.sum(axis=0) >= 0
    largest = np.maximum(np.abs(weights).max(axis=0), np.finfo(np.float64).tiny)
    scaled = np.where(is_turned, -weights, weights) / largest
    has_tail = scaled.max(axis=0) > _NONE
    tails = np.zeros(len(is_turned))
    if has_tail.any():
        tails[has_tail] = _upper_tail(scaled[:, has_tail])
    above: Array = np.where(is_turned, 1 - tails, tails)
    return above


def _upper_tail(weights: Array) -> Array:
    """The integral at its saddle point: its height there, times what is left of it at height and width 1.

    At the saddle point each factor 1 / (1 - s w) of the integrand becomes 1 / (1 - z a), with z = (s - c) / width, and
    so does 1 / s. The a sum to 0, as it is a saddle point, and their squares sum to 1, by choice of the width. What is
    left is the density of the sum of a E at 0.
    """
    saddle = _saddle(weights)
    turned = np.concatenate([weights / (1 - saddle * weights), -1 / saddle[None]])
    width = 1 / np.sqrt((turned**2).sum(axis=0))
    height = np.exp(-np.log1p(-saddle * weights).sum(axis=0)) * width / saddle
    tails: Array = np.clip(height * _density(turned * width), 0.0, 1.0)
    return tails


def _saddle(weights: Array) -> Array:
    """Where K(s) - log s is least, between 0 and the first pole, by Newton's method.

    The function is self-concordant, so steps that are damped by their own size never leave that range and always arrive
    (Boyd and Vandenberghe 2004, "Convex Optimization", section 9.6).
    """
    mean, square = weights.sum(axis=0), (weights**2).sum(axis=0)
    # Exact where the sum is nearly normal.
    at: Array = np.minimum((np.sqrt(mean**2 + 4 * square) - mean) / (2 * square), 0.5 / weights.max(axis=0))
    for _ in range(_STEPS):
        turned = weights / (1 - at * weights)
        slope, bend = turned.sum(axis=0) - 1 / at, (turned**2).sum(axis=0) + 1 / at**2
        size = np.abs(slope) / np.sqrt(bend)
        at = at - slope / bend / np.where(size > 0.25, 1 + size, 1)
        if size.max() < 1e-6:
            break
    return at


def _density(weights: Array) -> Array:
    """Density at 0 of sums of w E, where the w of each sum to 0 and their squares to 1; shape (sums,).

    With L(z) = -sum of log(1 - z w), it is 1/pi times the integral over t > 0 of t exp(-t^2 / 2) Im z(t), where z(t) is
    the path: L(z(t)) = -t^2 / 2. Each of its points is found from those before it.
    """
    terms = _Terms.of(weights)
    z: Complex = np.zeros(weights.shape[1], dtype=np.complex128)
    slope = np.full_like(z, 1j)
    before = bend = (2 / 3 * terms.powers[2]).astype(np.complex128)  # z'' at 0, from the series of L
    total = np.zeros(len(z))
    for t in np.arange(_STEP, _END, _STEP):
        z = z + _STEP * (slope + _STEP * (bend / 2 + (bend - before) / 6))
        value, first, second = terms.at(z)
        off = (value + t**2 / 2) / first
        z = z - off / (1 - off * second / first / 2)  # Halley's step
        slope = -t / (first - off * second)
        before, bend = bend, -(1 + second * slope**2) / first
        added = t * np.exp(-(t**2) / 2) * z.imag
        total += added
        if np.abs(added).max() < _NOTHING:
            break
    density: Array = total * _STEP / np.pi
    return density


class _Terms(NamedTuple):
    """Weights whose function L is wanted at many points, near 0 only by the sums of their powers.

    Attributes:
        weights: shape (terms, sums).
        top: the largest one, by size.
        powers: shape (orders, sums): sums of the powers 1, 2, ... of all.
        heavy: shape (some, sums): those above `_HEAVY`, filled up with zeros.
        light_top: the largest one of the others.
        light_powers: shape (orders, sums): sums of the powers of the others.
    """

    weights: Array
    top: float
    powers: Array
    heavy: Array
    light_top: float
    light_powers: Array

    @classmethod
    def of(cls, weights: Array) -> _Terms:
        """Tell heavy from light."""
        sizes = np.abs(weights)
        is_heavy = sizes > _HEAVY
        columns, rows = np.nonzero(is_heavy.T)
        counts = is_heavy.sum(axis=0)
        heavy = np.zeros((int(counts.max()), len(counts)))
        heavy[np.arange(len(rows)) - (np.cumsum(counts) - counts)[columns], columns] = weights[rows, columns]
        light = np.where(is_heavy, 0.0, weights)
        powers = _sums_of_powers(light)
        light_top = float(np.abs(light).max())
        return cls(weights, float(sizes.max()), powers + _sums_of_powers(heavy), heavy, light_top, powers)

    def at(self, z: Complex) -> tuple[Complex, Complex, Complex]:
        """L and its first two derivatives at a point for each sum.

        The imaginary part of L is 0 on the path, so that which is nearest to 0 is meant.
        """
        farthest = float(np.abs(z).max())
        if farthest * self.top < _REACH:
            return _by_series(self.powers, z)
        is_split = farthest * self.light_top < _REACH
        value, first, second = _one_by_one(self.heavy if is_split else self.weights, z)
        if is_split:
            of_light = _by_series(self.light_powers, z)
            value, first, second = value + of_light[0], first + of_light[1], second + of_light[2]
        return value - 2j * np.pi * np.rint(value.imag / (2 * np.pi)), first, second


def _sums_of_powers(weights: Array) -> Array:
    raised, sums = weights.copy(), [weights.sum(axis=0)]
    for _ in range(_ORDERS - 1):
        raised *= weights
        sums.append(raised.sum(axis=0))
    return np.stack(sums)


def _one_by_one(weights: Array, z: Complex) -> tuple[Complex, Complex, Complex]:
    """L modulo 2 pi i, and its derivatives."""
    factors = 1 - weights * z
    first = weights / factors
    value = np.zeros_like(z)
    for start in range(0, len(weights), _TOGETHER):
        value -= np.log(np.prod(factors[start : start + _TOGETHER], axis=0))
    return value, first.sum(axis=0), (first**2).sum(axis=0)


def _by_series(powers: Array, z: Complex) -> tuple[Complex, Complex, Complex]:
    """L = sum over k of (sum of w^k) z^k / k, and its derivatives, by Horner's rule."""
    value, first, second = np.zeros_like(z), np.zeros_like(z), np.zeros_like(z)
    for order in range(len(powers), 1, -1):
        of_order = powers[order - 1]
        value, first = value * z + of_order / order, first * z + of_order
        second = second * z + of_order * (order - 1)
    return (value * z + powers[0]) * z, first * z + powers[0], second
