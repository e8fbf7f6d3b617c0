"""Markdown pieces: tables, shares, intervals, p-values, names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

Tables = Mapping[str, pl.DataFrame]
UNKNOWN = "—"


def table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what is in a cell is never read as a column or line break."""
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.splitlines()).replace("|", "\\|")


def share(value: float | None) -> str:
    """Three decimals, or a dash for what is unknown."""
    return UNKNOWN if value is None else f"{value:.3f}"


def interval(row: Mapping[str, Any], name: str, low: str, high: str) -> str:
    """An estimate with its interval from three columns of a row."""
    return UNKNOWN if row[name] is None else f"{share(row[name])} {ends(row, low, high)}"


def ends(row: Mapping[str, Any], low: str, high: str) -> str:
    """The ends of an interval from two columns of a row, in brackets."""
    return f"[{row[low]:.3f}, {row[high]:.3f}]"


def number(value: float | None, decimals: int = 0) -> str:
    """A number with a given number of decimals, or a dash for what is unknown."""
    return UNKNOWN if value is None else f"{value:.{decimals}f}"


def count(value: float | None) -> str:
    """A count, or an expected count with one decimal, or a dash for what is unknown."""
    if value is None:
        return UNKNOWN
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def marked(name: str, marks: Mapping[str, str]) -> str:
    """A reader's name with the sign after it."""
    return f"{name} {marks[name]}" if name in marks else name


def p_value(value: float | None, equals: str = "") -> str:
    """A p-value, never as 0."""
    if value is None:
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{equals}{value:.3f}"


def code(value: str | None) -> str:
    """A literal text as code, or a dash for what is unknown; code shows no escapes, so one that needs them is none."""
    if value is None:
        return UNKNOWN
    plain = value.replace("\\`", "`")
    if any(escape in plain for escape in ("\\", "&lt;", "&amp;")):
        return value
    # A longer row of backticks than any in it is its fence.
    ticks = max(map(len, re.findall("`+", plain)), default=0)
    return f"{'`' * (ticks + 1)} {plain} {'`' * (ticks + 1)}" if ticks else f"`{plain}`"
