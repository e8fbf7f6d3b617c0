"""How the settings of a sweep are told apart in its plots: a series for whatever varies beside the chunk size."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import polars as pl

from results.report.plots.plot import COLOURS, DASHES, SHAPES
from results.report.visible import visible_frame

BESIDE_SIZE = ("splitter", "overlap", "embedder", "retriever")
ONLY = "all settings"  # name of the series where nothing varies beside the size
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
    """Add `series` (what varies beside the size, in words) and `read` (as in `k = 3` or `budget = 512`)."""
    varying = [name for name in BESIDE_SIZE if name in frame.columns and frame[name].n_unique() > 1]
    words = [pl.format("overlap {}", name) if name == "overlap" else pl.col(name) for name in varying]
    series = pl.concat_str(words, separator=", ") if words else pl.lit(ONLY)
    return visible_frame(frame).with_columns(series=series, read=pl.format("{} = {}", "cut", "amount"))


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
