import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from results.stats.looks import crossing, look_shares


def test_one_look_may_use_all_of_it():
    assert look_shares([64], 4, 0.05) == [1.0, 1.0, 1.0]
    assert crossing([64], 0.03) == pytest.approx(0.03)


@pytest.mark.parametrize("sizes", [[64, 128], [64, 128, 256], [64, 128, 256, 500]])
def test_the_chance_to_cross_is_that_of_correlated_statistics(sizes):
    counts = np.array(sizes)
    correlation = np.sqrt(np.minimum.outer(counts, counts) / np.maximum.outer(counts, counts))
    edge = norm.isf(0.02)
    inside = multivariate_normal(np.zeros(len(sizes)), correlation).cdf(np.full(len(sizes), edge))
    assert crossing(sizes, 0.02) == pytest.approx(1 - inside, abs=2e-5)


def test_all_looks_together_use_the_error_rate():
    sizes, alpha = [64, 128, 256, 500], 0.05
    shares = look_shares(sizes, 5, alpha)
    for multiplier, share in enumerate(shares, 1):
        assert crossing(sizes, share * alpha / multiplier) == pytest.approx(alpha / multiplier, rel=1e-3)


def test_shares_are_pococks_and_lie_above_bonferronis():
    # VERDICTS: .437, .417, .408 for the multipliers 1 to 3 at looks that double twice.
    shares = look_shares([64, 128, 256], 4, 0.05)
    assert shares == pytest.approx([0.437, 0.417, 0.408], abs=0.02)
    assert min(shares) > 1 / 3
