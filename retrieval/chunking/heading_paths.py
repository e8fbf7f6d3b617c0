"""The path of headings that stands over a chunk, put before its text for embedding alone.

The chunk stays an exact slice of its document: readers and BM25 see it alone, and it alone counts against a budget.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from corpora.reading.headings import headings
from corpora.schema import Document, Section, iter_documents
from corpora.shaping.stitch import parts_of
from corpora.storage import sha256_text

HEADED = pl.Schema({"heading_path": pl.String(), "n_left_out": pl.Int32(), "embedded": pl.String()})
HEADING_PATHS = pl.Schema(
    {
        "embedder": pl.String(),
        "chunking": pl.String(),
        "chunk_id": pl.String(),
        "heading_path": pl.String(),
        "n_left_out": pl.Int32(),
        "embedded_sha256": pl.String(),
    }
)
BETWEEN, AFTER = " > ", "\n\n"
_NO_HEADING = re.compile(r"title|page \d+")  # names that sources give to parts which have no heading of their own
_MARKS = "#*_ \t\r\n"

Count = Callable[[Sequence[str]], list[int]]


class Headed(NamedTuple):
    """A chunk with its headings.

    Attributes:
        path: the headings that are put before it, as in `Gates > Opening hours`; empty without any.
        n_left_out: outer headings that are left out, because the embedder would not read the whole of it.
        text: what is embedded.
    """

    path: str
    n_left_out: int
    text: str


def add_heading_paths(documents: pl.DataFrame, chunks: pl.DataFrame, count: Count, limit: int) -> pl.DataFrame:
    """Put its headings before each chunk.

    Headings are the sections of a document, where it has any, else the headings of its text in Markdown.

    Args:
        documents: frame of schema `DOCUMENTS`.
        chunks: frame of schema `CHUNKS` with texts.
        count: gives the embedder's tokens of each text, all that it reads included.
        limit: how many it reads.

    Returns:
        The chunks with the columns `HEADED`. Where a chunk with its headings is longer than the limit, as many of the
        outer headings are left out as it takes; the chunk itself is never cut.
    """
    outlines = _outlines(documents, set(chunks["document_id"]))
    places = chunks.select("document_id", "start", "text").rows()
    titles = [titles_over(outlines[document_id], start, text) for document_id, start, text in places]
    found = put_before(titles, [text for *_, text in places], count, limit)
    return chunks.hstack(pl.DataFrame(found, schema=HEADED, orient="row"))


def recorded_paths(chunks: pl.DataFrame) -> pl.DataFrame:
    """What a run keeps of the chunks that `add_heading_paths` made: schema `HEADING_PATHS`."""
    digests = [sha256_text(text) for text in chunks["embedded"]]
    return chunks.with_columns(embedded_sha256=pl.Series(digests, dtype=pl.String)).select(HEADING_PATHS.names())


def titles_over(outline: Sequence[Section], start: int, chunk: str) -> list[str]:
    """The headings over a chunk, the outermost first; not the one that the chunk itself begins with.

    Args:
        outline: headings, in the order in which they begin.
        start: where the chunk begins in its document.
        chunk: its text.
    """
    before = outline[: bisect_right(outline, start, key=lambda one: one.start)]
    over = [one for one in before if start < one.end]
    first_line = chunk.lstrip(_MARKS)
    return [one.name for one in over if one.start < start or not first_line.startswith(one.name)]


def put_before(titles: Sequence[Sequence[str]], texts: Sequence[str], count: Count, limit: int) -> list[Headed]:
    """Put headings before texts; where that is too long, outer ones are left out.

    Args:
        titles: of each text, the outermost heading first.
        texts: one or more.
        count: as for `add_heading_paths`.
        limit: as there.
    """
    found = [_headed(mine, 0, text) for mine, text in zip(titles, texts, strict=True)]
    waiting = [at for at, mine in enumerate(titles) if mine]
    while waiting:
        lengths = count([found[at].text for at in waiting])
        waiting = [at for at, length in zip(waiting, lengths, strict=True) if length > limit]
        for at in waiting:
            found[at] = _headed(titles[at], found[at].n_left_out + 1, texts[at])
        waiting = [at for at in waiting if found[at].path]
    return found


def _headed(titles: Sequence[str], n_left_out: int, text: str) -> Headed:
    path = BETWEEN.join(titles[n_left_out:])
    return Headed(path, n_left_out, f"{path}{AFTER}{text}" if path else text)


def _outlines(documents: pl.DataFrame, ids: set[str]) -> Mapping[str, list[Section]]:
    return {
        one.id: sorted(_outline(one), key=lambda section: (section.start, -section.end))
        for one in iter_documents(documents)
        if one.id in ids
    }


def _outline(document: Document) -> Iterator[Section]:
    """The headings of a document; of joined ones, those of each, without the id that names its part."""
    for place, sections in parts_of(document):
        if sections:
            yield from (one for one in sections if one.name.strip() and not _NO_HEADING.fullmatch(one.name))
        else:
            found = headings(document.text[place.start : place.end])
            yield from (
                Section(one.title, place.start + one.start, place.start + one.end) for one in found if one.title
            )
