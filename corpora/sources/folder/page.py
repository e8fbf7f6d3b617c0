"""HTML: its text as Markdown, so that headings, lists, tables and code stay what they are."""

from __future__ import annotations

import codecs
import re
from typing import Any

from bs4 import BeautifulSoup, Comment, Doctype, ProcessingInstruction
from bs4.dammit import EncodingDetector
from markdownify import MarkdownConverter

from corpora.errors import InputError, one_line
from corpora.reading.text import decoded
from corpora.sources.folder.converted import UTF_8, Converted, heading_sections

# Nothing in these is text of the page.
NOT_TEXT = ("head", "script", "style", "template", "svg", "iframe", "object", "audio", "video", "canvas")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
SIGNS = ("", "¶", "#", "§", "🔗", "↑", "\uf0c1")  # of links that only lead to their own heading or back from a footnote
_LIKE_A_HEADING = re.compile(r"^([ \t]*)(#{1,6}(?:\s|$))", re.M)
_LATIN = ("iso8859-1", "ascii")  # what pages call these is Windows-1252, as every browser reads them


class _Converter(MarkdownConverter):
    """Keeps the words of links and images: an address is not what a reader of the page reads."""

    def escape(self, text: str, parent_tags: Any) -> str:
        """A sign that would make a heading of a line, such as that of a shell's prompt, is escaped; nothing else is."""
        return _LIKE_A_HEADING.sub(r"\1\\\2", text)

    def convert_a(self, el: Any, text: str, parent_tags: Any) -> str:
        leads_nowhere = str(el.get("href", "")).startswith("#") or not el.get("href")
        return "" if leads_nowhere and text.strip() in SIGNS else text

    def convert_img(self, el: Any, text: str, parent_tags: Any) -> str:
        return " ".join(str(el.get("alt", "")).split())


def read_html(content: bytes) -> Converted:
    """The text of a page, as Markdown with its headings.

    Its bytes are read in the encoding of its byte order mark, or the one that it declares, or as UTF-8.

    Raises:
        InputError: the bytes are not in that encoding, or the page is nested too deeply.
    """
    text, encoding = _decoded(content)
    return read_markup(text)._replace(encoding=encoding)


def read_markup(markup: str) -> Converted:
    """The text of some HTML.

    Raises:
        InputError: it is nested too deeply.
    """
    with one_line("cannot be read as HTML", "a page that is not damaged"):
        soup = BeautifulSoup(markup, "html.parser")
        for element in soup(NOT_TEXT):
            element.decompose()
        for heading in soup(HEADINGS):
            if not heading.get_text(strip=True) and not heading.find("img"):
                heading.decompose()
        for kind in (Comment, Doctype, ProcessingInstruction):
            for one in soup.find_all(string=lambda text, kind=kind: isinstance(text, kind)):
                one.extract()
        # Hardly anything is escaped: what is compared and quoted are the words, not their spelling in Markdown.
        converter = _Converter(
            heading_style="ATX", bullets="-", escape_asterisks=False, escape_underscores=False, escape_misc=False
        )
        text = converter.convert_soup(soup)
    text = text.replace("\r\n", "\n").replace("\0", "\ufffd").strip("\n")
    return Converted(text, heading_sections(text))


def _decoded(content: bytes) -> tuple[str, str]:
    if content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return decoded(content)
    declared = EncodingDetector.find_declared_encoding(content, is_html=True)
    if not declared:
        return decoded(content)
    try:
        name = codecs.lookup(declared).name
        encoding = "cp1252" if name in _LATIN else name
        return content.decode(encoding), UTF_8 if encoding == UTF_8 else encoding
    except UnicodeDecodeError as error:
        found = f"declares {declared} and holds byte 0x{content[error.start]:02x}, {error.reason}"
        raise InputError(found, "bytes in the encoding that it declares", "save the page as UTF-8") from error
    except LookupError as error:
        found = f"declares the encoding {declared!r:.60}, which is not known"
        raise InputError(found, "a known encoding", "save the page as UTF-8") from error
