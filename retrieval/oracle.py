"""The oracle: the best chunks of the gold documents, as a retriever that knew where the answer is would rank them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from corpora.schema import Question, iter_questions
from retrieval.embedding.vector_cache import Vectors
from retrieval.ranking.hits import HITS

Interval = tuple[int, int]


class GoldChunk(NamedTuple):
    """A chunk of a gold document.

    Attributes:
        chunk_id: its id.
        document_id: its document.
        start: character offset of its first character.
        end: character offset just past its last character.
        score: similarity to the question.
    """

    chunk_id: str
    document_id: str
    start: int
    end: int
    score: float


def rank_oracle(
    questions: pl.DataFrame, chunks: pl.DataFrame, vectors: Vectors, of_questions: Vectors, depth: int
) -> pl.DataFrame:
    """The chunks of each question's gold documents, best first.

    Args:
        questions: the questions of a corpus, one or more.
        chunks: frame of schema `CHUNKS` of one chunking.
        vectors: shape (chunks, dimensions), unit length.
        of_questions: shape (questions, dimensions), unit length.
        depth: how many chunks to return for each question.

    Returns:
        Frame of schema `HITS`; the score is the similarity to the question.
    """
    gold_ids = questions["document_ids"].explode().unique()
    rows = chunks.with_row_index("row").select("document_id", "row", "chunk_id", "start", "end")
    rows = rows.filter(pl.col("document_id").is_in(gold_ids.implode()))
    by_document = rows.partition_by("document_id", as_dict=True)
    name, found = chunks["chunking"][0], []
    for question, vector in zip(iter_questions(questions), of_questions, strict=True):
        gold = _gold_chunks(question, by_document, vectors, vector)
        evidence = [(span.document_id, span.start, span.end) for span in question.evidence]
        for rank, chunk in enumerate(order_chunks(gold, evidence, depth), 1):
            found.append((name, question.id, rank, chunk.chunk_id, chunk.score))
    return pl.DataFrame(found, schema=HITS, orient="row")


def _gold_chunks(
    question: Question, by_document: Mapping[tuple[object, ...], pl.DataFrame], vectors: Vectors, vector: Vectors
) -> list[GoldChunk]:
    gold = []
    for document_id in question.document_ids:
        of_document = by_document.get((document_id,))
        if of_document is not None:
            scores = np.round(vectors[of_document["row"].to_numpy()].astype(np.float64) @ vector.astype(np.float64), 6)
            places = of_document.select("chunk_id", "document_id", "start", "end").with_columns(score=pl.Series(scores))
            gold += [GoldChunk(*place) for place in places.iter_rows()]
    return gold


def order_chunks(chunks: Sequence[GoldChunk], evidence: Sequence[tuple[str, int, int]], depth: int) -> list[GoldChunk]:
    """The chunks in the order in which they help most.

    Greedily, the chunk that shows the most evidence not yet shown comes next. What it shows is measured as a share of
    that evidence, or of the chunk where the evidence is longer, and rounded to tenths, so that among chunks that are
    all evidence the most similar comes first. After the evidence, or without any, the most similar come first; ties go
    by chunk id.

    Args:
        chunks: the chunks of the gold documents.
        evidence: document id, start, end of each span.
        depth: how many chunks to return.
    """
    hidden: dict[str, list[Interval]] = {}
    for document_id, start, end in evidence:
        hidden.setdefault(document_id, []).append((start, end))
    hidden = {document_id: _merged(spans) for document_id, spans in hidden.items()}
    left = sorted(chunks, key=lambda chunk: (-chunk.score, chunk.chunk_id))
    ordered: list[GoldChunk] = []
    while left and len(ordered) < depth:
        gains = [_gain(chunk, hidden) for chunk in left]
        best = max(gains)
        if best == 0:
            break
        chosen = left.pop(gains.index(best))  # of equal gains, the first is the most similar chunk's
        ordered.append(chosen)
        spans = hidden.get(chosen.document_id, [])
        hidden[chosen.document_id] = _without(spans, chosen.start, chosen.end)
    return [*ordered, *left][:depth]


def _gain(chunk: GoldChunk, hidden: dict[str, list[Interval]]) -> float:
    spans = hidden.get(chunk.document_id, [])
    shown = sum(max(0, min(end, chunk.end) - max(start, chunk.start)) for start, end in spans)
    if not shown:
        return 0.0
    left = sum(end - start for of in hidden.values() for start, end in of)
    # A chunk that shows any evidence at all beats one that shows none.
    return max(0.01, round(shown / min(left, chunk.end - chunk.start), 1))


def _merged(spans: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(spans: list[Interval], start: int, end: int) -> list[Interval]:
    kept = []
    for left, right in spans:
        kept += [piece for piece in ((left, min(right, start)), (max(left, end), right)) if piece[0] < piece[1]]
    return kept
