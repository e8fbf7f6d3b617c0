import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, bootstrap, norm
from scipy.stats import t as student

from results.stats.clustered import compare_paired
from results.stats.resampling import (
    EXCLUDED,
    Law,
    Resampled,
    both_laws,
    difference_interval,
    draw_weights,
    effective_questions,
    fixed_law,
    one_hot,
    percentile,
    resample_means,
    share_interval,
    share_of,
    with_half_questions,
)

RNG = np.random.default_rng(7)
N = 80


def alone(n: int) -> list[str]:
    return [f"d{number:03d}" for number in range(n)]


def means_of(right: np.ndarray, clusters: list[str], n_resamples: int = 4000) -> Resampled:
    """Columns of 0 and 1, all questions counted for certain."""
    law = fixed_law(np.zeros(len(right), dtype=np.int64), 1, clusters)
    return resample_means(right.reshape(len(right), 1, -1).astype(float), law, n_resamples, 0)


# Laws


def test_a_fixed_law_is_certain_of_what_was_observed():
    law = fixed_law(np.array([1, EXCLUDED, 0]), 2, alone(3))
    assert law.chances.tolist() == [[0, 1], [0, 0], [1, 0]]
    assert np.flatnonzero(law.weights.sum(axis=1)).tolist() == [0, 2]
    assert one_hot(law.observed, 2).tolist() == law.chances.tolist()


def test_two_laws_together_multiply_and_count_where_both_do():
    a = Law(np.array([0, 1]), np.array([[0.5, 0.25], [0.0, 1.0]]), alone(2))
    b = Law(np.array([1, EXCLUDED]), np.array([[0.1, 0.2], [0.3, 0.0]]), alone(2))
    both = both_laws(a, b)
    assert both.observed.tolist() == [1, EXCLUDED]
    np.testing.assert_allclose(both.chances, [[0.05, 0.1, 0.025, 0.05], [0, 0, 0.3, 0]])


# Draws


def test_certain_questions_alone_on_their_documents_spread_as_scipys_bootstrap():
    right = RNG.random(N) < 0.7
    reference = bootstrap((right.astype(float),), np.mean, n_resamples=4000, rng=np.random.default_rng(0))
    means = means_of(right, alone(N))
    assert means.draws.std(ddof=1) == pytest.approx(reference.standard_error, rel=0.05)
    assert means.draws.std(ddof=1) == pytest.approx(np.sqrt(right.mean() * (1 - right.mean()) / N), rel=0.05)


def test_questions_of_a_document_are_drawn_together():
    right, clusters = np.repeat(RNG.random(40) < 0.6, 3), [name for name in alone(40) for _ in range(3)]
    (weights,) = draw_weights(fixed_law(np.zeros(120, dtype=np.int64), 1, clusters), 50, 0)
    assert (weights.reshape(50, 40, 3) == weights.reshape(50, 40, 3)[:, :, :1]).all()
    assert (weights.sum(axis=(1, 2)) == 120).all()
    share = right.mean()
    assert means_of(right, clusters).draws.std() == pytest.approx(np.sqrt(share * (1 - share) / 40), rel=0.05)


def test_resampled_votes_add_the_variance_of_the_votes():
    # A question drawn anew and voted on anew is right with the mean chance, whatever its own: a binomial share.
    chances = RNG.random(N)
    law = Law((RNG.random(N) > chances).astype(np.int64), np.stack([chances, 1 - chances], axis=1), alone(N))
    values = np.zeros((N, 2, 1))
    values[:, 0] = 1.0
    means = resample_means(values, law, 8000, 0)
    assert means.draws.var() == pytest.approx(chances.mean() * (1 - chances.mean()) / N, rel=0.08)
    # With the labels as they happened to be voted, documents alone, the chances count for nothing.
    fixed = resample_means(values, fixed_law(law.observed, 2, law.clusters), 8000, 0)
    observed = float((law.observed == 0).mean())
    assert fixed.draws.var() == pytest.approx(observed * (1 - observed) / N, rel=0.08)


def test_two_questions_have_the_variance_of_all_that_could_be_drawn():
    # Both questions kept: a is right for certain, b with chance 1/2. Draws aa, ab, ba, bb; b voted on each time.
    law = Law(np.array([0, 0]), np.array([[1.0, 0.0], [0.5, 0.5]]), ["a", "b"])
    values = np.array([[[1.0], [0.0]], [[1.0], [0.0]]])
    outcomes = {1.0: 1 / 4 + 2 / 4 / 2 + 1 / 16, 0.5: 2 / 4 / 2 + 2 / 16, 0.0: 1 / 16}
    means = resample_means(values, law, 40_000, 0)
    found = means.draws[:, 0] - means.estimates[0] + 0.75
    assert {value: float(np.isclose(found, value).mean()) for value in outcomes} == pytest.approx(outcomes, abs=0.01)


def test_a_question_is_left_out_as_often_as_its_votes_leave_it_out():
    law = Law(np.array([0, EXCLUDED]), np.array([[0.3, 0.2], [0.0, 0.1]]), ["a", "b"])
    weights = np.concatenate(list(draw_weights(law, 40_000, 0)))
    np.testing.assert_allclose(weights.mean(axis=0), law.chances, atol=0.01)


def test_resamples_stand_around_what_was_observed():
    law = Law(np.zeros(N, dtype=np.int64), np.full((N, 2), 0.5), alone(N))
    values = np.tile([[1.0], [0.0]], (N, 1, 1))
    means = resample_means(values, law, 4000, 0)
    assert means.estimates.tolist() == [1.0]
    assert means.draws.mean() == pytest.approx(1.0, abs=0.005)


def test_columns_share_the_draws():
    right = RNG.random((N, 1)) < 0.5
    means = means_of(np.concatenate([right, right, ~right], axis=1), alone(N))
    np.testing.assert_allclose(means.draws[:, 0], means.draws[:, 1])
    np.testing.assert_allclose(means.draws[:, 0] + means.draws[:, 2], 1)
    variance = means.draws[:, 0].var(ddof=1)
    np.testing.assert_allclose(means.covariance, variance * np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]]))


def test_draws_depend_on_nothing_but_the_seed():
    right = RNG.random(N) < 0.5
    law = fixed_law(np.zeros(N, dtype=np.int64), 1, alone(N))
    values = right.reshape(N, 1, 1).astype(float)
    first, again, other = (resample_means(values, law, 100, seed).draws for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_no_question_counts():
    means = resample_means(np.ones((2, 1, 1)), fixed_law(np.full(2, EXCLUDED), 1, alone(2)), 10, 0)
    assert (means.n, means.n_clusters) == (0, 0)
    assert np.isnan(means.estimates).all()


# Intervals


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_share_has_wilsons_interval(share):
    right = np.arange(4000) < 4000 * share  # so many that Student's quantile is the normal one
    reference = proportion_interval(int(right.sum()), 4000)
    interval = share_of(means_of(right, alone(4000), 2000), 0, 0.95)
    assert interval.estimate == share
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=0.0008)


def proportion_interval(n_right: int, n: int):
    return binomtest(n_right, n).proportion_ci(0.95, method="wilson")


def test_a_share_of_one_is_not_certain():
    # The lower end solves (1 - p)^2 = t^2 p (1 - p) / n: n / (n + t^2).
    square = student.ppf(0.975, 19) ** 2
    assert share_interval(1.0, 20, 20, 0.95) == pytest.approx((1.0, 20 / (20 + square), 1.0))
    assert share_interval(0.0, 20, 20, 0.95) == pytest.approx((0.0, 0.0, square / (20 + square)))


def test_questions_count_as_many_as_would_know_a_share_as_well():
    assert effective_questions(0.5, 0.05, 200, 200) == pytest.approx(100 * 199 / 200)
    assert effective_questions(0.5, 0.01, 200, 200) == 200  # not more than there are
    assert effective_questions(0.01, 0.9, 200, 200) == 1  # nor fewer than one
    assert effective_questions(1.0, 0.0, 200, 50) == 50


def test_too_little_says_nothing_about_a_share():
    assert np.isnan(share_interval(float("nan"), 0, 0, 0.95)).all()
    assert share_interval(0.5, 10, 1, 0.95) == (0.5, 0.0, 1.0)
    assert share_of(means_of(np.array([1, 0]), ["d", "d"]), 0, 0.95) == (0.5, 0.0, 1.0)


def test_a_difference_has_the_interval_of_the_paired_comparison():
    right = RNG.random((200, 2)) < [0.7, 0.6]
    clusters = [name for name in alone(100) for _ in range(2)]
    means = means_of(right, clusters, 20_000)
    error = float((means.draws[:, 0] - means.draws[:, 1]).std(ddof=1))
    found = difference_interval(float(means.estimates[0] - means.estimates[1]), error, 200, 100, 0.95)
    reference = compare_paired(right[:, 0].astype(float), right[:, 1].astype(float), clusters, 0.95)
    assert found.estimate == pytest.approx(reference.difference)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.004)
    assert found.error == pytest.approx(reference.standard_error, rel=0.03)


def test_columns_that_never_disagreed_may_yet_differ():
    found = difference_interval(0.0, 0.0, 50, 50, 0.95)
    assert found.error == pytest.approx(1 / 52)  # two questions of a half that disagree either way
    assert (found.low, found.high) == pytest.approx((-found.high, student.ppf(0.975, 49) / 52))


def test_one_document_says_nothing_about_a_difference():
    assert difference_interval(0.5, 0.0, 10, 1, 0.95) == (0.5, -1.0, 1.0, 0.5, float("inf"))
    assert difference_interval(0.0, 0.0, 0, 0, 0.95)[1:3] == (-1.0, 1.0)


def test_half_questions_are_added_to_many_differences_as_to_one():
    estimates, errors = np.array([[0.1, -0.2], [0.0, 1.0]]), np.array([[0.02, 0.03], [0.0, 0.1]])
    centres, widened = with_half_questions(estimates, errors, 40, 20)
    for at in np.ndindex(2, 2):
        one = difference_interval(float(estimates[at]), float(errors[at]), 40, 20, 0.95)
        assert (one.centre, one.error) == pytest.approx((centres[at], widened[at]))


@given(st.floats(0, 1), st.floats(0, 0.5), st.integers(2, 500), st.floats(0.6, 0.99))
def test_intervals_hold_their_estimate_and_stay_in_range(share, error, n, confidence):
    interval = share_interval(share, effective_questions(share, max(error, 1e-6), n, n), n, confidence)
    assert 0 <= interval.low <= share <= interval.high <= 1
    found = difference_interval(2 * share - 1, error, n, n, confidence)
    assert -1 <= found.low <= found.estimate <= found.high <= 1


def test_percentiles_are_taken_as_far_out_as_students_quantile():
    draws = np.stack([np.arange(1001.0), np.zeros(1001)], axis=1)
    of_documents = {n: Resampled(np.array([500.0, 0.0]), np.zeros(2), draws, 2 * n, n) for n in (12, 10**9)}
    assert percentile(of_documents[10**9], 0, 0.9) == pytest.approx((500.0, 50.0, 950.0))
    tail = 1000 * norm.cdf(-student.ppf(0.95, 11) * np.sqrt(12 / 11))
    assert percentile(of_documents[12], 0, 0.9) == pytest.approx((500.0, tail, 1000 - tail))
    assert percentile(of_documents[12], 1, 0.9) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("n", [2, 3, 5, 9, 10])
def test_percentiles_of_a_few_documents_cover_as_often_as_they_say(n):
    scores = np.random.default_rng(n).beta(0.5, 0.25, (n, 1, 150))  # with a mean of two thirds
    means = resample_means(scores, fixed_law(np.zeros(n, dtype=np.int64), 1, alone(n)), 1000, 0)
    found = [percentile(means, column, 0.95) for column in range(150)]
    assert sum(one.low <= 2 / 3 <= one.high for one in found) >= binom.ppf(0.001, 150, 0.95)


def test_the_error_of_a_share_is_taken_at_what_was_observed():
    # The votes left 4 of 100 answers wrong where .5 were expected: the interval is that of 4 in 100.
    chances = np.stack([np.full(100, 0.995), np.full(100, 0.005)], axis=1)
    observed = (np.arange(100) < 4).astype(np.int64)
    values = np.tile([[1.0], [0.0]], (100, 1, 1))
    found = share_of(resample_means(values, Law(observed, chances, alone(100)), 20_000, 0), 0, 0.95)
    certain = share_of(resample_means(values, fixed_law(observed, 2, alone(100)), 20_000, 0), 0, 0.95)
    assert found == pytest.approx(certain, abs=0.003)
    none_wrong = Law(np.zeros(100, dtype=np.int64), chances, alone(100))
    assert share_of(resample_means(values, none_wrong, 400, 0), 0, 0.95).high == 1


def test_resamples_in_which_no_question_counts_do_not_shrink_the_error():
    # Five documents of sixty count: one resample in 150 holds none of them.
    observed = np.full(60, -1)
    observed[:5] = 0
    values = np.array([1.0, 1, 0, 0, 0] + [0.0] * 55)[:, None, None]
    clusters = [f"d{number}" for number in range(60)]
    some = resample_means(values, fixed_law(observed, 1, clusters), 4000, 0)
    alone = resample_means(values[:5], fixed_law(observed[:5], 1, clusters[:5]), 4000, 0)
    assert not np.isnan(some.draws).any()
    assert 3900 < len(some.draws) < 4000
    assert some.draws.std() == pytest.approx(alone.draws.std(), rel=0.25)
