"""Plots of a sweep over chunk sizes: accuracy of the answers, and scores of what was retrieved."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import polars as pl

from results.report.plots.plot import COLOURS, DASHES, SHAPES, Plot, described, tenths, to_svg, wrapped
from results.report.visible import visible, visible_frame
from results.settings import CUT, cuts_in

BESIDE_SIZE = ("splitter", "overlap", "embedder", "retriever")
ONLY = "all settings"  # name of the series where nothing varies besides the size
MOST_SERIES = 6  # of a plot; more are drawn in further plots


class Group(NamedTuple):
    """Series that share a plot.

    Attributes:
        names: of these.
        every: all series of the run, in whose order looks are given, so that a series looks the same in all plots.
    """

    names: list[str]
    every: list[str]


def with_series(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `series` (what varies besides the size, in words) and `read` (as in `k = 3` or `budget = 512`)."""
    varying = [name for name in BESIDE_SIZE if name in frame.columns and frame[name].n_unique() > 1]
    words = [pl.format("overlap {}", name) if name == "overlap" else pl.col(name) for name in varying]
    series = pl.concat_str(words, separator=", ") if words else pl.lit(ONLY)
    read = pl.Series([cut.title for cut in cuts_in(frame)], dtype=pl.String)
    return visible_frame(frame).with_columns(series=series, read=read)


def series_groups(frame: pl.DataFrame) -> list[Group]:
    """The series in their order, in groups of about the same size that one plot can show."""
    every = frame["series"].unique(maintain_order=True).to_list()
    size = math.ceil(len(every) / max(1, math.ceil(len(every) / MOST_SERIES)))
    return [Group(every[at : at + size], every) for at in range(0, len(every), size or 1)]


def look_of(alt: Any, group: Group) -> dict[str, Any]:
    """The channels color, shape and strokeDash of each series; the legend shows colour and shape."""
    places = [group.every.index(name) for name in group.names]
    legend = None if group.every == [ONLY] else alt.Legend(orient="bottom", direction="vertical", columns=1)
    channels = {"color": (alt.Color, COLOURS), "shape": (alt.Shape, SHAPES), "strokeDash": (alt.StrokeDash, DASHES)}
    return {
        channel: of(
            "series:N",
            title=None,
            legend=None if channel == "strokeDash" else legend,
            scale=alt.Scale(domain=group.names, range=[values[at % len(values)] for at in places]),
        )
        for channel, (of, values) in channels.items()
    }


CUT_NAMES = {"k": "equal number of chunks", "budget": "equal token budget"}
PANEL_WIDTH, PANEL_HEIGHT = 280, 150
DOCUMENT_SCORES = {"hit": "hit", "recall": "recall", "ndcg": "nDCG"}
SPAN_SCORES = {
    "span_recall": "span recall", "span_precision": "span precision", "span_f1": "span F1", "span_iou": "span IoU"
}  # fmt: skip


def plot_accuracy(cells: pl.DataFrame) -> list[Plot]:
    """Gold accuracy by chunk size with intervals, a plot for each reader and kind of cut, a panel for each cut.

    Args:
        cells: the cells of a sweep.
    """
    frame = with_series(cells).rename(
        {"gold_accuracy": "value", "gold_accuracy_low": "low", "gold_accuracy_high": "high"}
    )
    frame = frame.drop_nulls("value").with_columns(panel=pl.col("read"))
    domain = tenths(value for name in ("value", "low", "high") for value in frame[name])
    plots = []
    for number, reader in enumerate(map(visible, cells["reader"].unique(maintain_order=True)), 1):
        for kind, name in CUT_NAMES.items():
            rows = frame.filter(pl.col("reader") == reader, pl.col("cut") == kind)
            title = f"{reader}: accuracy on its gold set by chunk size, {name}"
            plots += _draw(f"accuracy_by_size_{number}_{kind}", title, rows, "accuracy", domain)
    return plots


def plot_retrieval(means: pl.DataFrame) -> list[Plot]:
    """Scores of what was retrieved by chunk size with intervals: a plot for each cut, a panel for each score.

    Span scores are drawn where the corpus has evidence.

    Args:
        means: the frame retrieval_means.
    """
    plots = []
    for _, rows in with_series(means).group_by(CUT, maintain_order=True):
        cut = cuts_in(rows)[0]
        for what, scores in (("documents", DOCUMENT_SCORES), ("spans", SPAN_SCORES)):
            title = f"What was retrieved at {cut.title}, by chunk size: {what}"
            file = f"retrieval_by_size_{cut.file_part}_{what}"
            plots += _draw(file, title, _long(rows, scores), "score", (0.0, 1.0))
    return plots


def _draw(file: str, title: str, rows: pl.DataFrame, axis: str, domain: tuple[float, float]) -> list[Plot]:
    """A plot for each group of series."""
    groups = series_groups(rows)
    plots = []
    for part, group in enumerate(groups, 1):
        of_group = rows.filter(pl.col("series").is_in(group.names))
        name = f"{title} ({part} of {len(groups)})" if len(groups) > 1 else title
        svg = _panels(name, of_group, group, axis, domain)
        panels = ", ".join(of_group["panel"].unique(maintain_order=True))
        text = f"Points with intervals over the chunk size, a line for each series. Panels: {panels}."
        plots.append(described(f"{file}{f'_{part}' if part > 1 else ''}.svg", name, text, svg))
    return plots


def _long(rows: pl.DataFrame, scores: dict[str, str]) -> pl.DataFrame:
    """A row for each score that is known."""
    parts = [
        rows.select("series", "size", value=name, low=f"{name}_low", high=f"{name}_high", panel=pl.lit(title))
        for name, title in scores.items()
        if name in rows.columns
    ]
    return pl.concat(parts).drop_nulls("value") if parts else pl.DataFrame({"series": []})


def _panels(title: str, rows: pl.DataFrame, group: Group, axis: str, domain: tuple[float, float]) -> str:
    """Panels one above the other, with one legend; the marks of one size are side by side."""
    import altair as alt

    shown = rows.select("series", "size", "value", "low", "high", "panel")
    x = alt.X("size:O", title="chunk size (tokens of the embedder)", axis=alt.Axis(labelAngle=0))
    beside = alt.XOffset("series:N", scale=alt.Scale(domain=group.names, paddingOuter=1))
    y = alt.Y("value:Q", title=axis, scale=alt.Scale(domain=list(domain), zero=False))
    look = look_of(alt, group)
    base = alt.Chart(shown).encode(x=x, xOffset=beside, color=look["color"])
    lines = base.mark_line(strokeWidth=1.5, opacity=0.8).encode(y=y, strokeDash=look["strokeDash"])
    points = base.mark_point(filled=True, size=45, opacity=1).encode(y=y, shape=look["shape"])
    bars = base.transform_filter("isValid(datum.low)").mark_rule().encode(y=alt.Y("low:Q", title=axis), y2="high:Q")
    panel = alt.Facet("panel:N", title=None, sort=shown["panel"].unique(maintain_order=True).to_list())
    chart = alt.layer(lines, bars, points).properties(width=PANEL_WIDTH, height=PANEL_HEIGHT)
    return to_svg(chart.facet(facet=panel, columns=1).properties(title=wrapped(title)).configure(aria=False))
