"""The attribution ladder: what was right, and where the rest was lost, a column for each."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import polars as pl

from results.report.plots.placing import cut_words, percent
from results.report.plots.plot import COLOURS, LETTER, Layout, Plot, Spec, drawn, marks, on_paper, panel
from results.report.plots.rows import LOW_ROW, ROW, Listed, listed
from results.report.visible import visible_frame
from results.settings import CUT, cut_of, spoken_in

# The columns in their order, with their headings; the first is what is left.
PARTS = {
    "retrieved": "right",
    "retrieval_loss": "lost by\nretrieval",
    "chunking_loss": "lost by\nchunking",
    "reader_loss": "lost by\nthe reader",
}
MOST_ROWS = 24  # of a plot; where a reader has more, each cut has a plot of its own
BAR, BESIDE, NUMBER = 10, 14, 42
MOST_ROOM = 250  # for the names of rows


class Ladder(NamedTuple):
    """A reader's rows, each with a share for each part; their names by their headings; and the ends of the axis."""

    frame: pl.DataFrame
    names: list[tuple[str, list[str]]]
    domain: tuple[float, float]


def plot_ladder(ladder: pl.DataFrame) -> list[Plot]:
    """A plot for each reader, a row for each setting and cut, on the gold set.

    A part that is negative (oracle chunks that do better than the whole document) is drawn to the left of 0.

    Args:
        ladder: the frame of that name.
    """
    readers = visible_frame(ladder)["reader"].unique(maintain_order=True).to_list()
    gold = visible_frame(ladder.filter(pl.col("questions") == "gold").drop_nulls(list(PARTS)))
    gold = gold.sort(CUT, descending=[True, False], maintain_order=True)
    words = spoken_in(gold).names(gold)
    plots = []
    for (reader,), mine in gold.group_by("reader", maintain_order=True):
        number = readers.index(reader) + 1
        parts = [("", "", mine)]
        if len(mine) > MOST_ROWS:
            grouped = mine.group_by(CUT, maintain_order=True)
            parts = [(f"_{(cut := cut_of(rows.row(0, named=True))).file_part}", f", {cut_words(cut)} read", rows)
                     for _, rows in grouped]  # fmt: skip
        for file, read, rows in parts:
            title = f"{reader}: where answers are lost{read}"
            plots.append(
                drawn(
                    f"ladder_{number}{file}.svg", title, _told(rows, words), partial(_columns, _laid_out(rows, words))
                )
            )
    return plots


def _laid_out(frame: pl.DataFrame, words: dict[str, str]) -> Ladder:
    names = [
        (f"{cut_words(cut_of(rows.row(0, named=True)))} read", [words[name] for name in rows["setting"]])
        for _, rows in frame.group_by(CUT, maintain_order=True)
    ]
    values = [value for name in PARTS for value in frame[name]]
    return Ladder(frame, names, (min(0.0, *values), max(0.1, *values)))


def _told(rows: pl.DataFrame, words: dict[str, str]) -> str:
    best, worst = (
        rows.sort("retrieved", descending=down, maintain_order=True).row(0, named=True) for down in (True, False)
    )
    told = []
    for how, row in (("Most is right", best), ("Least is right", worst)):
        losses = ", ".join(f"{percent(row[name])} {PARTS[name].replace(chr(10), ' ')}" for name in list(PARTS)[1:])
        where = f"{words[row['setting']]}, {cut_words(cut_of(row))} read"
        told.append(f"{how} with {where}: {percent(row['retrieved'])} right, {losses}.")
    return " ".join(told)


def _columns(ladder: Ladder, layout: Layout) -> Spec:
    """A field for each part, on one scale; the names of the rows are above the bars, or where there is room beside."""
    is_beside = layout.columns > 1
    rows = listed(ladder.names, LOW_ROW if is_beside else ROW)
    room = min(MOST_ROOM, max(len(name) for _, names in ladder.names for name in names) * LETTER) if is_beside else 0
    width = int((layout.width - room - BESIDE * (len(PARTS) + is_beside)) / len(PARTS)) - 4
    low, high = ladder.domain
    # The longest bar leaves room for its number.
    scale = {"domain": [low, high + (high - low) * NUMBER / (width - NUMBER)], "nice": False, "zero": False}
    x = {"type": "quantitative", "scale": scale, "axis": None}
    fields = [panel(rows.names(), "", room, rows.height)] if is_beside else []
    for at, (name, heading) in enumerate(PARTS.items()):
        bars = _bars(ladder, name, rows, x, COLOURS[0] if at == 0 else COLOURS[1])
        names = [] if is_beside or at else rows.names()
        fields.append(panel([*bars, *names], heading.split("\n"), width, rows.height))
    return {"hconcat": fields, "spacing": BESIDE}


def _bars(ladder: Ladder, part: str, rows: Listed, x: Spec, colour: str) -> list[Spec]:
    """The line at 0, and each bar with its number at its end."""
    shares = [
        {"at": at, "zero": 0, "share": share, "end": max(0.0, share), "text": percent(share)}
        for at, share in zip(rows.middles(), ladder.frame[part], strict=True)
    ]
    bar = {"size": BAR, "color": colour}
    return [
        rows.nought(x),
        marks(shares, "bar", bar, x=x | {"field": "zero"}, x2={"field": "share"}, y=rows.y()),
        *on_paper(shares, {"dx": 4, "baseline": "middle"}, x=x | {"field": "end"}, y=rows.y()),
    ]
