"""Dense retrieval: exact inner product with FAISS, ties broken by chunk id."""

from __future__ import annotations

import faiss
import numpy as np
import polars as pl

from retrieval.vector_cache import Vectors

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


class DenseIndex:
    """Chunks of one chunking under one embedder.

    Args:
        chunks: frame of schema `CHUNKS`.
        vectors: shape (chunks, dimensions), unit length.
    """

    def __init__(self, chunks: pl.DataFrame, vectors: Vectors) -> None:
        # Identical texts are one entry, so that they tie exactly and are never told apart by rounding.
        self.chunks = chunks.with_row_index("row").with_columns(
            entry=pl.col("text_sha256").rank("dense").cast(pl.Int64) - 1
        )
        firsts = self.chunks.group_by("entry").agg(pl.col("row").min()).sort("entry")
        self._vectors = vectors[firsts["row"].to_numpy()]
        self._members: list[list[str]] = (
            self.chunks.sort("entry", "chunk_id").group_by("entry", maintain_order=True).agg("chunk_id")
        )["chunk_id"].to_list()
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(self._vectors)

    def rank(self, question_ids: list[str], vectors: Vectors, depth: int) -> pl.DataFrame:
        """Rank the chunks for each question once, deep enough for every cut that is made of it.

        Args:
            question_ids: one id a row of `vectors`.
            vectors: shape (questions, dimensions), unit length.
            depth: how many chunks; all of them if there are fewer.

        Returns:
            Frame of schema `HITS`, sorted by question (in the given order) and rank (from 1); score is the cosine.
        """
        depth = min(depth, len(self.chunks))
        name = self.chunks["chunking"][0]
        rows: list[tuple[str, str, int, str, float]] = []
        for question_id, vector in zip(question_ids, vectors, strict=True):
            ranked = self._ranked(vector, depth)
            rows.extend((name, question_id, at, chunk_id, score) for at, (score, chunk_id) in enumerate(ranked, 1))
        return pl.DataFrame(rows, schema=HITS, orient="row")

    def _ranked(self, vector: Vectors, depth: int) -> list[tuple[float, str]]:
        width = min(depth + 16, len(self._vectors))
        while True:
            _, found = self._index.search(vector[None, :], width)
            # Scored again in double precision: the same on every machine, to the decimals that count.
            scores = np.round(self._vectors[found[0]].astype(np.float64) @ vector.astype(np.float64), DECIMALS)
            # A tie may reach beyond what was searched: then search wider, until the last score is below the cut.
            cut = np.sort(scores)[::-1][min(depth, width) - 1]
            if width == len(self._vectors) or scores.min() < cut - 2 * 10**-DECIMALS:
                break
            width = min(2 * width, len(self._vectors))
        candidates = [
            (-float(score), chunk_id)
            for score, entry in zip(scores, found[0], strict=True)
            for chunk_id in self._members[int(entry)]
        ]
        return [(-negative, chunk_id) for negative, chunk_id in sorted(candidates)[:depth]]
