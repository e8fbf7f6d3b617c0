import math
from collections import Counter
from fractions import Fraction
from itertools import permutations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, fisher_exact, hypergeom, norm, ttest_1samp
from scipy.stats import t as student
from sklearn.metrics import cohen_kappa_score

from results.stats.chance_agreement import above_chance, agreement_against_chance
from results.stats.clustered import (
    cluster_sums,
    compare_paired,
    detectable_difference,
    effective_number,
    gain_by_filter,
    holm,
    kept_accuracy,
    mcnemar_exact,
    mean_of_shares,
    sign_flip,
    wilson,
    wilson_clustered,
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


@settings(max_examples=60)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_one_sided_sign_flips_equal_a_count_of_all_patterns(sums):
    patterns = product((-1, 1), repeat=len(sums))
    as_far = [sum(sign * abs(one) for sign, one in zip(signs, sums, strict=True)) >= sum(sums) for signs in patterns]
    assert sign_flip(np.array(sums, dtype=np.float64), "greater") == pytest.approx(np.mean(as_far))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_one_sided_sign_flips_of_single_questions_are_the_one_sided_binomial_test(n_up, n_down, n_equal):
    sums = np.array([1.0] * n_up + [-1.0] * n_down + [0.0] * n_equal)
    expected = binomtest(n_up, n_up + n_down, alternative="greater").pvalue if n_up + n_down else 1.0
    assert sign_flip(sums, "greater") == pytest.approx(expected)


def test_one_sided_sign_flips_say_nothing_against_a_null_that_the_sums_fall_short_of():
    assert sign_flip(np.full(8, -1.0), "greater") == pytest.approx(1.0)
    assert sign_flip(np.full(8, -1.0)) == pytest.approx(2 / 2**8)
    assert sign_flip(np.zeros(5), "greater") == 1.0


def count_all_patterns(sums):
    """Exact one-sided p-value in whole numbers: how many sign patterns reach the sum."""
    ways = Counter({0: 1})
    for size in map(abs, sums):
        ways = sum((Counter({at + step: n for at, n in ways.items()}) for step in (size, -size)), Counter())
    return Fraction(sum(n for at, n in ways.items() if at >= sum(sums)), 2 ** len(sums))


@pytest.mark.parametrize(("n", "share"), [(60, 0.5), (200, 0.6), (400, 0.75)])
def test_sign_flips_of_many_documents_of_mixed_sizes_are_exact_far_into_the_tail(n, share):
    rng = np.random.default_rng(n)
    sums = rng.integers(1, 5, n) * np.where(rng.random(n) < share, 1, -1)
    expected = float(count_all_patterns(sums.tolist()))
    assert sign_flip(sums.astype(float), "greater") == pytest.approx(expected, rel=1e-9)


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
    # Documents with 3, 1 and 2 questions are worth 6^2 / 14 equal ones.
    reach = student.ppf(0.9, 36 / 14 - 1) * math.sqrt(5) / 8
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


# Clusters


def test_cluster_sums_add_up_questions_of_a_document_in_sorted_order():
    sums, sizes = cluster_sums(scores(1, 0, 1, 1), ["b", "a", "b", "c"])
    assert sums.tolist() == [0, 2, 1]
    assert sizes.tolist() == [1, 2, 1]


def test_the_standard_error_is_that_of_the_mean():
    a, b = coins(400, 0.5, 0), np.zeros(400)
    assert compare(a, b).standard_error == pytest.approx(a.std() / math.sqrt(400), rel=0.02)


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


# Agreement against chance

LABELS = ("yes", "no", "maybe")


def shuffles(a, b):
    """Number of agreements under every order of `b`."""
    return [sum(x == y for x, y in zip(a, order, strict=True)) for order in permutations(b)]


def assert_close_to(p_value, exact):
    """Within five standard errors of 20,000 shuffles."""
    assert p_value == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 20_000) + 1e-4)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from([*LABELS, "none"])), min_size=1, max_size=6))
def test_the_agreement_is_held_against_that_of_all_shuffles(pairs):
    a, b = zip(*pairs, strict=True)
    counts = shuffles(a, b)
    found = agreement_against_chance(a, b)
    observed = sum(x == y for x, y in pairs)
    assert (found.n, found.observed) == (len(a), pytest.approx(observed / len(a)))
    assert found.expected == pytest.approx(np.mean(counts) / len(a))
    assert_close_to(found.p_value, np.mean(np.array(counts) >= observed))


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.sampled_from(LABELS)] * 2, st.sampled_from("ab")), min_size=2, max_size=8))
def test_strata_are_shuffled_each_for_itself(items):
    groups = [[(a, b) for a, b, of in items if of == stratum] for stratum in "ab"]
    groups = [group for group in groups if 0 < len(group) <= 6]
    kept = [(a, b, str(number)) for number, group in enumerate(groups) for a, b in group]
    if kept:
        a, b, strata = zip(*kept, strict=True)
        counts = [shuffles(*zip(*group, strict=True)) for group in groups]
        sums = np.add.outer(*counts).ravel() if len(counts) == 2 else np.array(counts[0])
        found = agreement_against_chance(a, b, strata)
        assert found.expected == pytest.approx(sums.mean() / len(a))
        assert_close_to(found.p_value, np.mean(sums >= sum(x == y for x, y in zip(a, b, strict=True))))


@pytest.mark.parametrize(
    "table",
    [[[3, 1], [2, 4]], [[30, 20], [22, 28]], [[1, 0], [4, 95]], [[9, 1], [80, 110]], [[200, 150], [180, 170]]],
)
def test_of_two_labels_the_permutation_test_is_fishers_exact_test(table):
    counts = [(a, b, n) for a, row in zip(LABELS, table, strict=False) for b, n in zip(LABELS, row, strict=False)]
    a, b = ([pair[side] for pair in counts for _ in range(pair[2])] for side in (0, 1))
    assert_close_to(agreement_against_chance(a, b).p_value, fisher_exact(table, alternative="greater").pvalue)


def test_labels_of_one_column_only_are_shuffled_along():
    # Three "no" meet the five "no" of twelve among two "maybe" and failed votes, which agree with nothing.
    a = ["no"] * 3 + ["maybe"] * 2 + ["failed"] * 7
    b = ["no"] * 3 + ["yes"] * 7 + ["no"] * 2
    found = agreement_against_chance(a, b)
    assert found.expected == pytest.approx(3 * 5 / 12 / 12)
    assert_close_to(found.p_value, hypergeom.sf(2, 12, 5, 3))


def test_no_p_value_is_zero_and_the_seed_is_all_the_chance_there_is():
    a, b = drawn_pairs(60, 0.2, 8)
    assert agreement_against_chance(a, b) == agreement_against_chance(a, b, seed=0)
    assert agreement_against_chance(a, b).p_value != agreement_against_chance(a, b, seed=1).p_value
    assert agreement_against_chance(a, a).p_value == 1 / 20_001
    assert agreement_against_chance(a, a, n_shuffles=99).p_value == 1 / 100


def drawn_pairs(n, share_equal, seed, shares=(0.5, 0.3, 0.2)):
    """Two columns of labels, of which about `share_equal` are equal on top of what chance makes equal."""
    rng = np.random.default_rng(seed)
    a, b = (rng.choice(LABELS, n, p=shares) for _ in range(2))
    b = np.where(rng.random(n) < share_equal, a, b)
    return a.tolist(), b.tolist()


def simulated_p(a, b, strata=None, n=4000, seed=0):
    """Share of seeded shuffles of `b` that agree with `a` at least as often; within the strata."""
    rng = np.random.default_rng(seed)
    a, b = np.array(a), np.array(b)
    groups = [np.flatnonzero(np.array(strata) == one) for one in sorted(set(strata))] if strata else [np.arange(len(a))]
    reached = np.zeros(n, dtype=int)
    for at in groups:
        orders = np.argsort(rng.random((n, len(at))), axis=1)
        reached += (a[at] == b[at][orders]).sum(axis=1)
    return float(np.mean(reached >= (a == b).sum()))


@pytest.mark.parametrize(("n", "share_equal", "seed"), [(40, 0.1, 4), (60, 0.1, 3), (150, 0, 1), (400, 0.1, 1)])
def test_the_p_value_of_an_agreement_is_about_that_of_a_permutation_test(n, share_equal, seed):
    a, b = drawn_pairs(n, share_equal, seed)
    simulated = simulated_p(a, b)
    assert 0.001 < simulated < 0.999
    assert agreement_against_chance(a, b).p_value == pytest.approx(simulated, abs=0.005, rel=0.15)


def test_the_p_value_within_strata_is_about_that_of_a_permutation_within_strata():
    # The label is all but decided by the stratum: within it, b agrees with a no more than its shuffles.
    rng = np.random.default_rng(4)
    strata = rng.choice(["x", "y"], 120)
    usual = np.where(strata == "x", "yes", "no")
    a, b = (np.where(rng.random(120) < 0.8, usual, rng.choice(LABELS, 120)).tolist() for _ in range(2))
    assert agreement_against_chance(a, b).p_value < 0.001
    found = agreement_against_chance(a, b, strata.tolist())
    assert found.p_value == pytest.approx(simulated_p(a, b, strata.tolist()), abs=0.03)
    assert found.p_value > 0.05


def test_agreement_keeps_its_level_when_nothing_agrees_but_by_chance():
    found = [agreement_against_chance(*drawn_pairs(100, 0.0, seed), n_shuffles=999).p_value for seed in range(400)]
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.07


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), min_size=1, max_size=40))
def test_observed_and_expected_agreement_are_those_of_cohens_kappa(pairs):
    a, b = map(list, zip(*pairs, strict=True))
    found = agreement_against_chance(a, b)
    if found.expected < 1 - 1e-9:
        kappa = (found.observed - found.expected) / (1 - found.expected)
        assert kappa == pytest.approx(cohen_kappa_score(a, b))


def test_one_label_throughout_and_one_item_alone_are_no_evidence():
    for a, b, strata, share in (
        (["yes"] * 9, ["yes"] * 9, None, 1.0),
        (["yes"] * 9, ["yes"] * 5 + ["no"] * 4, None, 5 / 9),
        (["yes"], ["yes"], None, 1.0),
        (["yes", "no"], ["yes", "no"], ["x", "y"], 1.0),
    ):
        found = agreement_against_chance(a, b, strata)
        assert (found.n, found.p_value) == (len(a), 1.0)
        assert (found.observed, found.expected) == pytest.approx((share, share))


def test_no_item_at_all_is_unknown():
    found = agreement_against_chance([], [])
    assert (found.n, found.p_value) == (0, 1.0)
    assert math.isnan(found.observed)
    assert math.isnan(found.expected)


def test_one_lucky_answer_of_an_otherwise_constant_column_is_no_proof():
    # One "no" among 100 answers meets one of the 5 that are right: that happens to 5 of 100 shuffles.
    answers, references = ["no"] + ["yes"] * 99, ["no"] * 5 + ["yes"] * 95
    exact = fisher_exact([[1, 0], [4, 95]], alternative="greater").pvalue
    assert exact == pytest.approx(0.05)
    assert_close_to(agreement_against_chance(answers, references).p_value, exact)


# How far above chance


answered = st.lists(
    st.tuples(st.sampled_from([*LABELS, "none"]), st.sampled_from(LABELS), st.integers(0, 4)), min_size=1, max_size=30
)


@given(answered)
def test_what_lies_above_chance_is_the_agreement_less_that_of_shuffles(questions):
    given_, known, documents = zip(*questions, strict=True)
    clusters = [f"d{document}" for document in documents]
    found, shuffled = above_chance(given_, known, clusters, 0.95), agreement_against_chance(given_, known, n_shuffles=9)
    assert found.difference == pytest.approx(shuffled.observed - shuffled.expected)
    assert -1 <= found.low <= found.difference + 1e-9
    assert found.difference - 1e-9 <= found.high <= 1
    if len(set(clusters)) == 1:
        assert (found.low, found.high, found.p_value, found.standard_error) == (-1.0, 1.0, 1.0, math.inf)


def on_documents(seed, n_documents, n_questions=4, share_right=0.3, keep=0.7):
    """Answers and references that hang together by document; `share_right` of the answers are right on top of it."""
    rng = np.random.default_rng(seed)
    shape = (n_documents, n_questions)
    known, guess = (
        np.where(rng.random(shape) < keep, rng.choice(LABELS, (n_documents, 1)), rng.choice(LABELS, shape)).ravel()
        for _ in range(2)
    )
    given_ = np.where(rng.random(known.size) < share_right, known, guess)
    clusters = [f"d{number // n_questions:03d}" for number in range(known.size)]
    return given_.tolist(), known.tolist(), clusters


@pytest.mark.parametrize(("seed", "share_right"), [(0, 0.3), (1, 0.3), (2, 0.0)])
def test_the_error_of_what_lies_above_chance_agrees_with_a_bootstrap_of_documents(seed, share_right):
    given_, known, clusters = on_documents(seed, 100, share_right=share_right)
    indicators = [np.array([[one == label for label in LABELS] for one in column]) for column in (given_, known)]
    right = (indicators[0] & indicators[1]).any(axis=1)
    sums, sizes = cluster_sums(np.column_stack([right, *indicators]).astype(float), clusters)
    drawn = np.random.default_rng(seed).integers(0, 100, (3000, 100))
    shares = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)[:, None]
    replicates = shares[:, 0] - (shares[:, 1:4] * shares[:, 4:]).sum(axis=1)
    found = above_chance(given_, known, clusters, 0.95)
    assert found.standard_error == pytest.approx(replicates.std(), rel=0.08)
    if share_right == 0:  # the guesses hang together: taken as independent they would be too sure
        assert found.standard_error > 1.2 * above_chance(given_, known, alone(400), 0.95).standard_error


@pytest.mark.parametrize("share_right", [0.0, 0.3])
def test_the_interval_of_what_lies_above_chance_covers_about_as_often_as_it_says(share_right):
    # A guess is right on a third; what replaces it by the right label adds two thirds of its share.
    found = [above_chance(*on_documents(seed, 30, share_right=share_right), 0.95) for seed in range(400)]
    assert 0.92 <= np.mean([one.low <= share_right * 2 / 3 <= one.high for one in found]) <= 0.98


def test_the_clustered_test_of_what_lies_above_chance_keeps_its_level():
    found = [above_chance(*on_documents(seed, 20, share_right=0.0), 0.95) for seed in range(400)]
    assert np.mean([one.difference > 0 and one.p_value / 2 < 0.05 for one in found]) <= 0.075


def test_always_one_answer_is_at_chance_for_certain():
    found = above_chance(["yes"] * 9, ["yes"] * 6 + ["no"] * 3, alone(9), 0.95)
    assert found.difference == pytest.approx(0)
    assert found.p_value == 1.0
    assert found.high - found.low < 1e-9


# Wilson's interval by document


def score_interval(share, n, confidence=0.95):
    """The shares p with (share - p)^2 <= z^2 p (1 - p) / n: roots of a quadratic."""
    z = norm.ppf((1 + confidence) / 2) ** 2 / n
    return tuple(sorted(np.roots([1 + z, -(2 * share + z), share**2]).real))


@given(st.lists(st.booleans(), max_size=60), st.sampled_from([0.9, 0.95, 0.99]))
def test_one_question_a_document_has_wilsons_interval(flags_, confidence):
    right = np.array(flags_, dtype=np.float64)
    found = wilson_clustered(right, alone(len(right)), confidence)
    assert found == pytest.approx(wilson(int(right.sum()), len(right), confidence), nan_ok=True, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40))
def test_documents_never_narrow_an_interval(questions):
    flags_, documents = zip(*questions, strict=True)
    right = np.array(flags_, dtype=np.float64)
    found, plain = wilson_clustered(right, [f"d{one}" for one in documents], 0.95), wilson(sum(flags_), len(flags_))
    assert found.estimate == plain.estimate
    assert 0 <= found.low <= plain.low + 1e-9
    assert plain.high - 1e-9 <= found.high <= 1


def test_copies_of_questions_on_their_documents_count_once():
    # Of k documents of two equal questions each, the clustered variance is that of k - 1 questions.
    right = np.repeat(coins(30, 0.6, 1), 2)
    found = wilson_clustered(right, [one for one in alone(30) for _ in range(2)], 0.95)
    assert (found.low, found.high) == pytest.approx(score_interval(right.mean(), 29))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_always_right_or_wrong_counts_by_document(value):
    found = wilson_clustered(np.full(20, value), [f"d{number // 5}" for number in range(20)], 0.95)
    assert found == pytest.approx(wilson(int(4 * value), 4))


def test_a_single_document_is_a_single_observation():
    found = wilson_clustered(scores(1, 1, 0, 1), ["d"] * 4, 0.95)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.75, *score_interval(0.75, 1)))
    assert wilson_clustered(np.ones(4), ["d"] * 4, 0.95) == pytest.approx(wilson(1, 1))


@pytest.mark.parametrize("share", [0.6, 0.8])
def test_the_interval_of_a_share_covers_where_questions_hang_together_by_document(share):
    covered = {"clustered": 0, "plain": 0}
    clusters = [f"d{number // 5:02d}" for number in range(150)]
    for seed in range(400):
        rng = np.random.default_rng(seed)
        of_document = np.repeat(rng.random(30) < share, 5)
        right = np.where(rng.random(150) < 0.7, of_document, rng.random(150) < share).astype(float)
        for name, found in (
            ("clustered", wilson_clustered(right, clusters, 0.95)),
            ("plain", wilson(int(right.sum()), 150)),
        ):
            covered[name] += found.low <= share <= found.high
    assert covered["plain"] / 400 < 0.85
    assert 0.92 <= covered["clustered"] / 400 <= 0.98


# What a filter keeps


def population(seed, n_documents=60, most=4):
    """Questions on documents: P(kept), P(kept and right), P(a single vote is right), clusters; sure ones do better."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, most + 1, n_documents)
    clusters = [f"d{document:03d}" for document, size in enumerate(sizes) for _ in range(size)]
    easy = np.repeat(rng.random(n_documents), sizes)
    kept = 0.5 * easy + 0.5 * rng.random(len(easy))
    right = kept * (0.5 + kept) / 1.5
    single = 0.3 + 0.7 * easy * rng.random(len(easy))
    return kept, right, single, clusters


# The mean of two uniform numbers has mean 1/2 and variance 1/24, their product mean 1/4.
TRUE_KEPT, TRUE_RIGHT, TRUE_SINGLE = 1 / 2, (1 / 4 + 1 / 4 + 1 / 24) / 1.5, 0.3 + 0.7 / 4


def test_the_accuracy_of_what_is_kept_is_a_share_of_what_is_kept():
    # Two questions kept for sure, one of them rightly; one kept half the time, always rightly; one never.
    found = kept_accuracy(scores(1, 1, 0.5, 0), scores(1, 0, 0.5, 0), alone(4), 0.95)
    assert found.difference == pytest.approx(1.5 / 2.5)


def test_the_interval_of_a_kept_share_is_cochrans():
    kept, right, _, _ = population(0)
    n, half = len(kept), (kept**2).sum() / kept.sum() / 2
    worth = kept.sum() ** 2 / (kept**2).sum()
    found = kept_accuracy(kept, right, alone(n), 0.9)
    # Half a right and half a wrong question more, each on its own, kept as often as what is kept is typically; the
    # interval is one of log odds, at the number of equal questions that these are worth.
    more_kept, more_right = np.append(kept, [half, half]), np.append(right, [half, 0])
    ratio = more_right.sum() / more_kept.sum()
    variance = ((more_right - ratio * more_kept) ** 2).sum() / more_kept.sum() ** 2 * (worth + 2) / (worth + 1)
    assert found.standard_error == pytest.approx(math.sqrt(variance))
    reach = student.ppf(0.95, worth - 1) * math.sqrt(variance) / (ratio * (1 - ratio))
    odds = [ratio / (1 - ratio) * math.exp(side * reach) for side in (-1, 1)]
    assert (found.low, found.high) == pytest.approx(tuple(one / (1 + one) for one in odds))


@pytest.mark.parametrize("seed", [0, 1])
def test_errors_of_kept_shares_and_gains_agree_with_a_bootstrap_of_documents(seed):
    kept, right, single, clusters = population(seed, 120)
    columns, sizes = cluster_sums(np.stack([kept, right, single], axis=1), clusters)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(sizes), (3000, len(sizes)))
    of_kept, of_right, of_single = np.moveaxis(columns[drawn].sum(axis=1), 1, 0)
    accuracy, alone_ = of_right / of_kept, of_single / sizes[drawn].sum(axis=1)
    assert kept_accuracy(kept, right, clusters, 0.95).standard_error == pytest.approx(accuracy.std(), rel=0.08)
    gain = gain_by_filter(kept, right, single, clusters, 0.95)
    assert gain.standard_error == pytest.approx((accuracy - alone_).std(), rel=0.08)
    assert gain.difference == pytest.approx(right.sum() / kept.sum() - single.mean())


@pytest.mark.parametrize("n_documents", [15, 60])
def test_intervals_of_kept_shares_and_gains_cover_about_as_often_as_they_say(n_documents):
    true = {"kept": TRUE_RIGHT / TRUE_KEPT, "gain": TRUE_RIGHT / TRUE_KEPT - TRUE_SINGLE}
    covered = dict.fromkeys(true, 0)
    for seed in range(400):
        kept, right, single, clusters = population(seed, n_documents)
        found = {
            "kept": kept_accuracy(kept, right, clusters, 0.95),
            "gain": gain_by_filter(kept, right, single, clusters, 0.95),
        }
        for name, value in true.items():
            covered[name] += found[name].low <= value <= found[name].high
    # With few documents the two half questions make the interval of a gain wide: 98.6 % of 2,000 cover.
    most = {"kept": 0.985, "gain": 0.985 if n_documents > 15 else 0.9975}
    assert all(0.91 <= n / 400 <= most[name] for name, n in covered.items()), covered


def test_a_filter_that_keeps_all_alike_gains_the_paired_difference():
    # Kept for sure, so that the gain is a mean of paired differences, and its test Student's.
    rng = np.random.default_rng(3)
    right, single = rng.random(40), rng.random(40)
    found = gain_by_filter(np.ones(40), right, single, alone(40), 0.95)
    assert found.difference == pytest.approx((right - single).mean())
    # Half a question that only the filter gets right, half a one that only the single vote does.
    differences = np.append(right - single, [0.5, -0.5])
    mean = differences.sum() / 41
    influence = differences - mean * np.append(np.ones(40), [0.5, 0.5])
    error = math.sqrt((influence**2).sum() * 42 / 41) / 41
    reach = student.ppf(0.975, 39) * error
    assert (found.low, found.high) == pytest.approx((mean - reach, mean + reach))
    assert found.p_value == pytest.approx(2 * student.sf(abs(mean) / error, 39))


def test_a_filter_that_changes_nothing_gains_nothing():
    right = coins(30, 0.6, 0)
    found = gain_by_filter(np.full(30, 0.25), 0.25 * right, right, alone(30), 0.95)
    assert found.difference == pytest.approx(0)
    assert found.p_value > 0.9 or found.standard_error < 1e-12


def test_the_gain_test_keeps_its_level_when_being_sure_says_nothing():
    # Kept with a chance of its own, right or wrong regardless of it, against one vote of the same accuracy.
    found = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        kept, right, single = rng.random(50), coins(50, 0.6, 3 * seed + 1), coins(50, 0.6, 3 * seed + 2)
        found.append(gain_by_filter(kept, kept * right, single, alone(50), 0.95).p_value)
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.08


def test_the_mean_of_shares_is_students_where_every_question_has_its_own_document():
    shares = np.random.default_rng(5).random(25)
    found, expected = mean_of_shares(shares, alone(25), 0.9), ttest_1samp(shares, 0)
    assert found.difference == pytest.approx(shares.mean())
    # Student's, but for half a question at 0 and half a one at 1.
    low, high = expected.confidence_interval(0.9)
    assert found.low <= low + 0.02
    assert found.high >= high - 0.02
    assert found.high - found.low == pytest.approx(high - low, rel=0.1)
    # Never surer than 25 documents of one sign can make it.
    assert found.p_value == 2.0**-24 > expected.pvalue


def test_copies_of_questions_on_their_documents_change_no_interval_of_shares():
    kept, right, single, _ = population(7, 40, most=1)
    once = (kept, right, single)
    twice = [np.repeat(one, 2) for one in once]
    clusters, doubled = alone(40), [one for one in alone(40) for _ in range(2)]
    pairs = [
        (function(*twice[:n_columns], doubled, 0.95), function(*once[:n_columns], clusters, 0.95))
        for function, n_columns in ((kept_accuracy, 2), (gain_by_filter, 3))
    ]
    pairs.append((mean_of_shares(twice[0], doubled, 0.95), mean_of_shares(kept, clusters, 0.95)))
    for found, expected in pairs:
        # But for the two half questions, which weigh half as much beside twice as many.
        assert found.difference == pytest.approx(expected.difference)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_shares_of_a_single_document_say_nothing():
    kept, right, single, _ = population(8, 10, most=1)
    for found, least in (
        (kept_accuracy(kept, right, ["d"] * 10, 0.95), 0),
        (gain_by_filter(kept, right, single, ["d"] * 10, 0.95), -1),
        (mean_of_shares(single, ["d"] * 10, 0.95), 0),
    ):
        assert (found.low, found.high, found.p_value) == (least, 1.0, 1.0)
        assert math.isinf(found.standard_error)


@pytest.mark.parametrize(("n_heavy", "n_light"), [(1, 29), (3, 27), (3, 197), (5, 40)])
def test_intervals_of_what_is_kept_know_that_a_few_questions_carry_all(n_heavy, n_light):
    rng, covered, n_runs = np.random.default_rng(12), 0, 150
    kept = np.append(np.full(n_heavy, 0.9), np.full(n_light, 1e-3))
    for _ in range(n_runs):
        right = kept * (rng.random(len(kept)) < 0.7)
        found = kept_accuracy(kept, right, alone(len(kept)), 0.95)
        covered += found.low <= 0.7 <= found.high
    assert covered >= binom.ppf(1e-4, n_runs, 0.95)


def test_a_document_with_nearly_all_questions_is_one_observation():
    clusters = ["d"] * 500 + [f"e{number}" for number in range(20)]
    a, b = coins(520, 0.7, 1), coins(520, 0.5, 2)
    assert wilson_clustered(a, clusters, 0.95).high - wilson_clustered(a, clusters, 0.95).low > 0.6
    found = compare_paired(a, b, clusters, 0.95)
    assert (found.low, found.high) == (-1.0, 1.0)
    assert mean_of_shares(a, clusters, 0.95).standard_error == math.inf


def test_weights_may_be_as_small_as_they_like():
    weights = np.array([3.0, 1.0, 1.0, 1.0])
    assert effective_number(weights) == pytest.approx(3)
    assert effective_number(weights * 1e-200) == pytest.approx(3)
    assert effective_number(weights * 0) == 0


def test_what_keeps_nothing_has_unknown_accuracy_and_gain():
    nothing = np.zeros(6)
    for clusters in (alone(6), ["d"] * 6):
        for found in (
            kept_accuracy(nothing, nothing, clusters, 0.95),
            gain_by_filter(nothing, nothing, coins(6, 0.5, 0), clusters, 0.95),
        ):
            assert all(math.isnan(value) for value in found[:3])
            assert (found.standard_error, found.p_value) == (math.inf, 1.0)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 1), st.integers(0, 4)), min_size=2, max_size=30))
def test_a_kept_share_lies_between_nothing_and_all_and_within_its_interval(questions):
    kept, share, documents = (np.array(column) for column in zip(*questions, strict=True))
    found = kept_accuracy(kept, kept * share, [f"d{document:.0f}" for document in documents], 0.95)
    assert -1e-9 <= found.difference <= 1 + 1e-9
    assert -1 <= found.low <= found.difference + 1e-9
    assert found.difference - 1e-9 <= found.high <= 1
