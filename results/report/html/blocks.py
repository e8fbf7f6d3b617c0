"""What a section of the HTML report is made of; the templates render these and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
from markupsafe import Markup

from results.report.html.example_view import ShownExample
from results.report.plots.plot import Plot

WIDE = 520  # pixels of a plot that does not fit next to another
_WIDTH = re.compile(r'<svg [^>]*?\bwidth="(\d+)')


class Limits(NamedTuple):
    """How much the report may show before it points to a file instead.

    Attributes:
        rows: of a table.
        plot_bytes: of all plots together.
        prose_bytes: of a section that comes from the Markdown report.
        examples: of worst examples.
    """

    rows: int = 300
    plot_bytes: int = 2_000_000
    prose_bytes: int = 300_000
    examples: int = 1000

    def divided(self, by: int) -> Limits:
        """Less of everything."""
        return Limits(*(limit // by for limit in self))


class Table(NamedTuple):
    """A table that opens on demand; `note` says what is not shown."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    kind: str = "table"


class Figure(NamedTuple):
    """A plot as SVG; a wide one has a row of its own, in which a small screen scrolls."""

    svg: Markup
    is_wide: bool


class Figures(NamedTuple):
    """Plots side by side where there is room; those left out are files next to the report."""

    plots: Sequence[Figure]
    left_out: Sequence[str]
    kind: str = "figures"


class Prose(NamedTuple):
    """A paragraph of text, or of markup that the Markdown report gave."""

    text: str | Markup
    kind: str = "prose"


class Lines(NamedTuple):
    """A list of lines."""

    lines: Sequence[str]
    kind: str = "lines"


class Heading(NamedTuple):
    """A heading inside a section."""

    text: str
    kind: str = "heading"


class Examples(NamedTuple):
    """Worst examples of one reader."""

    examples: Sequence[ShownExample]
    kind: str = "examples"


Block = Table | Figures | Prose | Lines | Heading | Examples


class Section(NamedTuple):
    """A section of the report with the anchor that the contents point to."""

    anchor: str
    title: str
    blocks: Sequence[Block]


def head_of(frame: pl.DataFrame, limits: Limits, file: str) -> tuple[pl.DataFrame, str]:
    """As many rows as a table may have, and a note on where the others are."""
    more = len(frame) - limits.rows
    return frame.head(limits.rows), f"… and {more} more rows in {file}." if more > 0 else ""


class Shelf:
    """The plots of a run, handed out until their bytes are spent; `ids` in them are made unique on the page."""

    def __init__(self, plots: Sequence[Plot], limits: Limits) -> None:
        self._by_file = {plot.file: plot for plot in plots}
        self._left = limits.plot_bytes
        self._shown: set[str] = set()

    def take(self, prefix: str) -> Figures | None:
        """All plots whose file name starts with the prefix; None where there are none."""
        plots = [plot for file, plot in self._by_file.items() if file.startswith(prefix) and file not in self._shown]
        inline: list[Figure] = []
        left_out: list[str] = []
        for plot in plots:
            if len(plot.svg) > self._left:
                left_out.append(plot.file)
                continue
            self._left -= len(plot.svg)
            self._shown.add(plot.file)
            inline.append(inlined(plot, len(self._shown)))
        return Figures(inline, left_out) if plots else None


def inlined(plot: Plot, number: int) -> Figure:
    """The SVG with ids of its own: as drawn, the clip paths of all plots have the same names."""
    svg = plot.svg
    for mark in ('id="', "url(#"):
        svg = svg.replace(f"{mark}clip", f"{mark}p{number}-clip")
    # Drawn by Vega, which escapes every text; the title and the description are escaped by `plots.plot.described`.
    width = _WIDTH.search(svg)
    return Figure(Markup(svg), width is not None and int(width[1]) > WIDE)  # noqa: S704  # drawn by Vega, which escapes
