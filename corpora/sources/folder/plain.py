"""Text and Markdown: decoded, and otherwise left as they are."""

from __future__ import annotations

from corpora.errors import InputError
from corpora.reading.text import decoded
from corpora.sources.folder.converted import Converted, heading_sections


def read_plain(content: bytes) -> Converted:
    """A text file.

    Raises:
        InputError: it is not UTF-8 and has no byte order mark, or is no text.
    """
    text, encoding = decoded(content)
    nul = text.find("\0")
    if nul >= 0:
        found = f"holds a NUL character in line {text.count(chr(10), 0, nul) + 1}"
        raise InputError(found, "text", "save the file as UTF-8 text, or give it the ending of its format")
    return Converted(text, encoding=encoding)


def read_markdown(content: bytes) -> Converted:
    """A Markdown file, with its headings.

    Raises:
        InputError: as in `read_plain`.
    """
    plain = read_plain(content)
    return plain._replace(sections=heading_sections(plain.text))
