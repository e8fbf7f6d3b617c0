import math
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import t as student

from results.statistics import (
    better_than_majority,
    bootstrap_mean,
    cluster_sums,
    compare_paired,
    detectable_difference,
    holm,
    mcnemar_exact,
    sign_flip,
    wilson,
)

flags = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def alone(n):
    """Every question a cluster of its own."""
    return [f"d{number:06d}" for number in range(n)]


def scores(*values):
    return np.array(values, dtype=np.float64)


def coins(n, share, seed):
    return (np.random.default_rng(seed).random(n) < share).astype(np.float64)


def compare(a, b, clusters=None):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return compare_paired(a, b, clusters or alone(len(a)), 0.95)


# Holm


def test_holm_equals_a_hand_computation():
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04; the last may not be below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_and_leaves_a_single_test_alone():
    assert holm([0.6, 0.5]) == pytest.approx([1.0, 1.0])
    assert holm([0.04]) == pytest.approx([0.04])
    assert holm([]) == []


def test_holm_treats_equal_p_values_alike():
    assert holm([0.02, 0.02, 0.9]) == pytest.approx([0.06, 0.06, 0.9])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values):
    adjusted = holm(p_values)
    # The procedure itself: walk up the sorted values until one is above alpha / (number left).
    for alpha in (0.01, 0.05, 0.2):
        rejected = set()
        for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
            if (len(p_values) - place) * p_values[index] > alpha:
                break
            rejected.add(index)
        assert {index for index, p in enumerate(adjusted) if p <= alpha} == rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms())
def test_holm_does_not_depend_on_the_order(p_values, random):
    order = list(range(len(p_values)))
    random.shuffle(order)
    adjusted = holm(p_values)
    assert holm([p_values[index] for index in order]) == [adjusted[index] for index in order]


# McNemar


def test_mcnemar_equals_the_published_example():
    # Fagerland, Lydersen and Laake (2013), "The McNemar test for binary matched-pairs data", table 1: airway
    # hyper-responsiveness before and after transplantation, 1 and 7 discordant of 21; exact conditional p = 0.070.
    a = [True] * 1 + [False] * 7 + [True] * 1 + [False] * 12
    b = [False] * 1 + [True] * 7 + [True] * 1 + [False] * 12
    assert mcnemar_exact(a, b) == pytest.approx(2 * (comb(8, 0) + comb(8, 1)) / 2**8)
    assert mcnemar_exact(a, b) == pytest.approx(0.0703, abs=5e-5)


@given(flags)
def test_mcnemar_is_the_binomial_test_on_the_discordant_pairs(pairs):
    only_a = sum(a and not b for a, b in pairs)
    only_b = sum(b and not a for a, b in pairs)
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar_exact([a for a, _ in pairs], [b for _, b in pairs]) == pytest.approx(expected)
    assert mcnemar_exact([b for _, b in pairs], [a for a, _ in pairs]) == pytest.approx(expected)


def test_pairs_that_agree_do_not_change_mcnemar():
    a, b = [True] * 6 + [False] * 2, [False] * 6 + [True] * 2
    assert mcnemar_exact(a + [True] * 50, b + [True] * 50) == mcnemar_exact(a, b)
    assert mcnemar_exact([True, False], [True, False]) == 1.0


# Sign flips


@given(st.integers(0, 14).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(0, 20))
def test_sign_flips_of_single_questions_are_mcnemar(counts, n_equal):
    n_a, n_moved = counts
    a = [True] * n_a + [False] * (n_moved - n_a) + [True] * n_equal
    b = [False] * n_a + [True] * (n_moved - n_a) + [True] * n_equal
    if a:
        assert compare(a, b).p_value == pytest.approx(mcnemar_exact(a, b))


@settings(max_examples=60)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_sign_flips_equal_a_count_of_all_patterns(sums):
    patterns = product((-1, 1), repeat=len(sums))
    as_far = [
        abs(sum(sign * one for sign, one in zip(signs, sums, strict=True))) >= abs(sum(sums)) for signs in patterns
    ]
    assert sign_flip(np.array(sums, dtype=np.float64)) == pytest.approx(np.mean(as_far))


def test_a_large_difference_is_not_limited_by_a_number_of_resamples():
    assert compare(np.ones(60), np.zeros(60)).p_value == pytest.approx(2 / 2**60)


def test_a_cluster_flips_as_one():
    # Twelve questions on three documents, a always right and b never: of 8 sign patterns 2 are as far out.
    clusters = [f"d{number // 4}" for number in range(12)]
    assert compare(np.ones(12), np.zeros(12), clusters).p_value == pytest.approx(2 / 8)
    assert compare(np.ones(12), np.zeros(12)).p_value == pytest.approx(2 / 2**12)


def test_questions_of_a_cluster_that_cancel_out_do_not_count():
    clusters = ["d1", "d1", "d2"]
    assert compare([1, 0, 1], [0, 1, 0], clusters).p_value == pytest.approx(1.0)


def test_without_any_difference_the_p_value_is_one_and_the_interval_is_still_no_point():
    same = coins(40, 0.5, 0)
    found = compare(same, same)
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert -0.1 < found.low < 0 < found.high < 0.1


def test_the_interval_is_that_of_agresti_and_min_but_for_students_quantile():
    # 7 better and 2 worse of 30: half a question more in each cell of the table, 32 in all.
    a = [1] * 7 + [0] * 2 + [1] * 21
    b = [0] * 7 + [1] * 2 + [1] * 21
    better, worse, n = 7.5, 2.5, 32
    centre = (better - worse) / n
    error = math.sqrt((better + worse) - (better - worse) ** 2 / n) / n
    quantile = student.ppf(0.975, 29)
    found = compare(a, b)
    assert found.standard_error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx((centre - quantile * error, centre + quantile * error))


def test_the_interval_of_a_difference_covers_it_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        b = rng.random(60) < 0.6
        a = np.where(rng.random(60) < 0.3, rng.random(60) < 0.8, b)  # a is right on .6 * .7 + .8 * .3 = .66
        low, high = compare(a, b)[1:3]
        covered += low <= 0.06 <= high
    assert 0.92 <= covered / 400 <= 0.99


def test_the_interval_sums_deviations_by_cluster_as_worked_out_by_hand():
    # Differences 1, 1, 0 on one document, -1 on another, 0, 0 on a third; with two more questions 1 of 8 is the centre.
    # Deviations by document 13/8, -9/8, -2/8: squared 254/64; of the four halves added 66/64; together 5.
    a, b = [1, 1, 0, 0, 1, 0], [0, 0, 0, 1, 1, 0]
    found = compare_paired(scores(*a), scores(*b), ["d", "d", "d", "e", "f", "f"], 0.8)
    assert found.difference == pytest.approx(1 / 6)
    assert found.standard_error == pytest.approx(math.sqrt(5) / 8)
    reach = student.ppf(0.9, 2) * math.sqrt(5) / 8
    assert (found.low, found.high) == pytest.approx((1 / 8 - reach, 1 / 8 + reach))


def test_the_interval_covers_as_often_as_it_says_where_questions_share_a_document():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        sizes = rng.integers(1, 5, size=40)
        clusters = [f"d{document}" for document, size in enumerate(sizes) for _ in range(size)]
        hard = np.repeat(rng.random(40), sizes)  # a document is hard for b alone, so that its questions move together
        a, b = rng.random(len(hard)) < 0.6, rng.random(len(hard)) < hard
        low, high = compare(a, b, clusters)[1:3]
        covered += low <= 0.1 <= high
    assert 0.90 <= covered / 300 <= 0.99


paired = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), min_size=1, max_size=40)


@given(paired)
def test_no_comparison_is_certain_of_its_difference(questions):
    a, b, documents = zip(*questions, strict=True)
    found = compare(a, b, [f"d{document}" for document in documents])
    assert -1 <= found.low < found.high <= 1
    assert found.low <= np.mean(np.subtract(a, b, dtype=float)) * len(a) / (len(a) + 2) <= found.high
    assert found.standard_error > 0
    assert 0 < found.p_value <= 1


@settings(max_examples=60)
@given(paired)
def test_the_p_value_counts_all_sign_patterns_of_the_documents(questions):
    a, b, documents = zip(*questions, strict=True)
    moved = dict.fromkeys(documents, 0)
    for right_a, right_b, document in questions:
        moved[document] += right_a - right_b
    observed = abs(sum(moved.values()))
    patterns = list(product((-1, 1), repeat=len(moved)))
    as_far = [abs(sum(np.multiply(signs, list(moved.values())))) >= observed for signs in patterns]
    expected = np.mean(as_far) if len(moved) > 1 else 1.0
    assert compare(a, b, [f"d{document}" for document in documents]).p_value == pytest.approx(expected)


def test_one_cluster_says_nothing():
    found = compare(np.ones(20), np.zeros(20), ["d"] * 20)
    assert (found.low, found.high, found.p_value) == (-1.0, 1.0, 1.0)
    assert math.isinf(found.standard_error)


def test_sign_flips_keep_their_level_when_nothing_differs():
    # 200 experiments in which a and b are drawn alike: about 5 % may look significant.
    found = [compare(coins(40, 0.6, 2 * s), coins(40, 0.6, 2 * s + 1)).p_value for s in range(200)]
    assert np.mean(np.array(found) < 0.05) <= 0.09


def test_exchanging_a_and_b_turns_the_comparison_round():
    a, b = coins(50, 0.7, 1), coins(50, 0.5, 2)
    forth, back = compare(a, b), compare(b, a)
    assert back.difference == pytest.approx(-forth.difference)
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))
    assert back.p_value == pytest.approx(forth.p_value)


def test_pairing_makes_the_interval_narrower_than_two_separate_ones():
    b = coins(200, 0.5, 0)
    a = b.copy()
    a[np.flatnonzero(b == 0)[:10]] = 1  # 10 questions better and none worse
    paired = compare(a, b)
    separate = math.hypot(a.std() / math.sqrt(200), b.std() / math.sqrt(200))
    assert paired.difference == pytest.approx(0.05)
    assert paired.standard_error < separate / 2


# Bootstrap


def test_cluster_sums_add_up_questions_of_a_document_in_sorted_order():
    sums, sizes = cluster_sums(scores(1, 0, 1, 1), ["b", "a", "b", "c"])
    assert sums.tolist() == [0, 2, 1]
    assert sizes.tolist() == [1, 2, 1]


def test_the_bootstrap_interval_covers_the_true_share_about_as_often_as_it_says():
    covered = 0
    for replicate in range(300):
        interval = bootstrap_mean(coins(60, 0.6, replicate), alone(60), 300, 0.95, replicate)
        covered += interval.low <= 0.6 <= interval.high
    assert 0.91 <= covered / 300 <= 0.99


def test_the_standard_error_is_that_of_the_mean():
    a, b = coins(400, 0.5, 0), np.zeros(400)
    assert compare(a, b).standard_error == pytest.approx(a.std() / math.sqrt(400), rel=0.02)


def test_the_interval_is_wider_where_the_questions_of_a_document_agree():
    per_document = coins(30, 0.6, 0)
    agreeing = np.repeat(per_document, 4)
    clusters = [f"d{number // 4}" for number in range(120)]
    clustered = bootstrap_mean(agreeing, clusters, 2000, 0.95, 0)
    separate = bootstrap_mean(agreeing, alone(120), 2000, 0.95, 0)
    # Four that agree are one observation, so that the width doubles.
    assert (clustered.high - clustered.low) / (separate.high - separate.low) == pytest.approx(2, abs=0.3)
    assert clustered.estimate == separate.estimate == pytest.approx(per_document.mean())


def test_copies_of_a_question_on_the_same_document_do_not_narrow_the_interval():
    once = coins(30, 0.6, 0)
    clusters = alone(30)
    doubled = bootstrap_mean(np.repeat(once, 2), [one for one in clusters for _ in range(2)], 500, 0.95, 3)
    assert doubled == pytest.approx(bootstrap_mean(once, clusters, 500, 0.95, 3))


def test_more_confidence_is_a_wider_interval():
    sample = coins(60, 0.6, 0)
    low, high = (bootstrap_mean(sample, alone(60), 1000, confidence, 0) for confidence in (0.8, 0.99))
    assert high.low < low.low < low.high < high.high


def test_nothing_to_resample_is_unknown_not_zero():
    assert all(math.isnan(value) for value in bootstrap_mean(scores(), [], 100, 0.95, 0))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=50), st.integers(1, 7))
def test_the_interval_lies_within_the_scores_and_around_their_mean(right, n_clusters):
    values = np.array(right, dtype=np.float64)
    clusters = [f"d{number % n_clusters}" for number in range(len(right))]
    estimate, low, high = bootstrap_mean(values, clusters, 100, 0.95, 0)
    assert estimate == pytest.approx(values.mean())
    assert values.min() <= low <= high <= values.max()


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    a = coins(60, 0.7, 1)
    assert bootstrap_mean(a, alone(60), 300, 0.95, 5) == bootstrap_mean(a, alone(60), 300, 0.95, 5)
    assert bootstrap_mean(a, alone(60), 300, 0.95, 5) != bootstrap_mean(a, alone(60), 300, 0.95, 6)


def test_resampling_in_blocks_gives_what_one_block_gives():
    # 40,000 documents are resampled 100 at a time; here all 150 at once, for comparison.
    n = 40_000
    values = coins(n, 0.6, 0)
    drawn = np.random.default_rng(7).integers(0, n, size=(150, n))
    low, high = np.quantile(values[drawn].sum(axis=1) / n, [0.025, 0.975])
    interval = bootstrap_mean(values, alone(n), 150, 0.95, 7)
    assert (interval.low, interval.high) == pytest.approx((low, high))


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_questions_changes_nothing_but_rounding(random):
    a, b = coins(40, 0.7, 1), coins(40, 0.5, 2)
    clusters = [f"d{number // 2}" for number in range(40)]
    order = list(range(40))
    random.shuffle(order)
    shuffled = compare(a[order], b[order], [clusters[place] for place in order])
    assert shuffled == pytest.approx(compare(a, b, clusters))


# Shares


# Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3 (Wilson score).
@pytest.mark.parametrize(
    ("n_right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_equals_the_published_values(n_right, n, low, high):
    assert wilson(n_right, n) == pytest.approx((n_right / n, low, high), abs=5e-5)


def test_wilson_of_nothing_is_unknown():
    assert all(math.isnan(value) for value in wilson(0, 0))


def test_the_detectable_difference_equals_a_hand_computation():
    # z(.975) = 1.959964 and z(.8) = 0.841621; with 5 comparisons z(.995) = 2.575829.
    assert detectable_difference(0.02, 1, 0.95) == pytest.approx((1.959964 + 0.841621) * 0.02, abs=1e-7)
    assert detectable_difference(0.02, 5, 0.95) == pytest.approx((2.575829 + 0.841621) * 0.02, abs=1e-7)
    assert detectable_difference(0.02, 1, 0.95, power=0.9) == pytest.approx((1.959964 + 1.281552) * 0.02, abs=1e-7)


def test_being_no_better_than_the_majority_label_is_not_significant():
    assert better_than_majority(60, 100, 0.6) > 0.5
    assert better_than_majority(0, 0, 0.6) == 1.0


def test_better_than_majority_equals_a_hand_computation():
    # At least 4 of 5 right where the majority label would be right half the time: (5 + 1) / 32.
    assert better_than_majority(4, 5, 0.5) == pytest.approx(6 / 32)
