import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.stats.exponential_sums import above_zero


def by_plain_quadrature(weights) -> np.ndarray:
    """The trapezoid rule at every point, without series or shortcuts."""
    scaled = weights / np.sqrt((weights**2).sum(axis=0))
    turned = np.exp(np.arange(-7, 9.05, 0.1))[:, None, None] * scaled
    values = np.sin(np.arctan(turned).sum(axis=1)) * np.exp(-0.5 * np.log1p(turned**2).sum(axis=1))
    integral = 0.1 * (values.sum(axis=0) - values[0] / 2) + np.exp(-7) * scaled.sum(axis=0)
    return np.clip(0.5 + integral / np.pi, 0, 1)


DRAWN = {
    "normal": lambda rng, shape: rng.normal(-0.05, 0.2, shape),
    "heavy tails": lambda rng, shape: rng.standard_t(1.2, shape),
    "skewed": lambda rng, shape: rng.beta(0.1, 3, shape) - 0.1,
    "all the same": lambda rng, shape: np.full(shape, -0.05),
}


@given(st.sampled_from(sorted(DRAWN)), st.integers(1, 120), st.integers(0, 2**32 - 1))
def test_series_and_shortcuts_change_nothing(name, n, seed):
    weights = np.vstack([DRAWN[name](np.random.default_rng(seed), (n, 3)), np.full((1, 3), 0.95)])
    assert above_zero(weights) == pytest.approx(by_plain_quadrature(weights), abs=1e-9)


@pytest.mark.parametrize("n", [1000, 3000])
def test_nor_do_they_where_there_are_many_terms(n):
    weights = np.random.default_rng(n).normal(-0.01, 0.2, (n, 150))
    assert above_zero(weights)[::50] == pytest.approx(by_plain_quadrature(weights[:, ::50]), abs=1e-9)


def test_one_exponential_against_another():
    # P(a E > b F) is a / (a + b).
    assert above_zero(np.array([[3.0, 1.0], [-1.0, -4.0]])) == pytest.approx([0.75, 0.2], abs=1e-4)
