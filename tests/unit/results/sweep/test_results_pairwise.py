import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import t as student

from results.stats.clustered import holm, sign_flip
from results.stats.resampling import Resampled, fixed_law, resample_means
from results.stats.worst_case import Weighted, p_worse_by, shaffer
from results.sweep.arms import ArmMeans
from results.sweep.pairwise import compare_columns, difference, difference_errors, shown_within, shown_within_drawn

NAMES = ("wide", "narrow", "middle")


def flags(*n_right: int, n: int = 60) -> np.ndarray:
    """Columns whose first so many answers are right."""
    return np.stack([np.arange(n) < right for right in n_right], axis=1).astype(float)


def resampled(right: np.ndarray, per_document: int = 1) -> tuple[Resampled, list[str]]:
    clusters = [f"d{number // per_document:03d}" for number in range(len(right))]
    law = fixed_law(np.zeros(len(right), dtype=np.int64), 1, clusters)
    return resample_means(right[:, None, :], law, 4000, 0), clusters


def compared(right: np.ndarray, per_document: int = 1) -> list[dict]:
    means, clusters = resampled(right, per_document)
    arms = ArmMeans({}, right, np.ones(len(right)), clusters, {}, means)
    return compare_columns(NAMES[: right.shape[1]], range(right.shape[1]), arms, 0.95)


def test_all_pairs_are_compared_by_name_and_keep_their_columns():
    rows = compared(flags(50, 40, 20))
    assert [(row["a"], row["b"]) for row in rows] == [("middle", "narrow"), ("middle", "wide"), ("narrow", "wide")]
    assert [row["difference"] for row in rows] == pytest.approx([-20 / 60, -30 / 60, -10 / 60])
    assert {row["n"] for row in rows} == {60}


def test_the_p_value_is_mcnemars_where_documents_have_one_question():
    # 8 of 10 questions that one of them gets right are the first's.
    right = np.array([[1, 0]] * 8 + [[0, 1]] * 2 + [[1, 1]] * 30, dtype=float)
    (row,) = compared(right)
    assert row["p_value"] == pytest.approx(binomtest(8, 10).pvalue)
    assert row["p_mcnemar"] == pytest.approx(row["p_value"])


def test_questions_of_a_document_are_one_observation():
    right = np.array([[1, 0]] * 6 + [[1, 1]] * 30, dtype=float)
    (row,) = compared(right, per_document=3)
    assert row["p_value"] == pytest.approx(0.5)  # two documents, both on one side
    assert row["p_mcnemar"] == pytest.approx(2 / 2**6)
    assert row["p_value"] == pytest.approx(sign_flip(np.array([3.0, 3.0])))


def test_holm_corrects_over_the_pairs():
    rows = compared(flags(50, 47, 40))
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p_value"] for row in rows]))
    assert max(row["p_holm"] / row["p_value"] for row in rows) == pytest.approx(3)


def test_one_document_cannot_tell():
    (row,) = compared(flags(50, 10), per_document=60)
    assert (row["p_value"], row["low"], row["high"], row["standard_error"]) == (1.0, -1.0, 1.0, float("inf"))


def test_a_difference_is_paired():
    # Both wrong on the same 20 questions: neither is known well, and the difference is.
    means, _ = resampled(flags(40, 40))
    found = difference(means, means.covariance, 0, 1, 0.95)
    assert found.estimate == 0
    assert found.error == pytest.approx(np.sqrt(1.0) / 62, rel=1e-6)
    assert found.high < 0.1 < means.draws[:, 0].std() * 1.96


def test_errors_of_all_differences_are_those_of_the_draws():
    draws = np.random.default_rng(0).standard_normal((500, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 2]])
    errors = difference_errors(draws)
    for a, b in np.ndindex(3, 3):
        assert errors[a, b] == pytest.approx((draws[:, a] - draws[:, b]).std(ddof=1), abs=1e-7)


# Shown to be within a margin


def p_beyond(means: Resampled, mine: int, other: int, margin: float) -> float:
    found = difference(means, means.covariance, other, mine, 0.95)
    return float(student.cdf((found.centre - margin) / found.error, means.n_clusters - 1))


def test_within_is_shown_against_every_other_column():
    means, _ = resampled(flags(50, 48, 30))
    worst = [max(p_beyond(means, mine, other, 0.1) for other in range(3) if other != mine) for mine in range(3)]
    assert shown_within_drawn(means, range(3), 0.1) == pytest.approx(holm(worst))


def test_columns_alike_are_shown_within_where_there_are_questions_enough():
    many, few = resampled(flags(300, 300, n=400))[0], resampled(flags(15, 15, n=20))[0]
    assert max(shown_within_drawn(many, [0, 1], 0.05)) < 0.001
    # Nobody disagreed in 20 questions: t = -.05 * 22 / 1, with 19 degrees of freedom, for two columns.
    assert shown_within_drawn(few, [0, 1], 0.05) == pytest.approx([2 * student.cdf(-1.1, 19)] * 2)


def test_a_column_beyond_the_margin_is_not_shown_within_drawn():
    means, _ = resampled(flags(300, 240, n=400))
    better, worse = shown_within_drawn(means, [0, 1], 0.05)
    assert better < 1e-6
    assert worse > 0.99


def test_a_wider_margin_shows_more():
    means, _ = resampled(flags(50, 46, 43))
    p_values = np.array([shown_within_drawn(means, range(3), margin) for margin in (0.0, 0.05, 0.1, 0.3)])
    assert (np.diff(p_values, axis=0) <= 0).all()
    assert p_values[-1].max() < p_values[0].max()


def test_only_the_columns_asked_for_are_compared():
    means, _ = resampled(flags(60, 40, 40))
    assert shown_within_drawn(means, [1, 2], 0.1) == pytest.approx(
        shown_within_drawn(resampled(flags(40, 40))[0], [0, 1], 0.1)
    )


def test_what_is_too_little_to_show_anything():
    means, _ = resampled(flags(60, 60))
    assert shown_within_drawn(means, [0], 0.05) == [0.0]  # nothing is better than the only one
    assert shown_within_drawn(resampled(flags(60, 60), per_document=60)[0], [0, 1], 0.05) == [1.0, 1.0]
    assert shown_within_drawn(means._replace(n=0, n_clusters=0), [0, 1], 0.05) == [1.0, 1.0]
    assert shown_within_drawn(means._replace(n=0, n_clusters=0), [0], 0.05) == [1.0]


@given(st.integers(0, 2**32 - 1), st.integers(20, 300), st.integers(1, 9), st.floats(0, 0.3))
@example(0, 35, 2, 0.0)  # the two ways differ by 2e-9, as the tail of a sum is computed numerically
def test_testing_against_the_leader_first_changes_nothing(seed, n, n_columns, spread):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 1, n)
    scores = np.clip(0.7 + spread * rng.uniform(-1, 1, n_columns) + rng.normal(0, 0.1, (n, n_columns)), 0, 1)
    documents = Weighted(weights, weights[:, None] * scores)
    every_pair = shaffer(p_worse_by(documents, 0.05).max(axis=1).tolist())
    assert shown_within(documents, range(n_columns), 0.05) == pytest.approx(every_pair, abs=1e-7)
