"""Whether two embeddings of the same texts rank alike: what a less exact, faster arithmetic changes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from retrieval.embedding.vector_cache import Vectors
from retrieval.ranking.hits import top_chunks


class Embedded(NamedTuple):
    """Questions and chunks as one embedder sees them; each of shape (texts, dimensions), unit length."""

    questions: Vectors
    chunks: Vectors


class Agreement(NamedTuple):
    """How far two rankings of the same chunks agree.

    Attributes:
        k: how many of the best chunks of each question were compared.
        overlap: mean share of the best k chunks that are among the best k of the other ranking too.
        largest_change: of the score of any question and chunk.
    """

    k: int
    overlap: float
    largest_change: float


def agreement(exact: Embedded, other: Embedded, k: int) -> Agreement:
    """Compare two embeddings of the same questions and chunks.

    Args:
        exact: the reference.
        other: the same texts in the same order.
        k: how many of the best chunks are compared; all of them if there are fewer.
    """
    scores = [one.questions.astype(np.float64) @ one.chunks.astype(np.float64).T for one in (exact, other)]
    k = min(k, len(exact.chunks))
    best, found = (top_chunks(one, k).chunks for one in scores)
    overlaps = [len(set(a) & set(b)) / k for a, b in zip(best.tolist(), found.tolist(), strict=True)]
    return Agreement(k, float(np.mean(overlaps)), float(np.abs(scores[0] - scores[1]).max()))
