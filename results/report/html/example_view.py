"""A worst example as its template needs it: the text split wherever a chunk or a piece of evidence begins or ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

MEANING = {
    "retrieval": "Lost by retrieval: right with the best chunks of the gold document, wrong with what was retrieved",
    "chunking": "Lost by chunking: right with the whole document, wrong with its best chunks",
    "retrieval or chunking": "Lost by retrieval or chunking: right with the whole document, wrong with chunks",
    "harmed": "Harmed: right without any context, wrong with what was retrieved",
    "reader": "Lost by the reader: wrong with the whole document too, although its votes agreed",
}


class Segment(NamedTuple):
    """Text within which nothing begins or ends.

    Attributes:
        text: as in the document.
        is_evidence: whether it is marked as evidence.
        ranks: of the chunks that it is part of.
        opens: of the chunks that begin with it.
        closes: of the chunks that end with it.
    """

    text: str
    is_evidence: bool
    ranks: tuple[int, ...]
    opens: tuple[int, ...]
    closes: tuple[int, ...]


class Piece(NamedTuple):
    """A stretch of a document, and how many characters before it are not shown."""

    skipped: int
    segments: list[Segment]


class ShownDocument(NamedTuple):
    """A document of an example; `rest` is how many characters after the last piece are not shown."""

    document_id: str
    is_gold: bool
    length: int
    pieces: list[Piece]
    rest: int
    chunks: list[tuple[int, str, str]]


def view_document(document: Mapping[str, Any]) -> ShownDocument:
    """A row of the examples' documents, its pieces split into segments."""
    pieces, at = [], 0
    for piece in document["pieces"]:
        segments = split_segments(piece["text"], piece["start"], document["evidence"], document["chunks"])
        pieces.append(Piece(piece["start"] - at, segments))
        at = piece["end"]
    chunks = [
        (one["rank"], f"characters {one['start']} to {one['end']}, score {one['score']:.3f}", _shown(one, document))
        for one in document["chunks"]
    ]
    return ShownDocument(
        document["document_id"], document["is_gold"], document["length"], pieces, document["length"] - at, chunks
    )


def _shown(chunk: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    parts = ((max(piece["start"], chunk["start"]), min(piece["end"], chunk["end"])) for piece in document["pieces"])
    n_shown = sum(max(0, end - start) for start, end in parts)
    length = chunk["end"] - chunk["start"]
    return "" if n_shown == length else f"{n_shown} of its {length} characters are shown"


def split_segments(
    text: str, start: int, evidence: Sequence[Mapping[str, Any]], chunks: Sequence[Mapping[str, Any]]
) -> list[Segment]:
    """Split a stretch of a document at every boundary within it.

    Args:
        text: of the stretch.
        start: its offset in the document.
        evidence: `start` and `end` of each span, offsets into the document.
        chunks: the same with `rank`.

    Returns:
        Segments whose texts join to `text`. A chunk that began before the stretch is not opened in it, and one that
        ends after it is not closed.
    """
    end = start + len(text)
    marks = {start, end} | {place for one in (*evidence, *chunks) for place in (one["start"], one["end"])}
    places = sorted(place for place in marks if start <= place <= end)
    segments = []
    for a, b in pairwise(places):
        inside = [chunk for chunk in chunks if chunk["start"] <= a and b <= chunk["end"]]
        segments.append(
            Segment(
                text[a - start : b - start],
                any(span["start"] <= a and b <= span["end"] for span in evidence),
                tuple(chunk["rank"] for chunk in inside),
                tuple(chunk["rank"] for chunk in inside if chunk["start"] == a),
                tuple(chunk["rank"] for chunk in inside if chunk["end"] == b),
            )
        )
    return segments


class ShownExample(NamedTuple):
    """An example: its row, what its kind means, and its documents."""

    row: Mapping[str, Any]
    meaning: str
    documents: list[ShownDocument]


def view_example(row: Mapping[str, Any]) -> ShownExample:
    """A row of schema `EXAMPLES` as its template needs it."""
    return ShownExample(row, MEANING[row["kind"]], [view_document(document) for document in row["documents"]])
