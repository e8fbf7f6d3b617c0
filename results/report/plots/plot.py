"""What a plot is: its words, its two layouts, its looks; drawn by Vega-Lite from frames, computing nothing.

Series differ in colour, in dash and in the shape of their marks, so plots can be read without colour. They are named
where they end, not in a legend. A specification is written as Vega-Lite's own JSON: building the same one through
Altair's classes takes a hundred times as long as drawing it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
from markupsafe import escape

from results.report.visible import visible

Spec = dict[str, Any]
Rows = pl.DataFrame | Sequence[Mapping[str, Any]]

# Okabe and Ito's palette without its yellow: easy to tell apart with the common colour deficiencies.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# Not as many as colours, so that the eighth series does not look like the first.
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 1], [1, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
INK, QUIET, GRID = "#1b1b1b", "#555555", "#e3e3e3"
FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
SIZE = 12  # of letters, in pixels of a layout; a narrow plot keeps 8 points in a column of a paper
LINE = SIZE + 1  # height of a line of text
LETTER = 6.4  # mean width of a letter
BOLD_LETTER, TITLE_LETTER = 7.0, 7.8  # the same in the name of a panel, and in the title
GAP = 24  # between panels
POINT: Spec = {"filled": True, "size": 50, "opacity": 1}
# The mark of a rule beside its name.
STROKE: Spec = {"filled": False, "size": 110, "strokeWidth": 2, "shape": "stroke", "color": QUIET}
STYLE: Spec = {
    "font": FONT,
    "aria": False,
    # A reader's font may be wider than the one that the plot was laid out in.
    "padding": {"left": 6, "top": 6, "bottom": 6, "right": 20},
    "axis": {
        "labelFontSize": SIZE, "titleFontSize": SIZE, "titleFontWeight": "normal", "labelColor": INK,
        "titleColor": INK, "gridColor": GRID, "domainColor": QUIET, "tickColor": QUIET, "titlePadding": 8,
    },
    "view": {"stroke": None},
}  # fmt: skip


# Vega escapes the signs of markup in texts, so these are found in its own tags only.
_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_ARIA = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
_UNSEEN = re.compile(r'<path [^<>]*display="none"/>')


class Layout(NamedTuple):
    """How wide a plot is, and how many panels are side by side at most."""

    width: int
    columns: int

    def across(self, panels: int) -> int:
        """How many of so many panels are side by side."""
        return max(1, min(panels, self.columns))

    def panel_width(self, panels: int, beside: float) -> int:
        """Width of the field of each panel, with so many pixels beside it for its axis and its names."""
        columns = self.across(panels)
        return max(90, int((self.width - GAP * (columns - 1)) / columns - beside))


WIDE, NARROW = Layout(780, 2), Layout(340, 1)


class Plot(NamedTuple):
    """A plot that can stand alone.

    Attributes:
        file: its file name, next to the report.
        title: what it shows, in a short line.
        description: for somebody who cannot see it: a sentence with its main numbers.
        svg: the picture; it carries title and description.
        narrow: the same for a phone or a column of a paper; empty where the one layout serves both.
    """

    file: str
    title: str
    description: str
    svg: str
    narrow: str = ""


def drawn(file: str, title: str, description: str, draw: Callable[[Layout], Spec]) -> Plot:
    """A plot in both layouts.

    Args:
        file: its file name.
        title: a short line.
        description: a sentence with its main numbers.
        draw: makes the specification for a layout.
    """
    wide, narrow = (described(file, title, description, to_svg(draw(of), title, of)).svg for of in (WIDE, NARROW))
    return Plot(file, title, description, wide, narrow)


def described(file: str, title: str, description: str, svg: str) -> Plot:
    """A picture with its title and description written into it, for screen readers."""
    start, rest = svg.split(">", 1)
    told = f"<title>{escape(visible(title))}</title><desc>{escape(visible(description))}</desc>"
    name = escape(f"{visible(title)}. {visible(description)}")
    return Plot(file, title, description, f'{start} role="img" aria-label="{name}">{told}{rest}')


def to_svg(spec: Spec, title: str, layout: Layout) -> str:
    """The specification as SVG text, under its title."""
    # vl-convert brings its own Vega: no browser, no network.
    import vl_convert

    heading = {"text": wrapped(title, layout.width, TITLE_LETTER), "fontSize": 14, "offset": 14} | _TITLE
    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "vconcat": [spec], "title": heading}
    svg: str = vl_convert.vegalite_to_svg(whole | {"config": STYLE})
    # A plot has one description; its groups would be read out one by one, and some of its paths are never shown.
    return _TAG.sub(lambda tag: _ARIA.sub("", tag[0]), _UNSEEN.sub("", svg))


_TITLE: Spec = {"anchor": "start", "frame": "group", "color": INK, "fontWeight": "bold"}


def marks(
    rows: pl.DataFrame | Sequence[Mapping[str, Any]], mark: str, look: Spec | None = None, **channels: Spec
) -> Spec:
    """A mark for each row.

    Args:
        rows: a frame, or its rows.
        mark: its type.
        look: its properties.
        channels: the encoding.
    """
    values = rows.to_dicts() if isinstance(rows, pl.DataFrame) else list(rows)
    return {"data": {"values": values}, "mark": {"type": mark} | (look or {}), "encoding": channels}


def panel(layers: Sequence[Spec], title: str | Sequence[str], width: float, height: float) -> Spec:
    """Layers in a field of so many pixels, under a name; a layer without rows is left out."""
    lines = [visible(line) for line in title] if not isinstance(title, str) else wrapped(title, width, BOLD_LETTER)
    heading = {"text": lines, "fontSize": SIZE, "offset": 8} | _TITLE
    # Without rows of its own, a layer would be drawn from those of another.
    filled = [one for one in layers if one["data"]["values"]]
    return {"layer": filled, "width": width, "height": height, "title": heading}


def grid(panels: Sequence[Spec], layout: Layout, columns: int = 0) -> Spec:
    """Panels side by side and one below the other, as the layout has room."""
    return {"concat": list(panels), "columns": columns or layout.across(len(panels)), "spacing": GAP}


def looks(names: Sequence[str], places: Sequence[int]) -> dict[str, Spec]:
    """The channels `color`, `shape` and `strokeDash` of the field `series`.

    Args:
        names: of the series.
        places: of each in the order of all series, so that it looks the same in every plot.
    """
    return {
        channel: {
            "field": "series", "type": "nominal", "legend": None,
            "scale": {"domain": list(names), "range": [values[at % len(values)] for at in places]},
        }
        for channel, values in (("color", COLOURS), ("shape", SHAPES), ("strokeDash", DASHES))
    }  # fmt: skip


def wrapped(text: str, width: float, letter: float = LETTER) -> list[str]:
    """A text in lines that fit into so many pixels; a long name is broken, never cut short."""
    return textwrap.wrap(visible(text), max(8, int(width / letter))) or [""]


def on_paper(rows: Rows, look: Spec, **channels: Spec) -> list[Spec]:
    """Text with an edge of paper around it, so that it can be read on top of lines.

    Args:
        rows: with a column `text`; lines are parted by line breaks.
        look: properties of the mark.
        channels: where it is.
    """
    base: Spec = {"align": "left", "fontSize": SIZE, "lineHeight": LINE, "lineBreak": "\n", "color": INK} | look
    edge = {"stroke": "white", "strokeWidth": 3, "strokeJoin": "round", "color": "white"}
    text = {"field": "text", "type": "nominal"}
    return [marks(rows, "text", base | of, **channels, text=text) for of in (edge, {})]
