"""Chunks and vectors for the tests of indexes, and the ranking by brute force."""

import tracemalloc

import numpy as np
import polars as pl

from corpora.storage import sha256_text
from retrieval.chunking.chunks import CHUNKS
from retrieval.ranking.hits import DECIMALS


def chunks(ids, texts=None, **columns):
    """Chunks with the columns that an index looks at; distinct texts where none are given."""
    texts = [f"text of {one}" for one in ids] if texts is None else texts
    n = len(ids)
    made = {
        "chunking": ["tokens(size=8,overlap=0)"] * n, "chunk_id": ids, "document_id": ids, "start": [0] * n,
        "end": [1] * n, "n_tokens": [1] * n, "text_sha256": [sha256_text(text) for text in texts],
    }  # fmt: skip
    return pl.DataFrame(made, schema=CHUNKS).with_columns(text=pl.Series(texts, dtype=pl.String()), **columns)


def unit_vectors(n, dimensions, seed):
    drawn = np.random.default_rng(seed).normal(size=(n, dimensions))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def brute_force(ids, vectors, question, depth):
    """Pairs of negative rounded cosine and chunk id, best first."""
    scores = np.round(vectors.astype(np.float64) @ question.astype(np.float64), DECIMALS)
    return sorted(zip(-scores, ids, strict=True))[:depth]


def ids_of(n):
    """Ids whose order is not that of the rows; `n` is no multiple of 7."""
    return [f"d{(7 * number) % n:04d}:0-1" for number in range(n)]


def hits_of(hits, question_id):
    """Chunk ids and scores of one question, by rank."""
    mine = hits.filter(hits["question_id"] == question_id)
    return mine["chunk_id"].to_list(), mine["score"].to_list()


def peak_bytes(work):
    """The most memory that Python and NumPy held while something worked, beyond what they held before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
