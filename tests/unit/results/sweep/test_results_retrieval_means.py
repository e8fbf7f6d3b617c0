import numpy as np
import polars as pl
import pytest
from scipy.stats import bootstrap, norm
from scipy.stats import t as student

from results.config import ScoringConfig
from results.evidence.retrieval_metrics import DOCUMENT_SCORES, SPAN_SCORES
from results.stats.resampling import share_interval
from results.sweep.retrieval_means import RETRIEVAL_MEANS, agree_on_settings, mean_retrieval
from tests.doubles.judged_by_hand import questions_by_hand

N = 60
CONFIG = ScoringConfig(answers="drawn", n_resamples=4000)
RNG = np.random.default_rng(3)


def rows_of(size: int, scores: np.ndarray, spans: np.ndarray | None = None, cut: str = "k", **place) -> pl.DataFrame:
    """All document scores of question n are `scores[n]`, all span scores `spans[n]`, NaN for no evidence."""
    n = len(scores)
    columns = {"splitter": "tokens", "size": size, "overlap": 0, "embedder": "e", "retriever": "dense"}
    columns |= {"cut": cut, "amount": 3, "n_context_tokens": np.arange(n) + size} | place
    spans = np.full(n, np.nan) if spans is None else spans
    columns |= {"question_id": [f"q{number:03d}" for number in range(n)]}
    columns |= {name: scores for name in DOCUMENT_SCORES} | {name: spans for name in SPAN_SCORES}
    return pl.DataFrame(columns).with_columns(pl.col(SPAN_SCORES).fill_nan(None))


def means(*parts: pl.DataFrame, per_document: int = 1, n: int = N) -> pl.DataFrame:
    # Rows in any order belong to their question.
    retrieval = pl.concat(parts).sample(fraction=1, shuffle=True, seed=1)
    return mean_retrieval(questions_by_hand(n, per_document), retrieval, CONFIG)


def test_every_place_has_its_own_means():
    low, high = np.linspace(0, 0.5, N), np.linspace(0.5, 1, N)
    found = means(rows_of(64, low), rows_of(64, high, cut="budget"), rows_of(128, high))
    assert found.schema == RETRIEVAL_MEANS
    key = found.select("size", "cut", "setting").rows()
    assert key == [
        (64, "budget", "tokens(size=64,overlap=0)"),
        (64, "k", "tokens(size=64,overlap=0)"),
        (128, "k", "tokens(size=128,overlap=0)"),
    ]
    assert found["ndcg"].to_list() == pytest.approx([0.75, 0.25, 0.75])
    assert found["n_context_tokens"].to_list() == pytest.approx([64 + 29.5, 64 + 29.5, 128 + 29.5])
    assert found["n"].to_list() == [N] * 3


def test_settings_are_told_apart_by_what_varies():
    found = means(rows_of(64, np.ones(N)), rows_of(64, np.zeros(N), retriever="bm25"))
    assert found["setting"].to_list() == ["tokens(size=64,overlap=0) bm25", "tokens(size=64,overlap=0) dense"]
    assert found["recall"].to_list() == [0, 1]


def test_the_interval_of_a_mean_is_scipys_at_students_quantile():
    scores = RNG.random(N)
    row = means(rows_of(64, scores)).row(0, named=True)
    inside = 2 * norm.cdf(student.ppf(0.975, N - 1) * np.sqrt(N / (N - 1))) - 1
    reference = bootstrap(
        (scores,),
        np.mean,
        confidence_level=inside,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (row["ndcg_low"], row["ndcg_high"]) == pytest.approx(tuple(reference), abs=0.006)


@pytest.mark.parametrize("score", ["hit", "recall", "ndcg"])
def test_what_is_0_or_1_of_each_question_has_the_interval_of_a_share(score):
    all_found = means(rows_of(64, np.ones(N))).row(0, named=True)
    assert (all_found[score], all_found[f"{score}_high"]) == (1, 1)
    assert all_found[f"{score}_low"] == pytest.approx(share_interval(1.0, N, N, 0.95).low)
    assert all_found[f"{score}_low"] < 0.95


def test_a_place_with_fractions_keeps_the_interval_of_a_mean_beside_one_that_has_none():
    fractions = means(rows_of(64, np.linspace(0, 1, N)), rows_of(128, np.ones(N)))
    alone = means(rows_of(64, np.linspace(0, 1, N)))
    assert fractions.row(0, named=True)["recall_low"] == pytest.approx(alone["recall_low"][0])
    assert fractions.row(1, named=True)["recall_low"] < 0.95


def test_questions_of_a_document_are_resampled_together():
    scores = np.repeat(RNG.random(N // 3) < 0.5, 3).astype(float)
    alone, together = (means(rows_of(64, scores), per_document=size).row(0, named=True) for size in (1, 3))
    width = [row["ndcg_high"] - row["ndcg_low"] for row in (alone, together)]
    assert width[1] / width[0] == pytest.approx(np.sqrt(3), rel=0.1)


def test_span_scores_count_the_questions_with_evidence():
    spans = np.where(np.arange(N) < 20, np.arange(N) / 20, np.nan)
    row = means(rows_of(64, np.ones(N), spans)).row(0, named=True)
    assert (row["n"], row["n_spans"]) == (N, 20)
    assert row["span_recall"] == pytest.approx(np.nanmean(spans))
    assert row["span_recall_low"] < row["span_recall"] < row["span_recall_high"]


def test_without_evidence_there_are_no_span_scores():
    row = means(rows_of(64, np.ones(N))).row(0, named=True)
    assert (row["n_spans"], row["span_recall"], row["span_iou_low"]) == (0, None, None)


def test_one_document_says_nothing_about_any_mean():
    (row,) = means(rows_of(64, np.linspace(0.2, 0.8, 5)), per_document=5, n=5).iter_rows(named=True)
    assert (row["ndcg"], row["ndcg_low"], row["ndcg_high"]) == (pytest.approx(0.5), 0, 1)


def test_embedders_that_order_the_sizes_alike_are_said_to():
    frames = []
    for embedder, scores in (("a", [0.1, 0.2, 0.3, 0.4]), ("b", [0.5, 0.6, 0.7, 0.8]), ("c", [0.4, 0.3, 0.2, 0.1])):
        for size, score in zip((16, 32, 64, 128), scores, strict=True):
            frames.append({"splitter": "tokens", "size": size, "overlap": 0, "embedder": embedder,
                           "retriever": "dense", "cut": "k", "amount": 1, "ndcg": score})  # fmt: skip
    means = pl.DataFrame(frames).with_columns(
        pl.lit(None, kind).alias(name) for name, kind in RETRIEVAL_MEANS.items() if name not in frames[0]
    )
    found = agree_on_settings(means)
    assert found.select("a", "b", "n_chunkings", "kendall_tau").rows() == [
        ("a", "b", 4, 1.0), ("a", "c", 4, -1.0), ("b", "c", 4, -1.0),
    ]  # fmt: skip
    assert found["score"].unique().to_list() == ["ndcg"]
    two = agree_on_settings(means.filter(pl.col("size") < 64))
    assert two["kendall_tau"].to_list() == [None] * 3
