"""Dense retrieval: exact inner product with FAISS, ties broken by chunk id."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np
import numpy.typing as npt
import polars as pl

from retrieval.embedding.vector_cache import Vectors
from retrieval.ranking.hits import (
    DECIMALS,
    Integers,
    Ranking,
    Scores,
    blocks,
    empty_ranking,
    first_keys,
    ranking_hits,
    read_keys,
    sort_keys,
    top_chunks,
)

SPARE = 16  # entries searched beyond the depth, so that a short tie at the cut needs no second search
SHARE = 32  # to find more than one entry in this many, all are scored: one matrix product is then faster
TILE = 4096  # entries whose vectors are held in double precision at once
MOSTLY = 0.9  # share of distinct vectors from which on it is cheaper to search all than to copy these


class DenseIndex:
    """Chunks of one chunking under one embedder.

    Args:
        chunks: frame of schema `CHUNKS`. Chunks with the same `embedding_key` (if there is such a column, else the
            same `text_sha256`) have the same vector.
        vectors: shape (chunks, dimensions), unit length, float32.

    Attributes:
        chunks: chunking and chunk_id, sorted by chunk_id; rankings number the chunks in this order.
        vectors: shape (rows, dimensions). Where all or nearly all of the given vectors are distinct, the given ones
            themselves: they are copied neither here nor for FAISS. Else each distinct vector once, in the given order.
        by_key: shape (entries,); for each distinct vector the first of its rows in `vectors`, in the order of the keys,
            which does not depend on that of the rows.
    """

    def __init__(self, chunks: pl.DataFrame, vectors: Vectors) -> None:
        order = chunks["chunk_id"].arg_sort().to_numpy()
        self.chunks = chunks.select("chunking", "chunk_id")[order]
        # Chunks that share a vector are one entry, so that they tie exactly and rounding never separates them.
        key = "embedding_key" if "embedding_key" in chunks.columns else "text_sha256"
        keys = chunks[key].rank("dense").to_numpy().astype(np.int64) - 1
        _, firsts = np.unique(keys, return_index=True)
        self._entry_of_row: Integers | None = None  # where rows share an entry
        if len(firsts) < MOSTLY * len(vectors):
            rows = np.sort(firsts)
            vectors, firsts = vectors[rows], np.searchsorted(rows, firsts)
        elif len(firsts) < len(vectors):
            self._entry_of_row = firsts[keys]
        self.vectors: Vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self.by_key: Integers = np.asarray(firsts, dtype=np.int64)
        entries = self.by_key[keys[order]]
        self._entries, self._counts = entries, np.bincount(entries, minlength=len(self.vectors))
        self._members = np.argsort(entries, kind="stable")  # chunks by entry, and by id within
        self._starts = np.cumsum(self._counts) - self._counts

    def rank(self, question_ids: Sequence[str], vectors: Vectors, depth: int) -> pl.DataFrame:
        """Rank the chunks for each question once, deep enough for every cut that is made from it.

        Args:
            question_ids: one id per row of `vectors`.
            vectors: shape (questions, dimensions), unit length, float32.
            depth: how many chunks, at least 1; all of them if there are fewer.

        Returns:
            Frame of schema `HITS`, sorted by question (in the given order) and rank (from 1); score is the cosine.
        """
        return ranking_hits(self.top(vectors, depth), question_ids, self.chunks)

    def top(self, vectors: Vectors, depth: int) -> Ranking:
        """As `rank`, by number; only questions whose tie extends beyond what was searched are searched further."""
        depth = min(depth, len(self.chunks))
        ranking = empty_ranking(len(vectors), depth)
        waiting, width = np.arange(len(vectors)), depth + SPARE
        while len(waiting) and SHARE * width < len(self.vectors):
            unsettled = [waiting[:0]]
            for some in blocks(waiting, self._most_members(width, depth)):
                found = self._search(vectors[some], width)
                (ranking.chunks[some], ranking.scores[some]), settled = self._settle(vectors[some], found, depth)
                unsettled.append(some[~settled])
            waiting, width = np.concatenate(unsettled), 4 * width
        for some in blocks(waiting, len(self.chunks)):
            ranking.chunks[some], ranking.scores[some] = top_chunks(self.scores(vectors[some]), depth)
        return ranking

    def scores(self, vectors: Vectors) -> Scores:
        """The cosine of every question and chunk: shape (questions, chunks), chunks in the order of their ids."""
        doubles = vectors.astype(np.float64)
        scores = np.empty((len(vectors), len(self.vectors)))
        for at in range(0, len(self.vectors), TILE):
            scores[:, at : at + TILE] = doubles @ self.vectors[at : at + TILE].astype(np.float64).T
        return scores[:, self._entries]

    def rank_found(self, vectors: Vectors, found: Integers, depth: int) -> Ranking:
        """Rank the chunks of the entries that a search found.

        Args:
            vectors: shape (questions, dimensions).
            found: shape (questions, width); entries as in `by_key`, at least `depth` or all of them. One that is found
                again counts once.
            depth: how many chunks, at most all.
        """
        ranking = empty_ranking(len(vectors), depth)
        for some in blocks(np.arange(len(vectors)), self._most_members(found.shape[1], depth)):
            scores = self._rescore(vectors[some], found[some])
            ranking.chunks[some], ranking.scores[some] = self._rank_scored(scores, found[some], depth)
        return ranking

    def _search(self, vectors: Vectors, width: int) -> Integers:
        """The entries that FAISS finds, as an exact index does, but without a copy of all vectors in one.

        An entry is found as often as rows of it are.
        """
        _, found = faiss.knn(vectors, self.vectors, width, metric=faiss.METRIC_INNER_PRODUCT)
        found = np.asarray(found, dtype=np.int64)
        return found if self._entry_of_row is None else self._entry_of_row[found]

    def _settle(self, vectors: Vectors, found: Integers, depth: int) -> tuple[Ranking, npt.NDArray[np.bool_]]:
        scores = self._rescore(vectors, found)
        ranking = self._rank_scored(scores, found, depth)
        # Settled if what was found reaches below the cut: what was not found scores lower still.
        return ranking, scores.min(axis=1) < ranking.scores[:, -1] - 2 * 10**-DECIMALS

    def _rescore(self, vectors: Vectors, found: Integers) -> Scores:
        """Scores in double precision: the same on every machine, to the decimals that count."""
        scores = np.empty(found.shape)
        for some in blocks(np.arange(len(found)), found.shape[1] * self.vectors.shape[1]):
            doubles = self.vectors[found[some]].astype(np.float64)
            scores[some] = (doubles @ vectors[some].astype(np.float64)[:, :, None])[:, :, 0]
        return scores

    def _rank_scored(self, scores: Scores, found: Integers, depth: int) -> Ranking:
        """Rank the chunks of scored entries; of one entry's chunks only the first `depth` by id can matter."""
        n_taken = np.minimum(self._counts[found], depth)
        if self._entry_of_row is not None:
            n_taken[_again(found)] = 0
        n_chunks = n_taken.sum(axis=1)
        flat = n_taken.ravel()
        within = np.arange(flat.sum()) - np.repeat(np.cumsum(flat) - flat, flat)
        chunks = self._members[np.repeat(self._starts[found].ravel(), flat) + within]
        filled = np.arange(n_chunks.max(initial=0)) < n_chunks[:, None]
        keys = np.full(filled.shape, np.iinfo(np.int64).max)
        keys[filled] = sort_keys(np.repeat(scores.ravel(), flat), chunks, len(self.chunks))
        return read_keys(first_keys(keys, depth), len(self.chunks))

    def _most_members(self, width: int, depth: int) -> int:
        """The most chunks that `width` entries can have, counting at most `depth` of each."""
        counts = np.minimum(self._counts, depth)
        return int(np.partition(counts, len(counts) - width)[-width:].sum())


def _again(found: Integers) -> npt.NDArray[np.bool_]:
    """Which numbers of each row have stood in it before."""
    order = np.argsort(found, axis=1, kind="stable")
    sorted_ = np.take_along_axis(found, order, axis=1)
    again = np.zeros(found.shape, dtype=np.bool_)
    np.put_along_axis(again, order[:, 1:], sorted_[:, 1:] == sorted_[:, :-1], axis=1)
    return again
