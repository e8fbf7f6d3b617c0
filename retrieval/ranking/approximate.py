"""Approximate dense retrieval: a FAISS graph index, with its recall against the exact ranking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import faiss
import numpy as np

from retrieval.embedding.vector_cache import Vectors
from retrieval.ranking.hits import Ranking, Scores
from retrieval.ranking.index import DenseIndex


class HNSW(NamedTuple):
    """Parameters of a hierarchical navigable small world graph; larger values find more and take longer.

    Attributes:
        m: neighbours of a node (twice as many in the bottom layer).
        ef_construction: candidates kept while a node is inserted.
        ef_search: candidates kept while a question is searched; FAISS keeps at least the depth.
    """

    m: int = 32
    ef_construction: int = 200
    ef_search: int = 64


DEFAULT_HNSW = HNSW()


class ApproximateIndex:
    """The entries of a dense index in an HNSW graph (Malkov and Yashunin 2018).

    The graph is built in one thread, from entries in the order of their keys: FAISS does not promise the same graph
    when several threads insert. On another kind of processor it may still differ, since sums are rounded differently.

    Args:
        exact: the index whose entries are searched.
        parameters: the graph's parameters.
    """

    def __init__(self, exact: DenseIndex, parameters: HNSW = DEFAULT_HNSW) -> None:
        self._exact = exact
        self._graph = faiss.IndexHNSWFlat(exact.vectors.shape[1], parameters.m, faiss.METRIC_INNER_PRODUCT)
        self._graph.hnsw.efConstruction = parameters.ef_construction
        self._graph.hnsw.efSearch = parameters.ef_search
        with _one_thread():
            self._graph.add(exact.vectors[exact.by_key])

    def top(self, vectors: Vectors, depth: int) -> Ranking:
        """Rank what the graph finds for each question; scores are exact, ties among what is found are broken by id.

        A question for which the graph finds too few is ranked exactly, so that every ranking reaches the depth.

        Args:
            vectors: shape (questions, dimensions), unit length, float32.
            depth: how many chunks, at least 1; all of them if there are fewer.
        """
        depth = min(depth, len(self._exact.chunks))
        _, found = self._graph.search(vectors, min(depth, len(self._exact.by_key)))
        short = (found < 0).any(axis=1)
        ranking = self._exact.rank_found(vectors, self._exact.by_key[np.maximum(found, 0)], depth)
        ranking.chunks[short], ranking.scores[short] = self._exact.top(vectors[short], depth)
        return ranking


def recall_against_exact(approximate: Ranking, exact: Ranking) -> Scores:
    """The share of the exact ranking's places that the approximate one fills with equally good chunks.

    A found chunk counts if its score reaches the last score of the exact ranking: among ties, any will do.

    Args:
        approximate: ranking of some questions at some depth, with exact scores.
        exact: ranking of the same questions at the same depth.

    Returns:
        Shape (questions,), from 0 to 1.
    """
    recall: Scores = (approximate.scores >= exact.scores[:, -1:]).mean(axis=1)
    return recall


@contextmanager
def _one_thread() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
