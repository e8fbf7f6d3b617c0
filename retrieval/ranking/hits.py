"""Rankings: the best chunks of each question, with one rule for ties, whatever retriever scored them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

HITS = pl.Schema(
    {
        "chunking": pl.String(),
        "question_id": pl.String(),
        "rank": pl.Int32(),
        "chunk_id": pl.String(),
        "score": pl.Float64(),
    }
)
# Scores that agree to this many decimals are ties: below that, they depend on how the sums were ordered.
DECIMALS = 6
# Numbers held at once for a block of questions, which bounds memory: 16 MiB per array.
BLOCK = 2**21

Integers = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


class Ranking(NamedTuple):
    """The best chunks of some questions, best first; ties are in the order of the chunk ids.

    Attributes:
        chunks: shape (questions, depth); chunks by number, counted from 0 in the order of their ids.
        scores: shape (questions, depth); rounded, never increasing along a row.
    """

    chunks: Integers
    scores: Scores


def empty_ranking(n_questions: int, depth: int) -> Ranking:
    """A ranking to be filled in block by block."""
    return Ranking(np.empty((n_questions, depth), np.int64), np.empty((n_questions, depth), np.float64))


def blocks(questions: Integers, numbers_a_question: int) -> Iterator[Integers]:
    """Questions in blocks of at most `BLOCK` numbers, and of at least one question."""
    size = max(1, BLOCK // max(1, numbers_a_question))
    for at in range(0, len(questions), size):
        yield questions[at : at + size]


def sort_keys(scores: Scores, chunks: Integers, n_chunks: int, decimals: int = DECIMALS) -> Integers:
    """Integers that sort as the ranking does: by rounded score, best first, then by chunk number.

    One integer holds both, so that a partial sort settles ties exactly.

    Args:
        scores: any shape.
        chunks: chunk numbers, of a shape that broadcasts with `scores`.
        n_chunks: how many chunks there are.
        decimals: how many decimals scores are rounded to.
    """
    keys: Integers = -np.rint(scores * 10.0**decimals).astype(np.int64) * n_chunks + chunks
    return keys


def read_keys(keys: Integers, n_chunks: int, decimals: int = DECIMALS) -> Ranking:
    """The chunk numbers and the rounded scores that `sort_keys` combined."""
    return Ranking(keys % n_chunks, 0.0 - keys // n_chunks / 10.0**decimals)


def first_keys(keys: Integers, depth: int) -> Integers:
    """The smallest keys of each row, sorted.

    Args:
        keys: shape (questions, at least depth); reordered in place.
        depth: how many.
    """
    if depth < keys.shape[1]:
        keys.partition(depth - 1, axis=1)
    return np.sort(keys[:, :depth], axis=1)


def top_chunks(scores: Scores, depth: int, decimals: int = DECIMALS) -> Ranking:
    """Rank all chunks by their scores.

    Args:
        scores: shape (questions, chunks); chunks in the order of their ids.
        depth: how many are kept, at most all.
        decimals: how many decimals scores are rounded to.
    """
    n_chunks = scores.shape[1]
    return read_keys(first_keys(sort_keys(scores, np.arange(n_chunks), n_chunks, decimals), depth), n_chunks, decimals)


def ranking_hits(ranking: Ranking, question_ids: Sequence[str], chunks: pl.DataFrame) -> pl.DataFrame:
    """A ranking as a table.

    Args:
        ranking: one row per question.
        question_ids: one id per row of the ranking.
        chunks: chunks of one chunking, sorted by chunk_id.

    Returns:
        Frame of schema `HITS`, sorted by question (in the given order) and rank (from 1).
    """
    n_questions, depth = ranking.chunks.shape
    repeated = np.repeat(np.arange(len(question_ids)), depth)
    columns = {
        "chunking": pl.repeat(chunks["chunking"][0], n_questions * depth, dtype=pl.String(), eager=True),
        "question_id": pl.Series(question_ids, dtype=pl.String()).gather(repeated),
        "rank": np.tile(np.arange(1, depth + 1), n_questions),
        "chunk_id": chunks["chunk_id"].gather(ranking.chunks.ravel()),
        "score": ranking.scores.ravel(),
    }
    return pl.DataFrame(columns).cast(HITS)
