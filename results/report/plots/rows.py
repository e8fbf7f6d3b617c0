"""Plots that read like a table: a line for each row, under headings, with a field for each number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from results.report.plots.plot import QUIET, Spec, marks, on_paper
from results.report.visible import visible

ROW, LOW_ROW, HEADING = 31, 19, 24  # pixels of a row with its name above its mark or next to it, and of a heading


class Row(NamedTuple):
    """A line: its name, and where it is; a heading has no marks."""

    name: str
    top: float
    is_heading: bool


class Listed(NamedTuple):
    """Rows under their headings, in pixels from the top.

    Attributes:
        rows: from top to bottom.
        height: of all of them.
        row: height of a row.
    """

    rows: list[Row]
    height: float
    row: float

    def middles(self) -> list[float]:
        """The middle of the mark of each row that is no heading."""
        share = 0.68 if self.row == ROW else 0.5
        return [row.top + self.row * share for row in self.rows if not row.is_heading]

    def y(self) -> Spec:
        """The y channel: pixels from the top, in the field `at`."""
        scale = {"domain": [self.height, 0], "nice": False, "zero": False, "padding": 0}
        return {"field": "at", "type": "quantitative", "axis": None, "scale": scale}

    def names(self) -> list[Spec]:
        """The names of the rows and the headings, at the left edge."""
        layers = []
        for is_heading in (True, False):
            of = [{"at": row.top + 3, "text": row.name} for row in self.rows if row.is_heading == is_heading]
            look: Spec = {"baseline": "top"} | ({"fontWeight": "bold"} if is_heading else {})
            layers += on_paper(of, look, x={"value": 0}, y=self.y()) if of else []
        return layers

    def nought(self, x: Spec) -> Spec:
        """The line at 0."""
        ends: Spec = {"y": {"value": 0}, "y2": {"value": self.height}}
        return marks([{"zero": 0}], "rule", {"color": QUIET}, x=x | {"field": "zero"}, **ends)


def listed(parts: Iterable[tuple[str, Sequence[str]]], row: float = ROW) -> Listed:
    """Lay rows out.

    Args:
        parts: a heading, or nothing, and the names of the rows under it.
        row: height of a row; in a low one, the name is next to the mark.
    """
    rows, top = [], 0.0
    for heading, names in parts:
        if heading:
            rows.append(Row(visible(heading), top, True))
            top += HEADING
        for name in names:
            rows.append(Row(visible(name), top, False))
            top += row
    return Listed(rows, top, row)
