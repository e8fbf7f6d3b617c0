"""Plots of a sweep over chunk sizes: accuracy of the answers, and scores of what was retrieved."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import polars as pl

from results.report.plots.placing import ARMS, cut_words, names_at_right, percent, tenths, with_ends
from results.report.plots.plot import (
    LETTER,
    POINT,
    QUIET,
    STROKE,
    Layout,
    Plot,
    Spec,
    drawn,
    grid,
    looks,
    marks,
    panel,
)
from results.report.visible import visible_frame
from results.settings import CUT, cuts_in

BESIDE_SIZE = ("splitter", "overlap", "embedder", "retriever")
ONLY = "all settings"  # name of the series where nothing varies besides the size
MOST_SERIES = 6  # of a plot; more are drawn in further plots
AXIS, NAME_ROOM, HEIGHT = 64, 112, 210
DOCUMENT_SCORES = {"hit": "hit", "recall": "recall", "ndcg": "nDCG"}
SPAN_SCORES = {"span_recall": "span recall", "span_precision": "span precision", "span_iou": "span IoU"}
ON_GOLD = {"gold_accuracy": "value", "gold_accuracy_low": "low", "gold_accuracy_high": "high"}
WHAT = {
    "documents": ("the gold documents", DOCUMENT_SCORES),
    "spans": ("the evidence", SPAN_SCORES),
}  # fmt: skip


class Group(NamedTuple):
    """Series that share a plot.

    Attributes:
        names: of these.
        every: all series of the run, in whose order looks are given, so that a series looks the same in all plots.
    """

    names: list[str]
    every: list[str]

    @property
    def places(self) -> list[int]:
        """Where each is among all series."""
        return [self.every.index(name) for name in self.names]


class Axes(NamedTuple):
    """What the panels of a plot share: the title of the y axis, and its ends."""

    title: str
    domain: tuple[float, float]

    def y(self, column: str) -> Spec:
        """The y channel of a column of shares."""
        scale = {"domain": list(self.domain), "zero": False, "nice": False}
        axis = {"format": ".0%", "tickCount": 6}
        return {"field": column, "type": "quantitative", "title": self.title, "scale": scale, "axis": axis}


def with_series(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `series` (what varies besides the size, in words) and `read` (as in `3 chunks` or `512 tokens`)."""
    varying = [name for name in BESIDE_SIZE if name in frame.columns and frame[name].n_unique() > 1]
    words = [pl.format("overlap {}", name) if name == "overlap" else pl.col(name) for name in varying]
    series = pl.concat_str(words, separator=", ") if words else pl.lit(ONLY)
    read = pl.Series([cut_words(cut) for cut in cuts_in(frame)], dtype=pl.String)
    return visible_frame(frame).with_columns(series=series, read=read)


def series_groups(frame: pl.DataFrame) -> list[Group]:
    """The series in their order, in groups of about the same size that one plot can show."""
    every = frame["series"].unique(maintain_order=True).to_list()
    size = math.ceil(len(every) / max(1, math.ceil(len(every) / MOST_SERIES)))
    return [Group(every[at : at + size], every) for at in range(0, len(every), size or 1)]


def plot_accuracy(cells: pl.DataFrame, baselines: pl.DataFrame | None = None) -> list[Plot]:
    """Gold accuracy by chunk size with intervals, a panel for each reader and a line for each cut.

    Where more than the size varies, each reader has plots of its own, with a panel for each cut.

    Args:
        cells: the cells of a sweep.
        baselines: the frame of that name; whole document and closed book are drawn as horizontal rules.
    """
    frame = with_series(cells).rename(ON_GOLD).drop_nulls("value")
    levels = _levels(baselines)
    axes = Axes("accuracy on the gold set", tenths([*_ends(frame), *levels["at"]]))
    if frame["series"].n_unique() == 1:
        rows = _by_cut(frame).with_columns(panel="reader")
        title = "Accuracy by chunk size"
        return _draw("accuracy_by_size", title, rows, axes, levels)
    plots = []
    for number, (reader,) in enumerate(visible_frame(cells).select("reader").unique(maintain_order=True).rows(), 1):
        rows = frame.filter(pl.col("reader") == reader).with_columns(panel=pl.format("{} read", "read"))
        rules = levels.filter(pl.col("panel") == reader).drop("panel").join(rows.select("panel").unique(), how="cross")
        plots += _draw(f"accuracy_by_size_{number}", f"Accuracy by chunk size: {reader}", rows, axes, rules)
    return plots


def plot_retrieval(means: pl.DataFrame) -> list[Plot]:
    """Scores of what was retrieved by chunk size with intervals: a panel for each score and a line for each cut.

    Where more than the size varies, each cut has plots of its own. Span scores are drawn where the corpus has evidence.

    Args:
        means: the frame retrieval_means.
    """
    frame, plots = with_series(means), []
    if frame["series"].n_unique() == 1:
        parts = [("", "", _by_cut(frame))]
    else:
        parts = [
            (f"_{cuts_in(rows)[0].file_part}", f", {cut_words(cuts_in(rows)[0])} read", rows)
            for _, rows in frame.group_by(CUT, maintain_order=True)
        ]
    for file, read, rows in parts:
        for what, (found, scores) in WHAT.items():
            long = _long(rows, scores)
            axes = Axes("score", tenths(_ends(long)))
            title = f"Retrieval of {found} by chunk size{read}"
            plots += _draw(f"retrieval_by_size{file}_{what}", title, long, axes, _levels(None))
    return plots


def _by_cut(frame: pl.DataFrame) -> pl.DataFrame:
    """With a series for each cut: so many chunks first, then so many tokens."""
    return frame.with_columns(series="read").sort(*CUT, descending=[True, False], maintain_order=True)


def _ends(frame: pl.DataFrame) -> list[float | None]:
    names = [name for name in ("value", "low", "high") if name in frame.columns]
    return [value for name in names for value in frame[name]]


def _levels(baselines: pl.DataFrame | None) -> pl.DataFrame:
    """Columns `panel` (the reader), `name` and `at` of whole document and closed book."""
    if baselines is None:
        return pl.DataFrame(schema={"panel": pl.String(), "name": pl.String(), "at": pl.Float64()})
    rows = visible_frame(baselines).drop_nulls("gold_accuracy")
    return rows.select(panel="reader", name=pl.col("arm").replace(ARMS), at="gold_accuracy")


def _draw(file: str, title: str, rows: pl.DataFrame, axes: Axes, levels: pl.DataFrame) -> list[Plot]:
    """A plot for each group of series."""
    groups = series_groups(rows)
    plots = []
    for part, group in enumerate(groups, 1):
        of_group = rows.filter(pl.col("series").is_in(group.names))
        name = f"{title} ({part} of {len(groups)})" if len(groups) > 1 else title
        draw = partial(_panels, of_group, group, axes, levels)
        plots.append(drawn(f"{file}{f'_{part}' if part > 1 else ''}.svg", name, _told(of_group, levels), draw))
    return plots


def _told(rows: pl.DataFrame, levels: pl.DataFrame) -> str:
    """The highest and the lowest point of each panel, in words."""
    sentences = []
    for (name,), of_panel in rows.group_by("panel", maintain_order=True):
        ordered = of_panel.sort("value", descending=True, maintain_order=True)
        told = [
            f"{how} {with_ends(row, 'value', 'low', 'high')} with {row['size']}-token chunks"
            + ("" if row["series"] == ONLY else f", {row['series']}")
            for how, row in (("highest", ordered.row(0, named=True)), ("lowest", ordered.row(-1, named=True)))
        ]  # fmt: skip
        rules = levels.filter(pl.col("panel") == name).iter_rows(named=True)
        told += [f"{row['name']} {percent(row['at'])}" for row in rules]
        sentences.append(f"{name}: {'; '.join(told)}.")
    return " ".join(sentences)


def _long(rows: pl.DataFrame, scores: dict[str, str]) -> pl.DataFrame:
    """A row for each score that is known."""
    parts = [
        rows.select("series", "size", value=name, low=f"{name}_low", high=f"{name}_high", panel=pl.lit(title))
        for name, title in scores.items()
        if name in rows.columns
    ]
    return pl.concat(parts).drop_nulls("value") if parts else pl.DataFrame({"series": []})


def _panels(rows: pl.DataFrame, group: Group, axes: Axes, levels: pl.DataFrame, layout: Layout) -> Spec:
    """The panels; the names of the series are at the right of each."""
    names = rows["panel"].unique(maintain_order=True).to_list()
    at_right = [*(name for name in group.names if name != ONLY), *(["whole document"] if len(levels) else [])]
    room = min(NAME_ROOM, max(map(len, at_right)) * LETTER + 26) if at_right else 12
    width = layout.panel_width(len(names), AXIS + room)
    panels = []
    for name in names:
        of_panel, rules = (frame.filter(pl.col("panel") == name) for frame in (rows, levels))
        layers = [
            *_rules(rules, axes),
            *_marks(of_panel, group, axes),
            *_names(of_panel, group, axes, rules, (width, room)),
        ]
        panels.append(panel(layers, name, width, HEIGHT))
    return grid(panels, layout)


def _marks(rows: pl.DataFrame, group: Group, axes: Axes) -> list[Spec]:
    """Lines, intervals and points; those of one size are side by side."""
    shown = rows.select("series", "size", "value", "low", "high")
    look = looks(group.names, group.places)
    beside = {"field": "series", "type": "nominal", "scale": {"domain": group.names, "paddingOuter": 1}}
    size = {"title": "chunk size (tokens)", "axis": {"labelAngle": 0, "grid": False}}
    at = {"x": {"field": "size", "type": "ordinal", **size}, "xOffset": beside, "color": look["color"]}
    line = {"strokeWidth": 1.5, "opacity": 0.8}
    return [
        marks(shown, "line", line, **at, y=axes.y("value"), strokeDash=look["strokeDash"]),
        marks(shown.drop_nulls(["low", "high"]), "rule", **at, y=axes.y("low"), y2={"field": "high"}),
        marks(shown, "point", POINT, **at, y=axes.y("value"), shape=look["shape"]),
    ]


def _names(rows: pl.DataFrame, group: Group, axes: Axes, levels: pl.DataFrame, place: tuple[int, float]) -> list[Spec]:
    """Each series with its mark, and each rule, named at the right at the height where it ends."""
    last = rows.sort("size", maintain_order=True).group_by("series", maintain_order=True).last()
    ends = [] if group.every == [ONLY] else [*last.select("series", "value").iter_rows()]
    ranges = [looks(group.names, group.places)[channel]["scale"]["range"] for channel in ("color", "shape")]
    shown = dict(zip(group.names, zip(*ranges, strict=True), strict=True))
    entries = [(name, value, {"color": shown[name][0], "shape": shown[name][1]}) for name, value in ends]
    entries += [(f"{row['name']} {percent(row['at'])}", row["at"], STROKE) for row in levels.iter_rows(named=True)]
    return names_at_right(entries, axes.y("at"), place, HEIGHT)


def _rules(levels: pl.DataFrame, axes: Axes) -> list[Spec]:
    """Whole document and closed book."""
    look = {"strokeDash": [5, 4], "color": QUIET}
    return [] if levels.is_empty() else [marks(levels.select("at"), "rule", look, y=axes.y("at"))]
