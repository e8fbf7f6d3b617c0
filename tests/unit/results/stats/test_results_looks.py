from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
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


@pytest.mark.parametrize("nominal", [0.2, 0.05, 1e-3, 1e-6])
@pytest.mark.parametrize("sizes", [[2, 20_000], [64, 80], [64, 65]])
def test_two_looks_of_any_size(sizes, nominal):
    # Given the first statistic, the second is normal: one integral, done by SciPy piece by piece.
    kept, edge = (sizes[0] / sizes[1]) ** 0.5, norm.isf(nominal)
    spread = (1 - kept**2) ** 0.5
    pieces = [-40, -6, *edge - np.array([1, 0.1, 0.01, 0.001]), edge]
    later = sum(
        quad(lambda z: norm.pdf(z) * norm.sf((edge - kept * z) / spread), *piece, epsabs=0)[0]
        for piece in pairwise(pieces)
    )
    assert crossing(sizes, nominal) == pytest.approx(nominal + later, rel=1e-7)


def test_looks_that_nearly_coincide_count_as_if_they_had_nothing_in_common():
    assert crossing([19_999, 20_000], 0.01) == pytest.approx(0.02)
    assert crossing([100, 200, 201, 400], 0.01) == pytest.approx(crossing([100, 200, 400], 0.01) + 0.01)


def test_many_settings_share_the_error_rate_of_many_looks():
    sizes = [64 * 2**look for look in range(9)]
    shares = look_shares(sizes, 21, 0.05)
    assert len(shares) == 20
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] > 1 / 9
    assert crossing(sizes, shares[-1] * 0.05 / 20) == pytest.approx(0.05 / 20, rel=1e-4)


def test_all_looks_together_use_the_error_rate():
    sizes, alpha = [64, 128, 256, 500], 0.05
    shares = look_shares(sizes, 5, alpha)
    for multiplier, share in enumerate(shares, 1):
        assert crossing(sizes, share * alpha / multiplier) == pytest.approx(alpha / multiplier, rel=1e-4)


def test_shares_are_pococks_and_lie_above_bonferronis():
    # VERDICTS: .437, .417, .408 for the multipliers 1 to 3 at looks that double twice.
    shares = look_shares([64, 128, 256], 4, 0.05)
    assert shares == pytest.approx([0.437, 0.417, 0.408], abs=0.02)
    assert min(shares) > 1 / 3
