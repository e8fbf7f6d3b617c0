"""The order that a reranker gives to the best chunks of each question."""

from __future__ import annotations

import numpy as np
import polars as pl

from retrieval.ranking.hits import DECIMALS, Scores


def reorder(candidates: pl.DataFrame, scores: Scores, depth: int) -> pl.DataFrame:
    """Put the first `depth` chunks of each question into the order of their new scores, ties by chunk id.

    What a retriever found beyond them follows in the retriever's order, without a score: a budget may hold more chunks
    than a reranker reads.

    Args:
        candidates: hits with question_id, rank, chunk_id and score, sorted by question and rank.
        scores: one for each row of rank 1 to `depth`, in their order.
        depth: how many chunks of a question were scored.

    Returns:
        The same rows and columns with new ranks and scores, sorted by question (as given) and rank.
    """
    is_scored = pl.col("rank") <= depth
    rows = candidates.with_columns(order=pl.col("question_id").rle_id())
    head = rows.filter(is_scored).with_columns(score=pl.Series(np.round(scores, DECIMALS), dtype=pl.Float64))
    head = head.sort("order", "score", "chunk_id", descending=[False, True, False])
    head = head.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("order"))
    tail = rows.filter(~is_scored).with_columns(score=pl.lit(None, pl.Float64))
    return pl.concat([head, tail]).sort("order", "rank").drop("order")
