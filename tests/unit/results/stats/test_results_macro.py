import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import precision_recall_fscore_support

from results.stats.answer_metrics import resample_macro
from results.stats.resampling import EXCLUDED, Law, effective_questions, fixed_law, one_hot, share_interval

RNG = np.random.default_rng(11)
N, N_LABELS = 120, 3


def alone(n: int = N) -> list[str]:
    return [f"d{number:03d}" for number in range(n)]


def columns(right: np.ndarray) -> np.ndarray:
    """Answers of three columns: good, poor with failures, and one that always says the same."""
    good = np.where(RNG.random(N) < 0.8, right, RNG.integers(0, N_LABELS, N))
    poor = np.where(RNG.random(N) < 0.4, right, RNG.integers(-1, N_LABELS, N))
    return np.stack([good, poor, np.zeros(N, dtype=np.int64)], axis=1)


def macro(given, law, n_resamples=4000):
    said = np.stack([one_hot(column, N_LABELS) for column in given.T], axis=2)
    return resample_macro(said, law, n_resamples, 0.95, 0)


def reference(right, given) -> tuple[float, float, float]:
    labels = np.unique(right)
    found = precision_recall_fscore_support(right, given, labels=labels, average="macro", zero_division=0.0)
    return tuple(float(one) for one in found[:3])


@pytest.mark.parametrize("n_present", [2, 3])
def test_estimates_are_those_of_scikit_learn_over_the_labels_that_are_right(n_present):
    right = RNG.integers(0, n_present, N)
    given = columns(right)
    found = macro(given, fixed_law(right, N_LABELS, alone()), 100)
    for column, one in enumerate(found):
        assert [score.estimate for score in one] == pytest.approx(reference(right, given[:, column]))


def test_only_questions_that_count_are_scored():
    right = RNG.integers(0, N_LABELS, N)
    given = columns(right)
    observed = np.where(np.arange(N) % 3 == 0, EXCLUDED, right)
    kept = observed != EXCLUDED
    law = Law(observed, fixed_law(right, N_LABELS, alone()).chances, alone())
    found = macro(given, law, 100)[0]
    assert [score.estimate for score in found] == pytest.approx(reference(right[kept], given[kept, 0]))


def test_the_interval_is_that_of_a_share_with_scipys_standard_error():
    right = RNG.choice(N_LABELS, N, p=[0.5, 0.35, 0.15])
    given = columns(right)
    found = macro(given, fixed_law(right, N_LABELS, alone()))[0]
    for position, score in enumerate(found):
        drawn = bootstrap(
            (right, given[:, 0]), lambda a, b, at=position: reference(a, b)[at], n_resamples=400, paired=True,
            vectorized=False, method="percentile", rng=np.random.default_rng(0),
        )  # fmt: skip
        n_effective = effective_questions(score.estimate, float(drawn.standard_error), N, N)
        expected = share_interval(score.estimate, n_effective, N, 0.95)
        assert (score.low, score.high) == pytest.approx((expected.low, expected.high), abs=0.015)


def test_all_right_is_not_certain():
    right = RNG.integers(0, N_LABELS, N)
    found = macro(right[:, None], fixed_law(right, N_LABELS, alone()), 100)[0]
    for score in found:
        assert (score.estimate, score.high) == (1, 1)
        assert score.low < 0.99


def test_no_question_has_no_score():
    found = macro(np.zeros((N, 2), dtype=np.int64), fixed_law(np.full(N, EXCLUDED), N_LABELS, alone()), 100)
    assert len(found) == 2
    assert np.isnan(found[1].f1).all()
