import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

from labeling.votes.sampling import Sampling, draw, sampled_distribution, top_two_margin
from labeling.votes.vote import vote_seed

P = np.array([0.5, 0.3, 0.2])

SAMPLINGS = st.builds(
    Sampling,
    temperature=st.just(0.0) | st.floats(0.05, 5),
    top_k=st.integers(0, 5),
    top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1),
)
DISTRIBUTIONS = st.lists(st.floats(0, 1), min_size=2, max_size=8).map(np.array).filter(lambda p: p.sum() > 1e-3)


@pytest.mark.parametrize(
    ("sampling", "by_hand"),
    [
        (Sampling(), (0.5, 0.3, 0.2)),
        # p ** 2 = .25, .09, .04; their sum is .38
        (Sampling(temperature=0.5), (25 / 38, 9 / 38, 4 / 38)),
        # p ** .5 = .707107, .547723, .447214; their sum is 1.702043
        (Sampling(temperature=2.0), (0.415446, 0.321803, 0.262751)),
        (Sampling(top_k=2), (5 / 8, 3 / 8, 0)),
        (Sampling(top_k=3), (0.5, 0.3, 0.2)),
        (Sampling(top_k=8), (0.5, 0.3, 0.2)),
        (Sampling(top_p=0.7), (5 / 8, 3 / 8, 0)),
        # The head whose mass just reaches top_p is enough.
        (Sampling(top_p=0.5), (1, 0, 0)),
        (Sampling(top_p=0.01), (1, 0, 0)),
        (Sampling(min_p=0.5), (5 / 8, 3 / 8, 0)),
        (Sampling(min_p=0.7), (1, 0, 0)),
        (Sampling(min_p=1.0), (1, 0, 0)),
    ],
    ids=str,
)
def test_each_parameter_gives_the_distribution_worked_out_by_hand(sampling, by_hand):
    assert sampled_distribution(P, sampling) == pytest.approx(by_hand, abs=1e-6)


def test_min_p_is_applied_before_temperature():
    # .3 / .5 = .6 < .65 is dropped; flattened first, it would be .775 and stay.
    assert sampled_distribution(P, Sampling(temperature=2.0, min_p=0.65)) == pytest.approx([1, 0, 0])


def test_top_p_is_applied_before_temperature():
    # .5 < .6, so that two stay, with squares .25 and .09; sharpened first, .658 would reach .6 alone.
    expected = [25 / 34, 9 / 34, 0]
    assert sampled_distribution(P, Sampling(temperature=0.5, top_p=0.6)) == pytest.approx(expected)


def test_top_p_counts_the_mass_that_top_k_left():
    # Of the two that top_k leaves, the first has 5/8 >= .6; of all three it has only .5.
    assert sampled_distribution(P, Sampling(top_k=2, top_p=0.6)) == pytest.approx([1, 0, 0])


def test_truncation_goes_by_probability_and_not_by_place():
    p = np.array([0.2, 0.5, 0.3])
    assert sampled_distribution(p, Sampling(top_k=2)) == pytest.approx([0, 5 / 8, 3 / 8])


def test_mass_outside_the_labels_does_not_matter():
    assert sampled_distribution(P / 50, Sampling(temperature=0.5, min_p=0.1)) == pytest.approx(
        [25 / 38, 9 / 38, 4 / 38]
    )


@pytest.mark.parametrize(("temperature", "unanimous"), [(1.0, 0.244), (0.2, 0.9115)])
def test_three_votes_agree_with_the_sum_of_the_cubes(temperature, unanimous):
    # At .2 the weights are .6^5, .3^5, .1^5 = .07776, .00243, .00001, that is .96958, .03030, .00012.
    p = sampled_distribution(np.array([0.6, 0.3, 0.1]), Sampling(temperature))
    assert (p**3).sum() == pytest.approx(unanimous, abs=5e-5)


@given(DISTRIBUTIONS, SAMPLINGS)
def test_what_a_draw_follows_is_a_distribution_that_keeps_the_ranking(p, sampling):
    p = p / p.sum()  # which can make equals of neighbours
    result = sampled_distribution(p, sampling)
    assert result.sum() == pytest.approx(1)
    assert (result >= 0).all()
    assert result[p == 0].sum() == 0
    assert result[p.argmax()] == result.max()
    ranked = result[np.argsort(-p, kind="stable")]
    assert (np.diff(ranked) <= 1e-12).all()


@given(st.integers(2, 8), st.integers(1, 4), SAMPLINGS, st.randoms(use_true_random=False))
def test_many_rows_at_once_are_what_each_is_alone(n_labels, n_rows, sampling, chance):
    rows = np.array(
        [[chance.choice([0.0, chance.random(), 0.25]) + 1e-6 for _ in range(n_labels)] for _ in range(n_rows)]
    )
    alone = np.array([sampled_distribution(row, sampling) for row in rows])
    assert sampled_distribution(rows, sampling) == pytest.approx(alone, abs=1e-12)
    stacked = sampled_distribution(np.stack([rows, rows[::-1]]), sampling)
    assert stacked == pytest.approx(np.stack([alone, alone[::-1]]), abs=1e-12)


def test_what_is_given_is_not_changed():
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    before = p.copy()
    sampled_distribution(p, Sampling(0.5, top_k=2, top_p=0.9, min_p=0.1))
    assert (p == before).all()


def test_top_p_1_drops_no_label_however_improbable():
    # 1e-17^(1/5) = 10^-3.4 = 3.98e-4; beside it the sum of the others is 1 in floating point.
    assert sampled_distribution(np.array([1, 1e-17]), Sampling(temperature=5)) == pytest.approx(
        [0.999602, 0.000398], abs=1e-6
    )


@given(DISTRIBUTIONS, SAMPLINGS, st.integers(0, 2**63 - 1))
def test_a_label_that_was_truncated_away_is_never_drawn(p, sampling, seed):
    assert sampled_distribution(p, sampling)[draw(p, sampling, seed)] > 0


@given(st.floats(0.05, 5), st.floats(0.05, 5))
def test_a_higher_temperature_makes_unanimity_rarer(one, two):
    assume(abs(one - two) > 0.01)
    cold, hot = (sampled_distribution(P, Sampling(t)) for t in sorted((one, two)))
    assert (cold**3).sum() > (hot**3).sum()


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.5), Sampling(temperature=2, top_k=2)], ids=str)
def test_draws_over_many_seeds_follow_the_distribution(sampling):
    p = np.array([0.6, 0.1, 0.3])
    expected = sampled_distribution(p, sampling) * 3000
    observed = np.bincount([draw(p, sampling, seed) for seed in range(3000)], minlength=3)
    possible = expected > 0
    assert observed[~possible].sum() == 0
    assert chisquare(observed[possible], expected[possible]).pvalue > 0.01


def test_the_three_votes_of_many_questions_are_as_often_unanimous_as_the_law_says():
    p = np.array([0.6, 0.3, 0.1])
    draws = [[draw(p, Sampling(), vote_seed(0, f"q{q}", vote)) for vote in range(3)] for q in range(2000)]
    n_unanimous = sum(len(set(three)) == 1 for three in draws)
    assert binomtest(n_unanimous, 2000, 0.244).pvalue > 0.01


def test_one_seed_always_draws_the_same_label():
    assert {draw(P, Sampling(), 77) for _ in range(5)} == {draw(P, Sampling(), 77)}
    assert {draw(P, Sampling(), seed) for seed in range(50)} == {0, 1, 2}


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(top_k=1), Sampling(temperature=3, top_k=1)])
def test_temperature_0_and_top_k_1_are_greedy(sampling):
    assert sampling.is_greedy
    assert {draw(np.array([0.2, 0.3, 0.25]), sampling, seed) for seed in range(100)} == {1}


def test_of_equally_probable_labels_greedy_takes_the_first():
    assert draw(np.array([0.2, 0.4, 0.4]), Sampling(temperature=0), 5) == 1


def test_the_defaults_are_not_greedy():
    assert not Sampling().is_greedy
    assert not Sampling(top_k=2).is_greedy


@pytest.mark.parametrize(
    ("p", "margin"), [((0.6, 0.1, 0.3), 0.3), ((0.06, 0.01, 0.03), 0.3), ((0.4, 0.4, 0.2), 0), ((0, 1), 1)]
)
def test_the_margin_is_the_normalised_lead_of_the_most_probable_label(p, margin):
    assert top_two_margin(np.array(p)) == pytest.approx(margin)


@pytest.mark.parametrize("temperature", [1e-320, 1e-300, 1e-9])
def test_next_to_no_temperature_is_no_temperature(temperature):
    shown = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    found = sampled_distribution(shown, Sampling(temperature=temperature))
    assert found.tolist() == sampled_distribution(shown, Sampling(temperature=0)).tolist()
