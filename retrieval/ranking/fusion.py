"""Hybrid retrieval: reciprocal-rank fusion of the dense and the BM25 ranking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieval.embedding.vector_cache import Vectors
from retrieval.ranking.bm25 import BM25Index
from retrieval.ranking.hits import Integers, Ranking, Scores, blocks, empty_ranking, top_chunks
from retrieval.ranking.index import DenseIndex

K = 60
# Fused scores of neighbours lie close together, and are sums of two fractions, exact to about 17 decimals.
DECIMALS = 12


def reciprocal_rank_fusion(rankings: Sequence[Integers | Scores], k: int = K) -> Scores:
    """Sum 1 / (k + rank) over rankings.

    Source: Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning
    methods", SIGIR 2009, with their k = 60.

    Args:
        rankings: each of shape (questions, chunks): every chunk's rank, from 1; infinite where it was not retrieved.
        k: the larger, the less the first ranks stand out.
    """
    fused: Scores = np.sum([1.0 / (k + ranks) for ranks in rankings], axis=0)
    return fused


def ranks_of(scores: Scores) -> Integers:
    """Every chunk's rank from 1, ties by chunk id.

    Args:
        scores: shape (questions, chunks); chunks in the order of their ids.
    """
    ranks = np.empty(scores.shape, np.int64)
    ordered = top_chunks(scores, scores.shape[1]).chunks
    np.put_along_axis(ranks, ordered, np.arange(1, scores.shape[1] + 1)[None, :], axis=1)
    return ranks


def rank_fused(dense: DenseIndex, bm25: BM25Index, texts: Sequence[str], vectors: Vectors, depth: int) -> Ranking:
    """Fuse the dense and the BM25 ranking of the same chunks.

    Both rank all chunks, so that the fused ranking is exact and does not depend on the depth asked for: fusing lists
    cut at some depth would treat what one of them ranks just below the cut as if it were not ranked at all. This costs
    time in proportion to the number of chunks; memory is bounded by blocks of questions.

    Args:
        dense: over the same chunks as `bm25`.
        bm25: over the same chunks as `dense`.
        texts: questions in the user's words.
        vectors: shape (questions, dimensions), unit length, float32.
        depth: how many chunks, at least 1; all of them if there are fewer.
    """
    n_chunks = len(dense.chunks)
    ranking = empty_ranking(len(texts), min(depth, n_chunks))
    for some in blocks(np.arange(len(texts)), n_chunks):
        lexical = bm25.scores([texts[at] for at in some])
        # BM25 does not retrieve a chunk that shares no word with the question: only its id would give it a place.
        retrieved = np.where(lexical > 0, ranks_of(lexical), np.inf)
        fused = reciprocal_rank_fusion([ranks_of(dense.scores(vectors[some])), retrieved])
        ranking.chunks[some], ranking.scores[some] = top_chunks(fused, ranking.chunks.shape[1], DECIMALS)
    return ranking
