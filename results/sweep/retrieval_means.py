"""How well each setting retrieves under each cut, over all questions; this does not depend on the reader."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import scipy

from corpora.schema import Corpus
from results.config import ScoringConfig
from results.evidence.all_found import ALL_SCORES, NEEDED
from results.evidence.retrieval_metrics import DOCUMENT_SCORES, SPAN_SCORES
from results.readers.answers import question_facts
from results.settings import CHUNKING, CUT, CUT_SCHEMA, SETTING, SETTING_SCHEMA, name_settings, with_interval
from results.stats.resampling import fixed_law, percentile, resample_means, share_of

COST = "n_context_tokens"
RETRIEVAL_MEANS = pl.Schema(
    {
        **SETTING_SCHEMA,
        **CUT_SCHEMA,
        "setting": pl.String(),
        "n": pl.Int64(),
        "n_spans": pl.Int64(),
        COST: pl.Float64(),
        **with_interval(*DOCUMENT_SCORES, *SPAN_SCORES, *ALL_SCORES),
    }
)
PASSAGES_NEEDED = ("1", "2", "3 or more")
BY_PASSAGES = pl.Schema(
    {
        **SETTING_SCHEMA,
        **CUT_SCHEMA,
        "setting": pl.String(),
        "needed": pl.String(),
        "n": pl.Int64(),
        **with_interval(*ALL_SCORES),
    }
)
SAME_ORDER = pl.Schema(
    {
        "a": pl.String(),
        "b": pl.String(),
        "retriever": pl.String(),
        **CUT_SCHEMA,
        "score": pl.String(),
        "n_chunkings": pl.Int64(),
        "kendall_tau": pl.Float64(),
    }
)
FEWEST_ORDERED = 3  # chunkings: two have only two orders


def mean_retrieval(corpus: Corpus, retrieval: pl.DataFrame, config: ScoringConfig) -> pl.DataFrame:
    """Mean retrieval scores with bootstrap intervals clustered by document; schema `RETRIEVAL_MEANS`.

    Args:
        corpus: gives the clusters.
        retrieval: columns `SETTING`, `CUT`, question_id, n_context_tokens and the retrieval scores; span scores are
            null where a question has no evidence.
        config: confidence, resamples, seed.
    """
    key = [*SETTING, *CUT]
    places = retrieval.select(key).unique().sort(key)
    facts = question_facts(corpus).sort("question_id")
    means = places.join(retrieval.group_by(key).agg(pl.mean(COST)), on=key, how="left", maintain_order="left")
    for scores, count in ((DOCUMENT_SCORES, "n"), (SPAN_SCORES, "n_spans"), (ALL_SCORES, "n")):
        if scores[0] not in retrieval.columns:  # scores of an older version
            continue
        known = retrieval.filter(pl.col(scores[0]).is_not_null())
        asked = facts.join(known, on="question_id", how="semi", maintain_order="left")
        means = means.with_columns(pl.lit(len(asked), dtype=pl.Int64()).alias(count))
        if len(asked):
            means = means.with_columns(*_columns(known, places, asked, scores, config))
    names = name_settings(places)
    means = means.join(names, on=SETTING, how="left", maintain_order="left")
    missing = [pl.lit(None, kind).alias(name) for name, kind in RETRIEVAL_MEANS.items() if name not in means.columns]
    return means.with_columns(missing).select(RETRIEVAL_MEANS.names()).cast(RETRIEVAL_MEANS)


def retrieval_by_passages(corpus: Corpus, retrieval: pl.DataFrame, config: ScoringConfig) -> pl.DataFrame:
    """How often any and all of its passages are found, by how many a question needs; schema `BY_PASSAGES`.

    Args:
        corpus: gives the clusters.
        retrieval: as for `mean_retrieval`.
        config: confidence, resamples, seed.

    Returns:
        A row for each place and number of passages that occurs; none where no question needs more than one.
    """
    parts = [pl.DataFrame(schema=BY_PASSAGES)]
    if not (retrieval[NEEDED] > 1).any():
        return parts[0]
    key = [*SETTING, *CUT]
    places, facts = retrieval.select(key).unique().sort(key), question_facts(corpus).sort("question_id")
    named = places.join(name_settings(places), on=SETTING, how="left", maintain_order="left")
    for number, needed in enumerate(PASSAGES_NEEDED, 1):
        is_so = pl.col(NEEDED) >= number if number == len(PASSAGES_NEEDED) else pl.col(NEEDED) == number
        known = retrieval.filter(is_so)
        asked = facts.join(known, on="question_id", how="semi", maintain_order="left")
        if len(asked):
            found = named.with_columns(needed=pl.lit(needed), n=pl.lit(len(asked), dtype=pl.Int64()))
            found = found.with_columns(*_columns(known, places, asked, ALL_SCORES, config))
            parts.append(found.select(BY_PASSAGES.names()).cast(BY_PASSAGES))
    return pl.concat(parts).sort(*key, "needed")


def _columns(
    known: pl.DataFrame, places: pl.DataFrame, asked: pl.DataFrame, scores: tuple[str, ...], config: ScoringConfig
) -> list[pl.Series]:
    """Each score with the ends of its interval, one row per place; all share the resamples."""
    n_questions, n_places = len(asked), len(places)
    grid = places.join(asked.select("question_id"), how="cross", maintain_order="left_right")
    lined_up = grid.join(known, on=[*SETTING, *CUT, "question_id"], how="left", maintain_order="left")
    # Shape (questions, places * scores).
    values = lined_up.select(scores).to_numpy().reshape(n_places, n_questions, len(scores)).transpose(1, 0, 2)
    law = fixed_law(np.zeros(n_questions, dtype=np.int64), 1, asked["cluster"].to_list())
    means = resample_means(values.reshape(n_questions, 1, -1), law, config.n_resamples, config.seed)
    # A share of questions is often all of them, and percentiles would shrink to a point. Hits are shares, and so is
    # every score that happens to be 0 or 1 on each question, such as recall where one document is gold.
    is_share = np.asarray(np.isin(values, (0.0, 1.0)).all(axis=0))
    found = []
    for at, score in enumerate(scores):
        intervals = [
            (share_of if is_share[place, at] else percentile)(means, place * len(scores) + at, config.confidence)
            for place in range(n_places)
        ]
        for end, position in (("", 0), ("_low", 1), ("_high", 2)):
            found.append(pl.Series(score + end, [interval[position] for interval in intervals], dtype=pl.Float64()))
    return found


def agree_on_settings(means: pl.DataFrame) -> pl.DataFrame:
    """How far two embedders order the chunkings alike, for each retriever and cut that both have; `SAME_ORDER`.

    By Kendall's tau-b: 1 if they order them alike, 0 if they have nothing to do with each other. A fast embedder that
    orders as a slow one does can look through many sizes before the slow one compares the best.

    Args:
        means: schema `RETRIEVAL_MEANS`.
    """
    score = "ndcg" if means["span_recall"].is_null().all() else "span_recall"
    key = [*CHUNKING, "retriever", *CUT]
    one = means.select(*key, a="embedder", of_a=score).drop_nulls("of_a")
    pairs = one.join(one.rename({"a": "b", "of_a": "of_b"}), on=key).filter(pl.col("a") < pl.col("b"))
    rows = []
    for values, of_pair in pairs.group_by("a", "b", "retriever", *CUT, maintain_order=True):
        tau = (
            scipy.stats.kendalltau(of_pair["of_a"], of_pair["of_b"]).statistic
            if len(of_pair) >= FEWEST_ORDERED
            else math.nan
        )
        rows.append((*values, score, len(of_pair), None if math.isnan(tau) else float(tau)))
    return pl.DataFrame(rows, schema=SAME_ORDER, orient="row").sort("a", "b", "retriever", *CUT)
