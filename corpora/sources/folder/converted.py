"""What a file becomes: its text, where its pages and headings are, and how its bytes were read."""

from __future__ import annotations

from typing import NamedTuple

from corpora.errors import InputError
from corpora.reading.headings import headings
from corpora.schema import Section

UTF_8 = "utf-8"
MOST_CHARACTERS = 100_000_000  # one document of 20,000 pages; beyond that it is more likely a bomb


class Converted(NamedTuple):
    """The text of a file.

    Attributes:
        text: the text.
        sections: its headings, or its pages, in the order in which they begin; exact offsets into the text.
        encoding: of the file's bytes, if these are text; empty for a format of its own.
        n_blank_pages: pages without any text, perhaps scanned.
        n_pages: all pages; 0 for formats without pages.
    """

    text: str
    sections: tuple[Section, ...] = ()
    encoding: str = ""
    n_blank_pages: int = 0
    n_pages: int = 0


def heading_sections(text: str) -> tuple[Section, ...]:
    """A section for each heading of a Markdown text that has words: from the heading to the next of its rank."""
    return tuple(Section(one.title, one.start, one.end) for one in headings(text) if one.title)


def refuse_without_text(converted: Converted) -> Converted:
    """The same, if there is text in it and not too much.

    Raises:
        InputError: as said.
    """
    if len(converted.text) > MOST_CHARACTERS:
        found = f"holds {len(converted.text):,} characters"
        raise InputError(found, f"at most {MOST_CHARACTERS:,}", "split the file")
    if converted.text and not converted.text.isspace():
        return converted
    if converted.n_pages:
        pages = f"its {converted.n_pages} pages" if converted.n_pages > 1 else "its only page"
        remedy = "recognise its text first, for example with ocrmypdf"
        raise InputError(f"has no text on {pages}, as after scanning", "a PDF with text", remedy)
    raise InputError("has no text", "a file with text", "remove the file or fill it")
