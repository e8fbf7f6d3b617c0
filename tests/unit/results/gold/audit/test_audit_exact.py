"""The exact interval of a finite list, against enumeration of all samples."""

from fractions import Fraction
from math import comb

import pytest
from scipy.stats import beta

from results.gold.audit.exact import ExactLimits, p_below

TOTAL, N = 14, 6


def chance(x, right, total=TOTAL, n=N):
    """Probability of x right questions in the sample, exactly."""
    return Fraction(comb(right, x) * comb(total - right, n - x), comb(total, n))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_ends_are_the_outermost_counts_that_a_test_does_not_refuse(confidence):
    alpha = Fraction(1 - confidence) / 2
    limits = ExactLimits(N, TOTAL, confidence)
    for x in range(N + 1):
        not_refused = [
            right
            for right in range(TOTAL + 1)
            if sum(chance(i, right) for i in range(x, N + 1)) > alpha
            and sum(chance(i, right) for i in range(x + 1)) > alpha
        ]
        low, high = limits.at(x)
        assert (round(low * TOTAL, 9), round(high * TOTAL, 9)) == (min(not_refused), max(not_refused))


@pytest.mark.parametrize("right", range(TOTAL + 1))
def test_it_covers_every_truth(right):
    limits = ExactLimits(N, TOTAL, 0.9)
    inside = [x for x in range(N + 1) if limits.at(x)[0] <= right / TOTAL <= limits.at(x)[1]]
    assert sum(chance(x, right) for x in inside) >= Fraction(9, 10)


def test_of_an_endless_list_it_is_that_of_clopper_and_pearson():
    low, high = ExactLimits(60, 10**7, 0.95).at(57)
    assert (low, high) == pytest.approx((beta.ppf(0.025, 57, 4), beta.ppf(0.975, 58, 3)), abs=1e-5)


def test_a_sample_of_all_is_certain():
    assert ExactLimits(20, 20, 0.95).at(17) == (17 / 20, 17 / 20)


def test_between_two_counts_the_ends_are_interpolated():
    limits = ExactLimits(N, TOTAL, 0.95)
    (low, high), (next_low, next_high) = limits.at(3), limits.at(4)
    assert limits.at(3.25) == pytest.approx((0.75 * low + 0.25 * next_low, 0.75 * high + 0.25 * next_high))


def test_the_p_value_is_that_of_the_best_list_that_is_not_good_enough():
    # 12 of 14 are 0.857, so 11 right ones are the most that are less than 0.8 = 11.2 of 14.
    expected = sum(chance(N - wrong, 11) for wrong in range(2))
    assert p_below(1, N, TOTAL, 0.8) == pytest.approx(float(expected))


def test_a_share_that_is_just_reached_is_good_enough():
    # 19 of 20 is 0.95: the worst list that breaks the promise has 2 wrong questions, both in the 18 that were not seen.
    assert p_below(0, 2, 20, 0.95) == pytest.approx(comb(18, 2) / comb(20, 2))


def test_what_was_seen_to_be_too_wrong_is_certain():
    assert p_below(2, 10, 20, 0.95) == 1
    assert p_below(0, 0, 20, 0.95) == 1
    assert p_below(1, 20, 20, 0.95) == 0
