"""The threshold with a promise: which tests are made, at which level, and that they keep the error rate."""

from itertools import combinations

import numpy as np
import pytest

from results.gold.audit.exact import p_below
from results.gold.audit.promise import (
    STEPS,
    Above,
    error_rates,
    fallback,
    fewest_reviews,
    parts_to_try,
    promise,
    starts_of,
)
from results.gold.audit.sample import Audited


def audited(p_unanimous, is_right, rows):
    rows = np.asarray(rows, dtype=np.int64)
    return Audited(rows, np.asarray(is_right, float)[rows], np.zeros((len(p_unanimous), 0)), np.asarray(p_unanimous))


def test_it_takes_59_right_answers_to_promise_95_percent():
    assert fewest_reviews(0.95, 0.05) == 59  # 0.95^59 = 0.0485
    assert p_below(0, 59, 10**7, 0.95) < 0.05 < p_below(0, 58, 10**7, 0.95)
    assert fewest_reviews(0.8, 0.05) == 14


def test_a_larger_sample_starts_in_more_places():
    assert [starts_of(n, 0.95, 0.05) for n in (0, 40, 117, 118, 176, 177, 5000)] == [1, 1, 1, 2, 2, 3, 3]


def test_the_error_rates_add_up():
    assert error_rates(4, 1, 0.05) == [0.05, 0.0, 0.0, 0.0]
    assert error_rates(5, 3, 0.06) == pytest.approx([0.02, 0, 0.02, 0, 0.02])
    assert error_rates(1, 3, 0.06) == pytest.approx([0.06])


def above(n, n_wrong):
    return Above(1 - n / 10_000, 10**7, n, n_wrong)


def test_a_test_that_succeeds_hands_its_level_on():
    # p: 0.0165, 0.0395, 0.1183, 0.0373 (binomial, as the list is endless)
    parts = [above(80, 0), above(63, 0), above(100, 2), above(100, 1)]
    assert [round(p_below(one.n_wrong, one.n, one.total, 0.95), 3) for one in parts] == [0.017, 0.039, 0.118, 0.037]
    assert fallback(parts[:1], [0.05], 0.95) == parts[0]
    assert fallback(parts[:2], [0.02, 0.02], 0.95) == parts[1]  # 0.02 + 0.02 is enough, 0.02 alone is not
    assert fallback(parts[1:2], [0.02], 0.95) is None
    assert fallback(parts[:3], [0.02, 0.02, 0.02], 0.95) == parts[1]
    assert fallback(parts, [0.02, 0.02, 0.0, 0.02], 0.95) == parts[1]  # what a failure was handed is lost
    assert fallback(parts, [0.02, 0.02, 0.0, 0.04], 0.95) == parts[3]


def test_thresholds_do_not_depend_on_what_was_drawn():
    rng = np.random.default_rng(0)
    p_unanimous, right = rng.random(500), np.ones(500)
    one, other = (parts_to_try(audited(p_unanimous, right, rng.permutation(500)[:150]), 0.95, 0.05) for _ in range(2))
    assert [part[:2] for part in one] == [part[:2] for part in other]
    assert len(one) == STEPS
    assert one[-1].total == 500
    assert all(part.total == (p_unanimous >= part.threshold).sum() for part in one)


def test_no_promise_is_broken_too_often_whatever_the_order_of_right_and_wrong():
    # Every sample of 5 from 9 questions; 5 of 9 right is less than the wished 0.6, and so is every other part.
    p_unanimous = np.linspace(0.99, 0.5, 9)
    samples = list(combinations(range(9), 5))
    for is_right in ([1, 0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0, 0, 0]):
        broken = 0
        for rows in samples:
            kept = promise(audited(p_unanimous, is_right, rows), 0.6, 0.7).kept
            broken += kept is not None and np.mean(np.array(is_right)[p_unanimous >= kept.threshold]) < 0.6
        assert broken / len(samples) <= 0.3


def test_the_lowest_threshold_keeps_what_is_right_often_enough():
    p_unanimous = np.linspace(1.0, 0.2, 2000)
    is_right = np.where(p_unanimous > 0.6, 1.0, 0.5)  # half of the questions are always right
    found = promise(audited(p_unanimous, is_right, np.arange(0, 2000, 5)), 0.95, 0.95)
    assert 0.5 < found.coverage < 0.56
    assert found.kept.threshold == pytest.approx(1 - 0.8 * found.coverage, abs=2e-3)
    assert found.needed is None


def test_a_set_that_is_good_enough_needs_no_threshold():
    p_unanimous = np.linspace(1.0, 0.2, 500)
    found = promise(audited(p_unanimous, np.ones(500), np.arange(0, 500, 2)), 0.95, 0.95)
    assert (found.kept.total, found.coverage) == (500, 1.0)


def test_too_few_reviews_promise_nothing_and_say_how_many_would():
    p_unanimous = np.linspace(1.0, 0.2, 5000)
    found = promise(audited(p_unanimous, np.ones(5000), np.arange(0, 5000, 125)), 0.95, 0.95)
    assert found.kept is None
    assert 60 <= found.needed <= 300


def test_where_too_much_is_wrong_more_reviews_are_not_asked_for():
    found = promise(audited(np.linspace(1.0, 0.2, 500), np.arange(500) % 5 > 0, np.arange(100)), 0.95, 0.95)
    assert (found.kept, found.needed) == (None, None)


def test_what_people_did_not_settle_counts_as_wrong():
    p_unanimous, rows = np.linspace(1.0, 0.2, 1000), np.arange(0, 1000, 10)
    settled = audited(p_unanimous, np.ones(1000), rows)
    right = settled.right.copy()
    right[:8] = np.nan
    assert promise(settled, 0.95, 0.95).kept is not None
    assert promise(settled._replace(right=right), 0.95, 0.95).kept is None


def test_without_p_unanimous_there_is_no_threshold():
    assert promise(audited(np.array([0.9, np.nan]), np.ones(2), [0]), 0.95, 0.95) is None
    assert promise(audited(np.zeros(0), np.zeros(0), []), 0.95, 0.95) is None


def test_equal_p_unanimous_leave_one_threshold():
    found = promise(audited(np.full(400, 0.9), np.ones(400), np.arange(200)), 0.95, 0.95)
    assert (found.kept.threshold, found.kept.total) == (0.9, 400)
