from fractions import Fraction
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from results.stats.exponential_sums import above_zero

TOLERANCE = 1e-7  # of the tail, whichever it is


def above(weights) -> float:
    return float(above_zero(np.array(weights, dtype=float)[:, None])[0])


def exactly(weights) -> float:
    """By partial fractions, in rational arithmetic; no two weights may be the same."""
    terms = [Fraction(float(weight)) for weight in weights]
    parts = (prod(one / (one - other) for other in terms if other != one) for one in terms if one > 0)
    return float(sum(parts, Fraction(0)))


@pytest.mark.parametrize("margin", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("n", [1, 2, 59, 100, 400, 1000, 1500, 2000, 3000, 4000, 5000, 20_000])
def test_documents_that_are_all_alike(n, margin):
    # A geometric number: the worst case has to outlast each of n others.
    assert above([-margin] * n + [1 - margin]) == pytest.approx((1 - margin) ** n, rel=TOLERANCE, abs=1e-300)
    other = above([margin] * n + [margin - 1])
    assert 1 - other == pytest.approx((1 - margin) ** n, rel=TOLERANCE, abs=2e-16)


@pytest.mark.parametrize("n_for", [1, 2, 30, 300, 20_000])
@pytest.mark.parametrize("ratio", [1e-4, 0.01, 0.3, 1.0, 20.0, 1e4])
def test_one_gamma_against_another(n_for, ratio):
    for n_against in (1, 2, 30, 300, 20_000):
        found = above([ratio] * n_for + [-1.0] * n_against)
        # G / (G + H) of two gammas is a beta; the sum is above 0 where that is above 1 / (1 + ratio).
        share = beta(n_for, n_against)
        tail = min(share.sf(1 / (1 + ratio)), share.cdf(1 / (1 + ratio)))
        assert found == pytest.approx(share.sf(1 / (1 + ratio)), rel=0, abs=TOLERANCE * tail + 1e-14)


DRAWN = {
    "normal": lambda rng, n: rng.normal(-0.05, 0.2, n),
    "centred": lambda rng, n: rng.normal(0, 1, n) - 0.95 / n,
    "heavy tails": lambda rng, n: rng.standard_t(1.2, n),
    "one carries all": lambda rng, n: np.append(rng.normal(0, 1e-3, n - 1), -40.0),
    "skewed": lambda rng, n: rng.beta(0.1, 3, n) - 0.1,
    "all sizes": lambda rng, n: np.exp(rng.normal(0, 5, n)) * rng.choice([-1, 1], n),
    "nearly the same": lambda rng, n: rng.normal(-0.05, 1e-6, n),
    "tiny": lambda rng, n: rng.normal(0, 1e-200, n),
}


@settings(max_examples=60)
@given(st.sampled_from(sorted(DRAWN)), st.integers(3, 40), st.integers(0, 2**32 - 1))
def test_it_is_the_exact_probability(name, n, seed):
    drawn = DRAWN[name](np.random.default_rng(seed), n)
    weights = np.append(drawn, 0.95 if name != "tiny" else 1e-200)
    expected = exactly(weights)
    assert above(weights) == pytest.approx(expected, rel=0, abs=TOLERANCE * min(expected, 1 - expected) + 1e-14)


@pytest.mark.parametrize("heavy", [0.0, 0.5, 5.0])
@pytest.mark.parametrize("n", [150, 1000, 5000])
def test_it_is_the_exact_probability_of_many_terms(n, heavy):
    # Imhof's integral in y itself, on an even grid: it is off by the chance of being more than 2 pi / step standard
    # deviations away from 0, and it is cut off where the light terms have made it vanish.
    weights = np.append(np.random.default_rng(n).normal(-1.5 / n**0.5, 1, n), [heavy * n**0.5])
    scaled = weights / np.sqrt((weights**2).sum())
    y = np.arange(0.01, 60, 0.02)
    turned = np.array([np.arctan(at * scaled).sum() for at in y])
    sizes = np.array([np.log1p((at * scaled) ** 2).sum() / 2 for at in y])
    expected = 0.5 + 0.02 / np.pi * (np.sin(turned) / y * np.exp(-sizes)).sum()
    assert above(weights) == pytest.approx(expected, abs=1e-7)


def test_sums_of_all_kinds_are_computed_together_as_one_by_one():
    rng = np.random.default_rng(5)
    weights = np.stack([DRAWN[name](rng, 700) for name in sorted(DRAWN)] * 20, axis=1)
    alone = [above(column) for column in weights[:, : len(DRAWN)].T]
    assert above_zero(weights)[: len(DRAWN)] == pytest.approx(alone, rel=1e-7)


def test_sums_of_one_sign_are_certain():
    assert above_zero(np.array([[3.0, -3.0, 0.0, 1.0], [0.0, -1e-9, 0.0, -1e-300]])).tolist() == [1, 0, 1, 1]
