"""Text that others wrote (names, ids, questions, errors of providers), made literal: Markdown shows it as it is.

The renderers of Markdown make their tables and their manifest literal before they write anything, so that no text can
become HTML, a link, a picture, a code span, a heading or another row. What means nothing where it stands is left alone:
`p < 0.05`, `[0.1, 0.2]` and `snake_case` need no escape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from results.report.visible import visible

_ESCAPED = re.compile(
    r"[*`]"  # emphasis and code
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis, but not inside a word
    r"|\\(?=[!-/:-@\[-`{-~]|$)"  # a backslash that would escape something, or what follows the text
    r"|\](?=[(\[:])"  # the end of a link's text
    r"|^>|^#{1,6}(?=\s|$)|^[+-](?=\s|$)|^(?:=+|-+|~~~.*)$"  # a quote, a heading, a list, a rule, a fence
)
_NUMBER = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")  # of a list
# What may begin an element or an address, as `< 0.05` and `<= 3` do not; and what is an entity.
_ENTITIES = re.compile(r"<(?!\s|$|=\s|=?[\d.]+(?:[\s),;%]|$))|&(?=#?\w+;)")
# Whatever the two may change, in the words of Polars' regular expressions, which look neither back nor ahead.
_SUSPECT = r"[\\*`_<&\]\p{C}\p{Zl}\p{Zp}]|^[>#+=~-]|^\d+[.)]"


def literal(text: str) -> str:
    """The text on one line, with everything escaped that Markdown or a terminal would act upon."""
    line = " ".join(visible(text).splitlines())
    line = _NUMBER.sub(r"\1\\", _ESCAPED.sub(r"\\\g<0>", line))
    return _ENTITIES.sub(lambda sign: "&lt;" if sign[0] == "<" else "&amp;", line)


def literal_values(value: Any) -> Any:
    """The same for all text in nested lists and dictionaries, and for their keys."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Mapping):
        return {literal_values(name): literal_values(of) for name, of in value.items()}
    return [literal_values(one) for one in value] if isinstance(value, list | tuple) else value


def literal_tables(tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The same for all columns of texts, and of lists of texts; structs stay as they are."""
    return {name: literal_frame(frame) for name, frame in tables.items()}


def literal_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """The same for one frame."""
    return frame.with_columns(
        _literal_texts(frame[name]) if kind == pl.String else _literal_lists(frame[name])
        for name, kind in frame.schema.items()
        if kind in (pl.String, pl.List(pl.String))
    )


def _literal_texts(column: pl.Series) -> pl.Series:
    suspect = _suspect(column)
    return column.replace(suspect, [literal(text) for text in suspect]) if suspect else column


def _literal_lists(column: pl.Series) -> pl.Series:
    if not _suspect(column.explode()):
        return column
    lists = [None if one is None else [text and literal(text) for text in one] for one in column.to_list()]
    return pl.Series(column.name, lists, dtype=column.dtype)


def _suspect(texts: pl.Series) -> list[str]:
    """The distinct texts that may have to be changed: few, even of many rows."""
    return texts.filter(texts.str.contains(_SUSPECT)).unique().to_list()
