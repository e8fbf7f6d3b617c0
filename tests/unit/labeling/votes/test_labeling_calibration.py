"""Label bias is divided out of the distributions: against numbers by hand and against what calibration is for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labeling.votes.calibration import CalibrationConfig, calibrate, fit_prior

ROWS = (
    st.integers(2, 5)
    .flatmap(
        lambda n_labels: st.lists(
            st.lists(
                st.lists(st.floats(0.01, 1), min_size=n_labels, max_size=n_labels),
                min_size=3,
                max_size=3,
            ),
            min_size=1,
            max_size=4,
        )
    )
    .map(np.array)
)


def one_vote(*rows):
    """Distributions of questions with one vote each, shape (questions, 1, labels)."""
    return np.array(rows, dtype=float)[:, None, :]


def test_the_plain_prior_is_the_mean_of_the_normalised_distributions():
    # The second row is (.25, .75) with half of the mass outside the labels.
    prior = fit_prior(one_vote((0.75, 0.25), (0.125, 0.375)))
    assert prior == pytest.approx(np.array([[0.5, 0.5]]))


def test_the_balanced_prior_weighs_every_label_the_same_however_often_it_is_right():
    # Three questions whose answer is label 0, one whose answer is label 1.
    p = one_vote((0.9, 0.1), (0.8, 0.2), (0.7, 0.3), (0.6, 0.4))
    balanced = fit_prior(p, np.array([0, 0, 0, 1]))
    assert balanced == pytest.approx(np.array([[(0.8 + 0.6) / 2, (0.2 + 0.4) / 2]]))
    assert fit_prior(p) == pytest.approx(np.array([[0.75, 0.25]]))


def test_a_label_that_no_tune_question_has_weighs_nothing():
    p = one_vote((0.9, 0.05, 0.05), (0.2, 0.6, 0.2))
    assert fit_prior(p, np.array([0, 2])) == pytest.approx(np.array([[0.55, 0.325, 0.125]]))


def test_where_the_tune_questions_are_balanced_both_priors_are_one():
    p = one_vote((0.9, 0.1), (0.3, 0.7), (0.6, 0.4), (0.2, 0.8))
    assert fit_prior(p, np.array([0, 1, 1, 0])) == pytest.approx(fit_prior(p))


def test_each_vote_has_a_prior_of_its_own():
    p = np.array([[(0.9, 0.1), (0.5, 0.5), (0.2, 0.8)], [(0.7, 0.3), (0.5, 0.5), (0.4, 0.6)]])
    prior = fit_prior(p)
    assert prior == pytest.approx(np.array([(0.8, 0.2), (0.5, 0.5), (0.3, 0.7)]))
    calibrated = calibrate(p, prior)
    # The second vote has no bias to divide out; .9 / .8 = 1.125 and .1 / .2 = .5.
    assert calibrated[:, 1] == pytest.approx(p[:, 1])
    assert calibrated[0, 0] == pytest.approx([1.125 / 1.625, 0.5 / 1.625])


@given(ROWS)
def test_a_prior_is_a_distribution_for_each_vote(p):
    references = np.arange(len(p)) % p.shape[-1]
    for prior in (fit_prior(p), fit_prior(p, references)):
        assert prior.shape == p.shape[1:]
        assert prior.sum(axis=-1) == pytest.approx(1)
        assert (prior > 0).all()


def test_a_prior_of_no_question_is_refused():
    with pytest.raises(ValueError, match="at least one question"):
        fit_prior(np.zeros((0, 3, 3)))


def test_calibration_turns_a_biased_answer_around():
    # A labeler that says yes to everything, and says it less loudly where the answer is no.
    tune = one_vote((0.9, 0.1), (0.7, 0.3))
    calibrated = calibrate(one_vote((0.85, 0.15), (0.75, 0.25)), fit_prior(tune, np.array([0, 1])))
    # The prior is (.8, .2): .85 / .8 against .15 / .2, and .75 / .8 against .25 / .2.
    assert calibrated[:, 0] == pytest.approx(
        np.array([[1.0625 / 1.8125, 0.75 / 1.8125], [0.9375 / 2.1875, 1.25 / 2.1875]])
    )
    assert calibrated.argmax(axis=-1).ravel().tolist() == [0, 1]


def test_subtracting_the_log_prior_is_the_same_as_the_paper_has_it():
    p, prior = np.array([[(0.7, 0.2, 0.1)] * 3]), np.array([(0.5, 0.4, 0.1), (0.3, 0.3, 0.4), (0.1, 0.8, 0.1)])
    logits = np.log(p) - np.log(prior)
    by_paper = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert calibrate(p, prior) == pytest.approx(by_paper)


@given(ROWS, st.floats(0.01, 1))
def test_calibrated_rows_are_distributions_whatever_lay_outside_the_labels(p, inside):
    prior = fit_prior(p)
    calibrated = calibrate(p, prior)
    assert calibrated.shape == p.shape
    assert calibrated.sum(axis=-1) == pytest.approx(1)
    assert calibrate(p * inside, prior) == pytest.approx(calibrated)


@given(ROWS)
def test_an_unbiased_prior_changes_nothing_and_a_questions_own_prior_leaves_nothing(p):
    n_labels = p.shape[-1]
    normalised = p / p.sum(axis=-1, keepdims=True)
    assert calibrate(p, np.full(p.shape[1:], 1 / n_labels)) == pytest.approx(normalised)
    assert calibrate(p[:1], fit_prior(p[:1])) == pytest.approx(np.full((1, 3, n_labels), 1 / n_labels))


def test_a_label_that_tune_questions_never_showed_does_not_make_nan():
    calibrated = calibrate(one_vote((0.6, 0.4, 0.0)), np.array([[0.5, 0.5, 0.0]]))
    assert calibrated[0, 0] == pytest.approx([0.6, 0.4, 0])


def test_a_trace_of_a_label_that_tune_questions_never_showed_does_not_win():
    calibrated = calibrate(one_vote((0.6, 0.4 - 1e-9, 1e-9)), np.array([[0.5, 0.5, 0.0]]))
    assert calibrated[0, 0].argmax() == 0


def test_the_number_of_tune_questions_may_be_0_and_not_less():
    assert CalibrationConfig(per_label=0).per_label == 0
    with pytest.raises(ValidationError, match="per_label"):
        CalibrationConfig(per_label=-1)
