"""Checked fields of a published corpus: a field of the wrong kind is refused, with its file, row and name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from corpora.errors import RowError

REMEDY = "correct it or fetch the file again"
_KINDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}
_T = TypeVar("_T", str, int, bool, list[Any], dict[str, Any])


def of_kind(file: Path, row: int | str, name: str, value: object, kind: type[_T]) -> _T:
    """The value, if it is of this kind; true and false do not count as numbers.

    Raises:
        RowError: the value is of another kind.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RowError(str(file), row, name, f"{value!r:.60}", _KINDS[kind], REMEDY)
    return value


def text_of(file: Path, row: int | str, name: str, value: object) -> str:
    """The value, if it is a text that UTF-8 can hold; it may be empty and is kept exactly.

    Raises:
        RowError: the value is not a text, or holds half of a surrogate pair.
    """
    text = of_kind(file, row, name, value, str)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        found = f"a lone surrogate at character {error.start}"
        raise RowError(str(file), row, name, found, "valid Unicode", REMEDY) from error
    return text


def id_of(file: Path, row: int | str, name: str, value: object) -> str:
    """The id as a text; it may be given as a whole number.

    Raises:
        RowError: the value is neither a text nor a whole number.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(file, row, name, value)


def span_of(file: Path, row: int | str, name: str, text: str, start: int, quote: str) -> tuple[int, int]:
    """Start and end of a quote that the text must have at `start`; characters, end-exclusive.

    Raises:
        RowError: the quote is empty, or the text has other words there, or none.
    """
    if not quote:
        raise RowError(str(file), row, name, "an empty quote", "a quote that is not empty", REMEDY)
    if start < 0 or not text.startswith(quote, start):
        there = f"{text[start : start + len(quote)]!r:.60}" if 0 <= start < len(text) else "nothing"
        found = f"{quote!r:.60} is not at character {start}, where the document has {there}"
        raise RowError(str(file), row, name, found, "the quote at its offset", "correct the offset (characters)")
    return start, start + len(quote)
