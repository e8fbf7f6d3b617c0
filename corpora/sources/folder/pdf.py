"""PDF: the text of every page, as PDFium orders it, each page a section."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

import pypdfium2
from pypdfium2.raw import FPDF_ERR_PASSWORD

from corpora.errors import InputError, one_line
from corpora.schema import Section
from corpora.sources.folder.converted import Converted

BREAK = "\n\n"  # between two pages
LINE_HYPHEN = "\x02"  # PDFium's sign for a hyphen at the end of a line, which it joins to the next
UNKNOWN = "\ufffd"
_OTHER_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


def read_pdf(content: bytes) -> Converted:
    """The text of a PDF, with a section for every page that has text, named "page 1" and so on.

    Lines end in a line feed. A word that is hyphenated at the end of a line is put together again. A glyph for which
    the file gives no character is U+FFFD.

    Raises:
        InputError: it is encrypted or damaged.
    """
    pages = list(_pages(content))
    parts: list[str] = []
    sections: list[Section] = []
    start = 0
    for number, text in enumerate(pages, 1):
        if text:
            sections.append(Section(f"page {number}", start, start + len(text)))
            parts.append(text)
            start += len(text) + len(BREAK)
    blank = len(pages) - len(parts)
    return Converted(BREAK.join(parts), tuple(sections), n_blank_pages=blank, n_pages=len(pages))


def _pages(content: bytes) -> Iterator[str]:
    """The text of each page, perhaps an empty one."""
    with one_line("cannot be read as PDF", "a PDF that is whole"), _opened(content) as document:
        for page in document:
            text_page = page.get_textpage()
            yield _clean(text_page.get_text_bounded())
            text_page.close()
            page.close()


def _opened(content: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == FPDF_ERR_PASSWORD:
            raise InputError("is encrypted", "a PDF without a password", "save a copy without its password") from error
        raise InputError(f"is damaged ({str(error).rstrip('.')})", "a PDF that is whole", "save it anew") from error


def _clean(text: str) -> str:
    """The text with line feeds, its hyphenated words put together, and a sign for what has no character."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    parts = lines.split(LINE_HYPHEN)
    joined = parts[0]
    if len(parts) > 1:
        joined += "".join(_joint(before, after) + after for before, after in itertools.pairwise(parts))
    return _OTHER_CONTROLS.sub(UNKNOWN, joined).strip()


def _joint(before: str, after: str) -> str:
    """What stands between two parts of a line-end hyphen: nothing within a word, a hyphen before a number or a name."""
    kinds = [unicodedata.category(one) for one in (before[-1:], after[:1]) if one]
    if len(kinds) < 2 or kinds[0][0] not in "LN" or kinds[1][0] not in "LN":
        return UNKNOWN
    return "" if kinds[0][0] == "L" and kinds[1] != "Lu" and kinds[1][0] == "L" else "-"
