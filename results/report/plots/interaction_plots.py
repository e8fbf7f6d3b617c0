"""Whether chunk size matters more to a small reader than to a large one: slopes with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import polars as pl

from results.report.plots.placing import cut_words
from results.report.plots.plot import POINT, Layout, Plot, Spec, drawn, grid, looks, marks, panel
from results.report.plots.rows import listed
from results.report.visible import visible_frame
from results.settings import cut_of

SLOPES = ("slope_small", "slope_large", "difference")
AXIS = "change in accuracy (percentage points)"
BESIDE = 8


def plot_interactions(interactions: pl.DataFrame) -> list[Plot]:
    """Change in accuracy per doubling of the chunk size, for both readers and their difference; a plot for each pair.

    Args:
        interactions: the frame of that name.
    """
    rows = visible_frame(interactions.drop_nulls("difference"))
    plots = []
    for number, ((small, large), of_pair) in enumerate(rows.group_by("small", "large", maintain_order=True), 1):
        title = "Change in accuracy with each doubling of the chunk size"
        draw = partial(_forests, of_pair, [str(small), str(large), f"{small} minus {large}"])
        plots.append(drawn(f"interaction_{number}.svg", title, _told(of_pair), draw))
    return plots


def _told(rows: pl.DataFrame) -> str:
    told = [
        f"{row['questions']} questions, {cut_words(cut_of(row))} read: {_points(row, 'slope_small')} for "
        f"{row['small']}, {_points(row, 'slope_large')} for {row['large']}, difference {_points(row, 'difference')}"
        for row in rows.iter_rows(named=True)
    ]
    return f"In percentage points, with intervals. {'; '.join(told)}."


def _points(row: Mapping[str, Any], name: str) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    told = f"{100 * value:+.1f}"
    return told if None in (low, high) else f"{told} ({100 * low:+.1f} to {100 * high:+.1f})"


def _forests(rows: pl.DataFrame, readers: list[str], layout: Layout) -> Spec:
    """A panel for each set of questions, a heading for each cut, a row for each reader and for the difference."""
    known = (rows[f"{name}{end}"].drop_nulls() * 100 for name in SLOPES for end in ("", "_low", "_high"))
    ends = [0.0, *(value for column in known for value in column)]
    scale = {"domain": [min(ends), max(ends)], "padding": 6, "nice": True, "zero": False}
    axis = {"format": "+d", "tickCount": 5, "grid": True}
    x = {"type": "quantitative", "title": AXIS, "scale": scale, "axis": axis}
    look = looks(SLOPES, range(len(SLOPES)))
    panels = []
    width = layout.panel_width(rows["questions"].n_unique(), BESIDE)
    for (questions,), mine in rows.group_by("questions", maintain_order=True):
        lines = listed((f"{cut_words(cut_of(row))} read", readers) for row in mine.iter_rows(named=True))
        frame = _long(mine.with_row_index("line"), lines.middles())
        at = {"y": lines.y(), "color": look["color"]}
        interval: Spec = {"x": x | {"field": "low"}, "x2": {"field": "high"}}
        layers = [
            lines.nought(x),
            marks(frame.drop_nulls(["low", "high"]), "rule", {"strokeWidth": 1.5}, **at, **interval),
            marks(frame, "point", POINT, **at, x=x | {"field": "value"}, shape=look["shape"]),
            *lines.names(),
        ]
        panels.append(panel(layers, f"{questions} questions", width, lines.height))
    return grid(panels, layout)


def _long(rows: pl.DataFrame, at: list[float]) -> pl.DataFrame:
    """A row for each slope, in percentage points, in the order of the lines."""
    ends = {"value": "", "low": "_low", "high": "_high"}
    parts = [
        rows.select("line", series=pl.lit(name), **{of: 100 * pl.col(f"{name}{end}") for of, end in ends.items()})
        for name in SLOPES
    ]
    return pl.concat(parts).sort("line", maintain_order=True).with_columns(at=pl.Series(at, dtype=pl.Float64))
