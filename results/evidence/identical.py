"""Identical text in several places: documents that are the same, and where else a passage stands."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl


def first_of_same_text(documents: pl.DataFrame) -> dict[str, str]:
    """The documents that repeat the whole text of an earlier one.

    Args:
        documents: columns document_id, text.

    Returns:
        The first document of that text, by the id of every later one; a document that repeats none is not in it.
    """
    firsts = documents.select("document_id", first=pl.col("document_id").first().over("text"))
    return dict(firsts.filter(pl.col("document_id") != pl.col("first")).iter_rows())


def occurrences(passage: str, text: str) -> Iterator[int]:
    """Offsets at which a passage stands in a text, character by character the same; they may overlap."""
    at = text.find(passage)
    while at >= 0:
        yield at
        at = text.find(passage, at + 1)
