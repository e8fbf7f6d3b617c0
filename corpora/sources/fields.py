"""Checked fields of a row: a value of the wrong kind is refused, with its file, row and name."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from corpora.errors import InputError, RowError, shown
from corpora.reading.strict_json import parse_json

REMEDY = "correct the field"
_KINDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}
_T = TypeVar("_T", str, int, bool, list[Any], dict[str, Any])
_EXACT = 2**53  # from here on, a float does not hold every whole number


def of_kind(file: Path, row: int | str, name: str, value: object, kind: type[_T]) -> _T:
    """The value, if it is of this kind; true and false do not count as numbers.

    Raises:
        RowError: the value is of another kind.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RowError(str(file), row, name, shown(value), _KINDS[kind], REMEDY)
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
        raise RowError(str(file), row, name, found, "valid Unicode", "correct the text") from error
    return text


def id_of(file: Path, row: int | str, name: str, value: object) -> str:
    """The id as a text; it may be given as a whole number.

    Raises:
        RowError: the value is neither a text nor a whole number.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        remedy = "write ids as texts or as whole numbers" if isinstance(value, float) else ""
        raise RowError(str(file), row, name, shown(value), "a text or a whole number", remedy)
    return text_of(file, row, name, value)


def filled_id(file: Path, row: int | str, name: str, value: object) -> str:
    """The id as a text, which must not be empty.

    Raises:
        RowError: it is, or as in `id_of`.
    """
    _refuse_empty(file, row, name, value)
    return id_of(file, row, name, value)


def filled_text(file: Path, row: int | str, name: str, value: object) -> str:
    """The text, which must not be empty.

    Raises:
        RowError: it is, or as in `text_of`.
    """
    _refuse_empty(file, row, name, value)
    return text_of(file, row, name, value)


def _refuse_empty(file: Path, row: int | str, name: str, value: object) -> None:
    if value is None or (isinstance(value, str) and not value.strip()):
        expected, remedy = "a text that is not empty", "fill it in or remove the row"
        raise RowError(str(file), row, name, "an empty field", expected, remedy)


def span_of(file: Path, row: int | str, name: str, text: str, start: int, quote: str) -> tuple[int, int]:
    """Start and end of a quote that the text must have at `start`; characters, end-exclusive.

    Raises:
        RowError: the quote is empty, or the text has other words there, or none.
    """
    if not quote:
        raise RowError(str(file), row, name, "an empty quote", "a quote that is not empty", REMEDY)
    if start < 0 or not text.startswith(quote, start):
        there = f"{text[start : start + len(quote)]!r:.60}" if 0 <= start < len(text) else "nothing"
        found = f"{quote!r:.60} is not at character {shown(start)}, where the document has {there}"
        raise RowError(str(file), row, name, found, "the quote at its offset", "correct the offset (characters)")
    return start, start + len(quote)


def json_of(file: Path, row: int | str, name: str, text: str) -> Any:
    """The value that a field holds as JSON.

    Raises:
        RowError: the field is not JSON.
    """
    try:
        return parse_json(text, "the field")
    except InputError as error:
        found, expected = f"{error.found} in {text!r:.60}", error.expected
        raise RowError(str(file), row, name, found, expected, "correct the field") from error


def spelling_of(value: object) -> str | None:
    """How a single value is written: a text as it is, other values as in JSON, whole numbers without a decimal point.

    A program that keeps numbers as floats writes the year 2019 as 2019.0, which is the same year. None for a list, an
    object, and what else has no spelling.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    is_single = isinstance(value, str | int | float | Decimal | date | datetime | time)
    return str(value) if is_single else None
