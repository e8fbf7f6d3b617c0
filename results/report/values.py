"""How the values of a report are written: one place for all renderers, so that no two round a number differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from results.report.model import Cell, Code, Column, Estimate, Kind, Strong, Table

Tables = Mapping[str, pl.DataFrame]
UNKNOWN = "—"


def shown(cell: Cell, kind: Kind) -> str:
    """A value as a report writes it; a dash for what is unknown. Texts are shown as they are."""
    if cell is None:
        return UNKNOWN
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Code | Strong):
        return cell.text
    if isinstance(cell, Estimate):
        return _interval(cell)
    if isinstance(cell, bool):
        return "yes" if cell else ""
    return _NUMBERS[kind](cell)


def _interval(one: Estimate) -> str:
    if one.value is None or one.low is None or one.high is None:
        return UNKNOWN if one.value is None else share(one.value)
    return f"{share(one.value)} [{three(one.low)}, {three(one.high)}]"


def share(value: float | None) -> str:
    """Three decimals, or a dash for what is unknown."""
    return UNKNOWN if value is None else three(value)


def three(value: float) -> str:
    """A number with three decimals; what rounds to nothing has no sign."""
    return f"{round(value, 3) + 0.0:.3f}"


def count(value: float | None) -> str:
    """A count, or an expected count with one decimal, or a dash for what is unknown."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}".removesuffix(".0")


def p_value(value: float | None) -> str:
    """A p-value, never as 0."""
    if value is None:
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


_NUMBERS: Mapping[Kind, Callable[[float], str]] = {
    "text": str,
    "share": share,
    "count": count,
    "whole": lambda value: f"{value:.0f}",
    "tenth": lambda value: f"{value:.1f}",
    "p": p_value,
    "three": three,
    "interval": share,
    "yes": str,
}


def estimate(row: Mapping[str, Any], name: str, low: str | None = None, high: str | None = None) -> Estimate:
    """A column of a row with the ends of its interval, by default its name followed by `_low` and `_high`."""
    return Estimate(row[name], row[low or f"{name}_low"], row[high or f"{name}_high"])


def as_code(label: str | None) -> Code | None:
    """A label as code, where there is one."""
    return None if label is None else Code(label)


def make_table(
    title: str, columns: Mapping[str, Kind], rows: Sequence[Sequence[Cell]], file: str, *,
    most: int | None = None, is_open: bool = False,
) -> Table:  # fmt: skip
    """A table of rows.

    Args:
        title: what it shows.
        columns: name and kind of each.
        rows: a value for each column.
        file: where all rows are.
        most: rows of the Markdown report.
        is_open: whether it is part of the story.
    """
    return Table(
        title, tuple(Column(*one) for one in columns.items()), tuple(map(tuple, rows)), file, most, is_open
    )  # fmt: skip
