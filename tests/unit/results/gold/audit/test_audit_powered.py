"""Prediction-powered accuracy: the published estimate, and an interval that does not trust the model blindly."""

import numpy as np
import pytest

from results.gold.audit.exact import ExactLimits
from results.gold.audit.powered import power, powered_limits

AT = np.arange(40)
SAID = 0.5 + 0.5 * ((7 * AT) % 40) / 40
RIGHT = (SAID + 0.2 * ((11 * AT) % 40) / 40 > 0.75).astype(float)
REST = 0.5 + 0.5 * ((13 * np.arange(160) + 5) % 160) / 200  # what the model says of the 160 that were not sampled


def of(right, said, mean, confidence=0.95):
    return power(
        np.asarray(right, float), np.asarray(said, float).reshape(len(right), -1), np.atleast_1d(mean), confidence
    )


def test_the_estimate_is_that_of_ppi_plus_plus():
    # ppi_py 0.2.3: ppi_mean_pointestimate(RIGHT, SAID, REST, lam=cov(RIGHT, SAID) / var(SAID) / (1 + 40 / 160)) with
    # both over n - 1, which is equation 6 of arXiv:2311.01453 for a mean.
    found = of(RIGHT, SAID, np.concatenate([SAID, REST]).mean())
    assert found.estimate == pytest.approx(0.6463808630393997, abs=1e-12)


def test_the_variance_that_is_left_by_hand():
    right, said = [1, 1, 1, 0, 0, 0], [0.8, 0.8, 0.2, 0.2, 0.2, 0.8]
    # slope: cov / var = 0.3 / 0.54 = 1 / 3 / 0.6; it explains 1 / 9 of a sum of squares of 1.5.
    unexplained = 1.5 * 8 / 9 * 5 / 4
    caution = (4.302652729911275 / 1.959963984540054) ** 2  # Student's 97.5 % point for 3 - 1 degrees of freedom
    assert (unexplained + 1) / 1.5 * caution > 1
    assert of(right, said, 0.5).left == 1
    many = of(right * 20, said * 20, 0.5)
    caution = (2.0010 / 1.959964) ** 2  # for 60 - 1 degrees of freedom
    assert many.left == pytest.approx((30 * 8 / 9 * 119 / 118 + 1) / 30 * caution, rel=1e-4)


def test_the_slope_moves_the_estimate_to_what_the_list_is_like():
    many = of([1, 1, 1, 0, 0, 0] * 20, [0.8, 0.8, 0.2, 0.2, 0.2, 0.8] * 20, 0.62)
    assert many.estimate == pytest.approx(0.5 + (0.62 - 0.5) * 5 / 9)


@pytest.mark.parametrize(
    ("right", "said"),
    [
        pytest.param([1] * 39 + [0], SAID, id="one wrong"),
        pytest.param([1] * 40, SAID, id="none wrong"),
        pytest.param([0] * 39 + [1], SAID, id="one right"),
        pytest.param([1, 0] * 20, np.full(40, 0.9), id="a model that always says the same"),
        pytest.param([1, 0] * 20, np.zeros((40, 0)), id="no model"),
        pytest.param([1, 0], [0.9, 0.1], id="two reviews"),
    ],
)
def test_without_a_reason_to_trust_the_model_the_exact_interval_stays(right, said):
    found = of(right, said, np.full(np.asarray(said).reshape(len(right), -1).shape[1], 0.3))
    assert (found.estimate, found.left, found.helps) == (np.mean(right), 1.0, False)
    limits = ExactLimits(len(right), 200, 0.95)
    assert powered_limits(found, int(sum(right)), limits) == limits.at(sum(right))


def test_a_model_that_is_always_right_narrows_but_not_to_a_point():
    right = np.array([1.0] * 30 + [0.0] * 10)
    found = of(right, right * 0.9, 0.9 * 0.75)
    low, high = powered_limits(found, 30, ExactLimits(40, 4000, 0.95))
    exact_low, exact_high = ExactLimits(40, 4000, 0.95).at(30)
    assert exact_low < low < 0.75 < high < exact_high


def test_a_model_that_is_wrong_where_it_is_sure_helps_as_well():
    mean = np.concatenate([SAID, REST]).mean()
    assert of(RIGHT, 1 - SAID, 1 - mean).left == pytest.approx(of(RIGHT, SAID, mean).left)


def test_the_ends_are_whole_questions_and_what_was_seen_is_certain():
    total = 50
    found = of(RIGHT, SAID, 0.9)
    low, high = powered_limits(found, 29, ExactLimits(40, total, 0.95))
    assert low * total == round(low * total)
    assert 29 <= low * total <= high * total <= 39


def test_several_columns_cost_a_degree_of_freedom_each():
    right = np.array([1.0] * 20 + [0.0] * 3)
    said = np.linspace(0.9, 0.3, 23)
    alone, both = of(right, said, 0.6), of(right, np.column_stack([said, said**2]), [0.6, 0.4])
    assert alone.helps or alone.left == 1
    assert both.left >= alone.left
