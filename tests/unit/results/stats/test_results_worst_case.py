import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from results.stats.worst_case import (
    Weighted,
    documents_needed,
    fewest_documents,
    p_better_by,
    p_worse_by,
    shaffer,
    shown_not_best,
    step_down,
    worst_case_p,
)

MARGIN = 0.05


def p_of(values, worst) -> float:
    return float(worst_case_p(np.array(values, dtype=float)[:, None], worst)[0])


def test_the_checked_value_of_59_equal_documents():
    assert p_of([-MARGIN] * 59, 1 - MARGIN) == pytest.approx(0.0484945, abs=1e-7)
    assert pytest.approx(0.0484945, abs=1e-7) == (1 - MARGIN) ** 59


@pytest.mark.parametrize("n_worse_in_100", [0, 2, 5, 8])
@pytest.mark.parametrize("n", [100, 500, 1000, 2000, 5000, 20_000])
def test_and_so_it_is_at_every_size(n, n_worse_in_100):
    n_worse = n * n_worse_in_100 // 100
    found = p_of([1 - MARGIN] * n_worse + [-MARGIN] * (n - n_worse), 1 - MARGIN)
    exact = binomtest(n_worse, n, MARGIN, alternative="less").pvalue
    assert found == pytest.approx(exact, rel=1e-6)


def test_a_certain_drop_is_certain_however_many_documents_show_it():
    for n in (100, 1000, 2000, 4000):
        found = p_better_by(documents([0.9] * n, [0.6] * n), np.full((2, 2), MARGIN))
        assert found[0, 1] < 1e-9
        assert found[1, 0] > 1 - 1e-9


@pytest.mark.parametrize("n", [200, 2000, 20_000])
@pytest.mark.parametrize("heaviest", [10.0, 100.0, 1e4])
def test_one_document_may_carry_all(n, heaviest):
    # Nothing differs, so Y is -.05 G: the worst case has to outlast each of the others.
    held = np.append(np.ones(n), heaviest)
    alike = Weighted(held, 0.7 * np.stack([held, held], axis=1))
    for strict, worst in ((True, heaviest), (False, alike.typical)):
        rate = MARGIN / (1 - MARGIN) / worst
        exact = np.exp(-np.log1p(rate * held).sum())
        assert p_worse_by(alike, MARGIN, strict=strict)[0, 1] == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("n_worse", "n"), [(0, 30), (1, 60), (4, 90), (10, 200)])
def test_on_scores_of_0_and_1_it_is_the_test_of_clopper_and_pearson(n_worse, n):
    # A question is worse by 1 or not at all: Y is .95 or -.05, and the question is whether more than 5 % are worse.
    found = p_of([1 - MARGIN] * n_worse + [-MARGIN] * (n - n_worse), 1 - MARGIN)
    assert found == pytest.approx(binomtest(n_worse, n, MARGIN, alternative="less").pvalue, rel=1e-6)


def test_a_sample_scaled_with_its_worst_case_is_the_same():
    values = np.random.default_rng(1).normal(-0.1, 0.2, 30)
    assert p_of(values * 1e-6, 1e-6) == pytest.approx(p_of(values, 1.0), abs=1e-9)


def test_many_hypotheses_are_tested_as_one_by_one():
    values = np.random.default_rng(2).normal(-0.05, 0.2, (400, 70))
    together = worst_case_p(values, 0.95)
    assert together == pytest.approx([p_of(column, 0.95) for column in values.T], abs=1e-9)


def documents(*columns, weights=None) -> Weighted:
    scores = np.stack([np.array(one, dtype=float) for one in columns], axis=1)
    held = np.ones(len(scores)) if weights is None else np.array(weights, dtype=float)
    return Weighted(held, scores * held[:, None])


def test_a_setting_that_differs_nowhere_is_within_from_59_documents_on():
    for n, is_shown in ((58, False), (59, True)):
        found = p_worse_by(documents([0.7] * n, [0.7] * n), MARGIN)
        assert (found[0, 1] < 0.05) == (found[1, 0] < 0.05) == is_shown


def test_a_setting_that_is_worse_by_more_is_never_shown_within():
    found = p_worse_by(documents([0.9] * 200, [0.8] * 200), MARGIN)
    assert found[0, 1] < 1e-6
    assert found[1, 0] > 0.99


def test_the_strict_worst_case_is_as_heavy_as_the_heaviest_document():
    held = [1.0] * 99 + [30.0]
    alike = documents([0.7] * 100, [0.7] * 100, weights=held)
    assert alike.effective == pytest.approx(129**2 / (99 + 900))
    assert p_worse_by(alike, MARGIN, strict=True)[0, 1] > p_worse_by(alike, MARGIN)[0, 1] > 0.05


def test_without_weight_nothing_is_shown():
    assert p_worse_by(documents([1.0, 1.0], [0.0, 0.0], weights=[0, 0]), MARGIN).tolist() == [[0, 1], [1, 0]]


def test_a_lead_is_shown_where_it_is_larger_than_asked_for():
    found = p_better_by(documents([0.9] * 100, [0.7] * 100), np.full((2, 2), 0.05))
    assert found[0, 1] < 0.001
    assert found[1, 0] > 0.99
    assert p_better_by(documents([0.9] * 100, [0.7] * 100), np.full((2, 2), 0.25))[0, 1] > 0.5


@pytest.mark.parametrize("n_settings", [2, 4, 12])
def test_of_equal_settings_none_is_shown_to_be_worse_in_more_than_5_percent(n_settings):
    random, n_out = np.random.default_rng(0), 0
    for _ in range(300):
        scores = (random.random((100, n_settings)) < 0.5).astype(float)
        n_out += any(shown_not_best(Weighted(np.ones(100), scores), 0.05))
    assert n_out <= 15


def test_of_two_that_are_equal_none_is_out_in_more_than_5_percent_where_others_are_worse():
    random, n_out, n_worse = np.random.default_rng(0), 0, 0
    for _ in range(300):
        scores = (random.random((60, 5)) < [0.9, 0.9, 0.3, 0.3, 0.3]).astype(float)
        is_out = shown_not_best(Weighted(np.ones(60), scores), 0.05)
        n_out, n_worse = n_out + any(is_out[:2]), n_worse + all(is_out[2:])
    assert n_out <= 15
    assert n_worse >= 285


def test_a_rare_question_that_was_not_read_puts_the_best_out_seldom():
    random, n_out = np.random.default_rng(1), 0
    for _ in range(400):  # the second setting is better by .02, the first by .9 on one question in 40
        lucky = (random.random(40) < 1 / 40)[:, None]
        scores = np.where(lucky, [0.95, 0.05], [0.5, 0.52])
        n_out += shown_not_best(Weighted(np.ones(40), scores), 0.05)[0]
    assert n_out <= 20


def test_what_is_clearly_worse_is_out_and_what_leads_is_not():
    scores = np.zeros((40, 3))
    scores[:32, 0] = scores[:30, 1] = scores[:10, 2] = 1.0
    assert shown_not_best(Weighted(np.ones(40), scores), 0.05) == [False, False, True]
    assert shown_not_best(Weighted(np.ones(40), scores[:, :1]), 0.05) == [False]
    assert shown_not_best(Weighted(np.zeros(40), np.zeros((40, 3))), 0.05) == [False] * 3
    heavy = Weighted(np.array([30.0, *[1.0] * 39]), scores * np.array([30.0, *[1.0] * 39])[:, None])
    assert shown_not_best(heavy, 0.05, strict=True) == [False] * 3


def test_shaffers_multipliers():
    p_values = [0.01, 0.004, 0.001, 0.04]
    # Sorted .001, .004, .01, .04, times 3, 3, 2, 1.
    assert shaffer(p_values) == pytest.approx([0.02, 0.012, 0.003, 0.04])
    assert shaffer([0.03, 0.04]) == [0.03, 0.04]
    assert shaffer([0.0]) == [0.0]


def every_step(p_values, shares, n_tried) -> list[float]:
    """Shaffer's procedure as it is written down: sorted, one multiplier after the other, nothing left out."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda at: (p_values[at], at))):
        multiplier = max(1, n_tried - max(1, place))
        largest = max(largest, min(1.0, p_values[index] * multiplier / (shares[multiplier - 1] if shares else 1)))
        adjusted[index] = largest
    return adjusted


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=8),
    st.lists(st.floats(0, 1), min_size=8, max_size=8),
    st.integers(0, 3),
    st.lists(st.floats(0.1, 1), min_size=11, max_size=11),
)
def test_what_is_computed_only_if_it_matters_is_the_same(p_values, lower, n_out, of_looks):
    bounds = [p_value * share for p_value, share in zip(p_values, lower, strict=False)]
    computed = []

    def exact(index):
        computed.append(index)
        return p_values[index]

    n_tried = len(p_values) + n_out
    shares = sorted(of_looks, reverse=True)[: max(1, n_tried - 1)]
    for how in ((), shares):
        computed.clear()
        assert step_down(bounds, exact, how, n_tried) == every_step(p_values, how, n_tried)
        assert len(computed) == len(set(computed))


def test_nothing_is_computed_behind_the_first_that_cannot_be_shown():
    assert step_down([0.6, 0.7, 0.8], {0: 0.6}.__getitem__) == [1.0, 1.0, 1.0]


def test_settings_out_of_the_race_still_count():
    assert shaffer([0.001, 0.01], n_tried=5) == pytest.approx([0.004, 0.04])


def test_a_look_may_use_a_share_of_the_error_rate():
    assert shaffer([0.01, 0.02], shares=[0.5]) == pytest.approx([0.02, 0.04])


@pytest.mark.parametrize(("n_settings", "needed"), [(2, 58), (4, 80), (8, 96), (16, 111)])
def test_the_fewest_documents_that_can_tell(n_settings, needed):
    assert fewest_documents(n_settings, MARGIN, 0.05) == pytest.approx(needed, abs=1)


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
def test_the_number_that_is_needed_is_enough_in_most_samples(spread):
    rng = np.random.default_rng(3)
    pool = np.clip(rng.normal(0, spread, 400), -1, 1)
    pool -= pool.mean()
    factor = documents_needed(pool, 1 - MARGIN, MARGIN, 0.05, 0.8)
    n = int(np.ceil(factor * len(pool)))
    samples = rng.choice(pool, (n, 300)) - MARGIN
    assert 0.7 <= (worst_case_p(samples, 1 - MARGIN) < 0.05).mean() <= (1 if spread == 0 else 0.9)


def test_a_rival_that_differs_more_from_document_to_document_needs_more():
    gaps = np.random.default_rng(4).normal(0, 1, 200)
    needed = [documents_needed(gaps * spread, 1 - MARGIN, MARGIN, 0.01, 0.8) for spread in (0, 0.01, 0.1, 0.3, 0.5)]
    assert needed == sorted(needed)
