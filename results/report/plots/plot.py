"""Plots as SVG, drawn with Vega-Lite; they render frames and compute nothing.

Readers differ in colour, in dash and in the shape of their marks, so the plots can be read without colour.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import polars as pl
from markupsafe import escape

from results.report.visible import visible, visible_frame

# Okabe and Ito's palette without its yellow: easy to tell apart with the common colour deficiencies.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# Not as many as colours, so that the eighth reader does not look like the first.
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 1], [1, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
WIDTH, HEIGHT = 420, 280
STEPS_DRAWN = 400  # of a curve; more cannot be seen
MOST_ROWS = 4500  # of a plot: Altair refuses 5,000
FACET_WIDTH, FACET_HEIGHT = 230, 170


class Plot(NamedTuple):
    """A plot that can stand alone.

    Attributes:
        file: its file name, next to the report.
        title: what it shows, in a line.
        description: what somebody who cannot see it has to know; its numbers are in a table.
        svg: the picture; it carries title and description.
    """

    file: str
    title: str
    description: str
    svg: str


def described(file: str, title: str, description: str, svg: str) -> Plot:
    """A picture with its title and description written into it, for screen readers."""
    start, rest = svg.split(">", 1)
    told = f"<title>{escape(visible(title))}</title><desc>{escape(visible(description))}</desc>"
    return Plot(file, title, description, f'{start} role="img">{told}{rest}')


def plot_risk_coverage(curve: pl.DataFrame, labelers: pl.DataFrame, marks: Mapping[str, str]) -> str:
    """Accuracy of the questions above a threshold on P(unanimous), over the share of questions that is kept.

    Args:
        curve: frame of schema `RISK_COVERAGE`.
        labelers: frame of schema `LABELERS`, for the majority share, a horizontal rule.
        marks: sign after the name of a reader.
    """
    import altair as alt

    lines = (
        alt.Chart(_named(thinned(curve), marks))
        .mark_line(interpolate="step-before")
        .encode(
            x=alt.X("coverage:Q", title="share of questions kept", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("accuracy:Q", title="accuracy of what is kept", scale=alt.Scale(domain=[0, 1])),
            **_by_labeler(alt, curve, marks),
        )
    )
    shares = labelers.filter(pl.col("majority_share").is_not_null())["majority_share"].unique().to_list()
    rules = (
        alt.Chart(pl.DataFrame({"share": shares}, schema={"share": pl.Float64}))
        .mark_rule(color="#666666", strokeDash=[3, 3])
        .encode(y="share:Q")
    )
    title = "Keep the surest: accuracy by coverage (grey: always the majority label)"
    return to_svg(alt.layer(rules, lines).properties(width=WIDTH, height=HEIGHT, title=title))


def plot_vote_curves(curves: pl.DataFrame, marks: Mapping[str, str]) -> str:
    """Expected coverage and accuracy of the unanimous set over temperature, top_p and min_p.

    A point marks the reader's own sampling; bands are the intervals of the accuracy.

    Args:
        curves: frame of schema `VOTE_CURVES`.
        marks: sign after the name of a reader.
    """
    import altair as alt

    columns = []
    for parameter in curves["parameter"].unique(maintain_order=True):
        of_parameter = curves.filter(pl.col("parameter") == parameter)
        rows = []
        for score, title in (("coverage", "share unanimous"), ("accuracy", "accuracy of these")):
            known = of_parameter.filter(pl.col(score).is_not_null())
            base = alt.Chart(_named(known, marks)).encode(
                x=alt.X("value:Q", title=parameter), **_by_labeler(alt, curves, marks)
            )
            y = alt.Y(f"{score}:Q", title=title, scale=alt.Scale(domain=[0, 1]))
            band = base.mark_area(opacity=0.12, line=False).encode(
                y=alt.Y(f"{score}_low:Q", title=title), y2=f"{score}_high:Q"
            )
            own = (
                base.transform_filter("datum.is_own")
                .mark_point(filled=True, size=60)
                .encode(y=y, shape=_shape(alt, curves, marks))
            )
            layers = base.mark_line().encode(y=y) + own
            chart = band + layers if score == "accuracy" else layers
            rows.append(chart.properties(width=FACET_WIDTH, height=FACET_HEIGHT))
        columns.append(alt.vconcat(*rows))
    title = "The unanimous set under other sampling, from the same recorded distributions"
    return to_svg(alt.hconcat(*columns).properties(title=title))


def _named(frame: pl.DataFrame, marks: Mapping[str, str]) -> pl.DataFrame:
    """The rows with the marks after the names."""
    return visible_frame(frame.with_columns(reader=pl.col("reader").replace(_names(frame, marks))))


def thinned(curve: pl.DataFrame, most: int = STEPS_DRAWN) -> pl.DataFrame:
    """The steps of a curve, one per question, that are far enough apart to be seen."""
    n_steps = min(most, MOST_ROWS // curve["reader"].n_unique() - 1)
    steps = curve.with_columns(step=(pl.col("coverage") * n_steps).ceil())
    return steps.unique(["reader", "step"], keep="last", maintain_order=True).drop("step")


def _names(frame: pl.DataFrame, marks: Mapping[str, str]) -> dict[str, str]:
    readers = frame["reader"].unique(maintain_order=True).to_list()
    return {reader: f"{reader} {marks[reader]}" if reader in marks else reader for reader in readers}


def _by_labeler(alt: Any, frame: pl.DataFrame, marks: Mapping[str, str]) -> dict[str, Any]:
    names = [visible(name) for name in _names(frame, marks).values()]
    colours = alt.Scale(domain=names, range=[COLOURS[at % len(COLOURS)] for at in range(len(names))])
    dashes = alt.Scale(domain=names, range=[DASHES[at % len(DASHES)] for at in range(len(names))])
    return {
        "color": alt.Color("reader:N", title="reader", scale=colours),
        "strokeDash": alt.StrokeDash("reader:N", title="reader", scale=dashes),
    }


def _shape(alt: Any, frame: pl.DataFrame, marks: Mapping[str, str]) -> Any:
    names = [visible(name) for name in _names(frame, marks).values()]
    shapes = alt.Scale(domain=names, range=[SHAPES[at % len(SHAPES)] for at in range(len(names))])
    return alt.Shape("reader:N", title="reader", scale=shapes)


def tenths(values: Iterable[float | None]) -> tuple[float, float]:
    """The tenths around all values, for an axis that several plots or layers share."""
    known = [value for value in values if value is not None]
    if not known:
        return 0.0, 1.0
    low, high = math.floor(min(known) * 10) / 10, math.ceil(max(known) * 10) / 10
    return low, max(high, low + 0.1)


def wrapped(title: str) -> list[str]:
    """A title in lines that are no wider than a narrow plot, in wide fonts too."""
    return textwrap.wrap(visible(title), 38)


def to_svg(chart: Any) -> str:
    """The chart as SVG text, its legends' names whole."""
    # vl-convert brings its own Vega: no browser, no network.
    import vl_convert

    # Names are shown whole: model paths differ at their ends.
    chart = chart.configure_legend(labelLimit=0).configure_title(anchor="start", frame="group", fontSize=12)
    # The page is shown in a font that may be wider than the one that the plot was laid out in.
    svg: str = vl_convert.vegalite_to_svg(chart.configure_axisY(titlePadding=12).to_dict())
    return svg
