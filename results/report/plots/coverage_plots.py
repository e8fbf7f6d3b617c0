"""What agreement is worth: accuracy by coverage, and coverage and accuracy under other sampling."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from results.report.plots.placing import names_at_right, percent, tenths, with_ends
from results.report.plots.plot import (
    COLOURS,
    DASHES,
    POINT,
    QUIET,
    SHAPES,
    STROKE,
    Layout,
    Plot,
    Spec,
    drawn,
    grid,
    marks,
    on_paper,
    panel,
)
from results.report.visible import visible_frame

RISK_PLOT, CURVES_PLOT = "risk_coverage.svg", "vote_curves.svg"
STEPS_DRAWN = 400  # of a curve; more cannot be seen
HEIGHT, SMALL, AXIS, NAME_ROOM = 230, 150, 64, 118
RANKED, DRAWN, MAJORITY = "ranked by probability", "three drawn votes agree", "always the majority label"
INKS = (COLOURS[0], "#A84600")  # the orange of the marks is too light for letters
SCORES = {"coverage": "share unanimous", "accuracy": "accuracy of these"}


class Curves(NamedTuple):
    """What is known of a reader: its steps by rank, its sets of agreeing votes by temperature, its majority share."""

    reader: str
    ranked: pl.DataFrame
    agreed: pl.DataFrame
    majority: float | None
    constant: str = MAJORITY


def plot_coverage(
    curve: pl.DataFrame, vote_curves: pl.DataFrame | None, labelers: pl.DataFrame, marked: Mapping[str, str]
) -> list[Plot]:
    """Accuracy of what is kept over the share that is kept, a panel for each reader, in two ways of choosing.

    The line ranks the questions by P(unanimous) under the vote law. The points keep those on which three drawn votes
    agree, in expectation, at one temperature after the other; the larger one is the reader's own.

    Args:
        curve: frame of schema `RISK_COVERAGE`.
        vote_curves: frame of schema `VOTE_CURVES`, where it is there.
        labelers: frame of schema `LABELERS`, for the majority share, a horizontal rule.
        marked: sign after the name of a reader.
    """
    readers = [
        Curves(
            name(reader, marked),
            thinned(rows).drop_nulls("accuracy"),
            _agreed(vote_curves, str(reader)),
            _majority(labelers, str(reader)),
            _constant(labelers, str(reader)),
        )
        for (reader,), rows in visible_frame(curve).group_by("reader", maintain_order=True)
    ]
    readers = [one for one in readers if len(one.ranked)]
    told = " ".join(map(_told, readers))
    draw = partial(_coverage_panels, readers)
    return [drawn(RISK_PLOT, "Accuracy of what is kept, by coverage", told, draw)] if readers else []


def thinned(curve: pl.DataFrame, most: int = STEPS_DRAWN) -> pl.DataFrame:
    """The steps of a curve, one per question, that are far enough apart to be seen."""
    steps = curve.with_columns(step=(pl.col("coverage") * most).ceil())
    return steps.unique(["reader", "step"], keep="last", maintain_order=True).drop("step")


def name(reader: object, marked: Mapping[str, str]) -> str:
    """The name of a reader with its mark."""
    return f"{reader} {marked[str(reader)]}" if str(reader) in marked else str(reader)


def _agreed(curves: pl.DataFrame | None, reader: str) -> pl.DataFrame:
    columns = ["value", "is_own", "coverage", "accuracy", "low", "high"]
    if curves is None:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.Float64()) | {"is_own": pl.Boolean()})
    rows = visible_frame(curves).filter(pl.col("reader") == reader, pl.col("parameter") == "temperature")
    rows = rows.drop_nulls(["coverage", "accuracy"]).sort("value")
    return rows.rename({"accuracy_low": "low", "accuracy_high": "high"}).select(columns)


def _majority(labelers: pl.DataFrame, reader: str) -> float | None:
    shares = visible_frame(labelers).filter(pl.col("reader") == reader)["majority_share"].to_list()
    return shares[0] if shares else None


def _constant(labelers: pl.DataFrame, reader: str) -> str:
    """What the rule stands for: where questions have choices of their own, no label is the majority's."""
    mine = visible_frame(labelers).filter(pl.col("reader") == reader)
    known = "majority_label" not in mine.columns or mine["majority_label"].drop_nulls().len()
    return MAJORITY if known or mine["majority_share"].is_null().all() else "a choice at random"


def _told(one: Curves) -> str:
    """The accuracy of all questions and of the surest half, and that of the reader's own unanimous set."""
    every = one.ranked.sort("coverage").row(-1, named=True)
    half = one.ranked.sort((pl.col("coverage") - 0.5).abs(), maintain_order=True).row(0, named=True)
    told = [f"{_right(row)} right of {percent(row['coverage'])} kept" for row in (half, every)]
    sentence = f"{one.reader}: ranked by probability, {' and '.join(told)}"
    for row in one.agreed.filter(pl.col("is_own")).iter_rows(named=True):
        sentence += f"; where three votes agree, {_right(row)} of {percent(row['coverage'])}"
    return sentence + ("." if one.majority is None else f"; {one.constant} {percent(one.majority)}.")


def _right(row: Mapping[str, Any]) -> str:
    return with_ends(row, "accuracy", "low", "high")


def _coverage_panels(readers: list[Curves], layout: Layout) -> Spec:
    frames = [frame for one in readers for frame in (one.ranked, one.agreed)]
    values = [value for frame in frames for end in ("accuracy", "low", "high") for value in frame[end]]
    y = share_axis("accuracy", "accuracy of what is kept", tenths([*values, *(one.majority for one in readers)]))
    width = layout.panel_width(len(readers), AXIS + NAME_ROOM)
    return grid([panel(_coverage_layers(one, y, width), one.reader, width, HEIGHT) for one in readers], layout)


def _coverage_layers(one: Curves, y: Spec, width: float) -> list[Spec]:
    scale = {"domain": [0, 1], "nice": False}
    x = {"field": "coverage", "type": "quantitative", "title": "share of questions kept", "scale": scale}
    x["axis"] = {"format": ".0%", "tickCount": 5, "grid": False}
    blue, red, steps = {"color": COLOURS[0]}, {"color": COLOURS[1]}, {"interpolate": "step-before"}
    line, interval = {"x": x, "y": y}, {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}}
    own = one.agreed.filter(pl.col("is_own"))
    majority = [] if one.majority is None else [{"accuracy": one.majority}]
    layers = [
        marks(majority, "rule", {"strokeDash": [2, 2], "color": QUIET}, y=y),
        marks(one.ranked, "area", blue | steps | {"opacity": 0.15}, **interval),
        marks(one.ranked, "line", blue | steps | {"strokeWidth": 2}, **line),
        marks(one.agreed.drop_nulls(["low", "high"]), "rule", red | {"opacity": 0.6}, **interval),
        marks(one.agreed, "line", red | {"strokeDash": DASHES[1]}, **line),
        marks(one.agreed, "point", red | {"filled": False, "size": 28, "shape": "square", "opacity": 1}, **line),
        marks(own, "point", red | POINT | {"size": 90, "shape": "square"}, **line),
    ]
    entries = [(RANKED, one.ranked.sort("coverage")["accuracy"][-1], STROKE | blue)]
    entries += [(DRAWN, row["accuracy"], red | {"shape": "square"}) for row in one.agreed.head(1).rows(named=True)]
    entries += [(f"{one.constant} {percent(row['accuracy'])}", row["accuracy"], STROKE) for row in majority]
    return layers + names_at_right(entries, y | {"field": "at"}, (width, NAME_ROOM), HEIGHT)


def share_axis(column: str, title: str, domain: tuple[float, float] = (0, 1)) -> Spec:
    """The y channel of a column of shares."""
    scale = {"domain": list(domain), "zero": False, "nice": False}
    axis = {"format": ".0%", "tickCount": 5}
    return {"field": column, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def plot_vote_curves(curves: pl.DataFrame, marked: Mapping[str, str]) -> list[Plot]:
    """Expected coverage and accuracy of the unanimous set over temperature, top_p and min_p, a row for each reader.

    A larger point marks the reader's own sampling; the band is the interval of the accuracy.

    Args:
        curves: frame of schema `VOTE_CURVES`.
        marked: sign after the name of a reader.
    """
    shown = visible_frame(curves)
    told = []
    for row in shown.filter(pl.col("is_own"), pl.col("parameter") == "temperature").iter_rows(named=True):
        accuracy = "" if row["accuracy"] is None else f", {with_ends(row, 'accuracy')} of these right"
        own = f"{name(row['reader'], marked)} at its own temperature of {row['value']:g}"
        told.append(f"{own}: {percent(row['coverage'])} unanimous{accuracy}.")
    title = "The unanimous set under other sampling"
    return [drawn(CURVES_PLOT, title, " ".join(told), partial(_vote_panels, shown, marked))]


def _vote_panels(curves: pl.DataFrame, marked: Mapping[str, str], layout: Layout) -> Spec:
    columns = curves["parameter"].n_unique() if layout.columns > 1 else 1
    across = Layout(layout.width, columns)
    width = across.panel_width(columns, AXIS)
    panels = [
        panel(_vote_layers(rows, str(parameter), width), name(reader, marked), width, SMALL)
        for (reader, parameter), rows in curves.group_by("reader", "parameter", maintain_order=True)
    ]
    return grid(panels, across, columns)


def _vote_layers(rows: pl.DataFrame, parameter: str, width: float) -> list[Spec]:
    scale = {"zero": False, "nice": False}
    x = {"field": "value", "type": "quantitative", "title": parameter, "scale": scale}
    x["axis"] = {"grid": False, "tickCount": 5}
    y, lines, layers = share_axis("at", "share"), [], []
    for number, (score, title) in enumerate(SCORES.items()):
        known = rows.drop_nulls(score).select(
            "value", "is_own", at=score, low=f"{score}_low", high=f"{score}_high"
        )  # fmt: skip
        band = known.drop_nulls(["low", "high"]) if score == "accuracy" else known.clear()
        colour = {"color": COLOURS[number]}
        point = POINT | colour | {"size": 60, "shape": SHAPES[number]}
        layers += [
            marks(band, "area", colour | {"opacity": 0.13}, x=x, y=y | {"field": "low"}, y2={"field": "high"}),
            marks(known, "line", colour | {"strokeDash": DASHES[number]}, x=x, y=y),
            marks(known.filter(pl.col("is_own")), "point", point, x=x, y=y),
        ]
        lines += [(title, known, INKS[number])] if len(known) else []
    return layers + _apart(lines, width, y)


def _apart(lines: list[tuple[str, pl.DataFrame, str]], width: float, y: Spec) -> list[Spec]:
    """The names of one or two lines, above the upper and below the lower one, where these are farthest apart."""
    if not lines:
        return []
    joined = lines[0][1].join(lines[-1][1], on="value", suffix="_other", maintain_order="left")
    if joined.is_empty():
        return []
    distance = (pl.col("at") - pl.col("at_other")).abs()
    widest = joined.sort(distance, descending=True, maintain_order=True).row(0, named=True)
    low, high = (float(end) for end in joined.select(low=pl.min("value"), high=pl.max("value")).row(0))
    place = 0.5 if low == high else (widest["value"] - low) / (high - low)
    align = "left" if place < 0.35 else "right" if place > 0.65 else "center"
    heights = [widest["at"], widest["at_other"]][: len(lines)]
    layers: list[Spec] = []
    for (title, _, colour), mine in zip(lines, heights, strict=True):
        is_upper = mine == max(heights) and (mine != min(heights) or not layers)
        look = {
            "align": align,
            "baseline": "middle",
            "color": colour,
            "fontWeight": "bold",
            "dy": -12 if is_upper else 12,
        }
        layers += on_paper([{"at": mine, "text": title}], look, x={"value": place * width}, y=y)
    return layers
