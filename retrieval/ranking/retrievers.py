"""The retrievers by name, over the same chunks; each index is built once, when it is first needed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import polars as pl

from retrieval.embedding.vector_cache import Vectors
from retrieval.ranking.approximate import DEFAULT_HNSW, HNSW, ApproximateIndex, recall_against_exact
from retrieval.ranking.bm25 import BM25Index
from retrieval.ranking.fusion import rank_fused
from retrieval.ranking.hits import Ranking, Scores, ranking_hits
from retrieval.ranking.index import DenseIndex

Retriever = Literal["dense", "bm25", "hybrid", "approximate"]


class Questions(NamedTuple):
    """The questions for which chunks are retrieved.

    Attributes:
        ids: one per question.
        texts: one per question, in the user's words.
        vectors: shape (questions, dimensions), unit length, float32; None if only `bm25` is used.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    vectors: Vectors | None = None

    def blocks(self, most: int) -> Iterator[Questions]:
        """The questions in blocks of about equal size: for very few, FAISS sums differ in the last digit.

        Args:
            most: maximum questions per block.
        """
        n_blocks = max(1, math.ceil(len(self.ids) / most))
        ends = [len(self.ids) * at // n_blocks for at in range(n_blocks + 1)]
        for start, end in pairwise(ends):
            vectors = None if self.vectors is None else self.vectors[start:end]
            yield Questions(self.ids[start:end], self.texts[start:end], vectors)

    def only(self, ids: Collection[str]) -> Questions:
        """Those of the questions that have these ids."""
        at = [place for place, one in enumerate(self.ids) if one in ids]
        vectors = None if self.vectors is None else self.vectors[at]
        return Questions([self.ids[place] for place in at], [self.texts[place] for place in at], vectors)


class Ranked(NamedTuple):
    """What a retriever found.

    Attributes:
        hits: frame of schema `HITS`, sorted by question (in the given order) and rank (from 1).
        recall_against_exact: shape (questions,); for `approximate`, at the full depth; None for the others.
    """

    hits: pl.DataFrame
    recall_against_exact: Scores | None = None


class Rankers:
    """Every retriever over the chunks of one chunking.

    Args:
        chunks: frame of schema `CHUNKS` with texts; `embedding_key` may say which chunks have the same vector; without
            it, those with the same text do.
        vectors: shape (chunks, dimensions), unit length, float32; None if only `bm25` is used.
        hnsw: parameters of the approximate index.
    """

    def __init__(self, chunks: pl.DataFrame, vectors: Vectors | None = None, hnsw: HNSW = DEFAULT_HNSW) -> None:
        self._chunks, self._vectors, self._hnsw = chunks, vectors, hnsw
        self._by_id = chunks.select("chunking", "chunk_id").sort("chunk_id")

    def rank(self, retriever: Retriever, questions: Questions, depth: int) -> Ranked:
        """Rank the chunks for each question once, deep enough for every cut that is made from it.

        Args:
            retriever: its name.
            questions: with vectors, unless the retriever is `bm25`.
            depth: how many chunks, at least 1; all of them if there are fewer.

        Raises:
            ValueError: the retriever needs vectors and there are none.
        """
        if retriever == "approximate":
            vectors = _needed(questions.vectors)
            found, exact = self._approximate.top(vectors, depth), self._dense.top(vectors, depth)
            return Ranked(ranking_hits(found, questions.ids, self._by_id), recall_against_exact(found, exact))
        return Ranked(ranking_hits(self._top(retriever, questions, depth), questions.ids, self._by_id))

    def _top(self, retriever: Literal["dense", "bm25", "hybrid"], questions: Questions, depth: int) -> Ranking:
        if retriever == "bm25":
            return self._bm25.top(questions.texts, depth)
        vectors = _needed(questions.vectors)
        if retriever == "hybrid":
            return rank_fused(self._dense, self._bm25, questions.texts, vectors, depth)
        return self._dense.top(vectors, depth)

    @cached_property
    def _dense(self) -> DenseIndex:
        return DenseIndex(self._chunks, _needed(self._vectors))

    @cached_property
    def _bm25(self) -> BM25Index:
        return BM25Index(self._chunks)

    @cached_property
    def _approximate(self) -> ApproximateIndex:
        return ApproximateIndex(self._dense, self._hnsw)


def _needed(vectors: Vectors | None) -> Vectors:
    if vectors is None:
        raise ValueError("dense, hybrid and approximate retrieval need the vectors of the chunks and of the questions")
    return vectors
