"""The attribution ladder: what was right, and where the rest was lost, a column for each."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import polars as pl

from results.report.plots.placing import cut_words, percent, setting_words
from results.report.plots.plot import COLOURS, Layout, Plot, Spec, drawn, marks, on_paper, panel
from results.report.plots.rows import Listed, listed
from results.report.visible import visible_frame
from results.settings import CUT, cut_of

# The columns in their order, with their headings; the first is what is left.
PARTS = {
    "retrieved": "right",
    "retrieval_loss": "lost by\nretrieval",
    "chunking_loss": "lost by\nchunking",
    "reader_loss": "lost by\nthe reader",
}
MOST_ROWS = 24  # of a plot; where a reader has more, each cut has a plot of its own
BAR, BESIDE, NUMBER = 10, 14, 42


class Ladder(NamedTuple):
    """A reader's rows, each with a share for each part, and the ends of the axis."""

    rows: Listed
    frame: pl.DataFrame
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
    words = setting_words(gold)
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
    parts = [
        (f"{cut_words(cut_of(rows.row(0, named=True)))} read", [words[name] for name in rows["setting"]])
        for _, rows in frame.group_by(CUT, maintain_order=True)
    ]
    rows = listed(parts)
    values = [value for name in PARTS for value in frame[name]]
    return Ladder(rows, frame.with_columns(at=pl.Series(rows.middles())), (min(0.0, *values), max(0.1, *values)))


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
    """A field for each part, on one scale; the names of the rows are in the first, above the bars."""
    width = int((layout.width - BESIDE * len(PARTS)) / len(PARTS)) - 4
    low, high = ladder.domain
    # The longest bar leaves room for its number.
    scale = {"domain": [low, high + (high - low) * NUMBER / (width - NUMBER)], "nice": False, "zero": False}
    x = {"type": "quantitative", "scale": scale, "axis": None}
    y = ladder.rows.y()
    fields = []
    for at, (name, heading) in enumerate(PARTS.items()):
        rows = [
            {"at": row["at"], "zero": 0, "share": row[name], "end": max(0.0, row[name]), "text": percent(row[name])}
            for row in ladder.frame.iter_rows(named=True)
        ]
        bar = {"size": BAR, "color": COLOURS[0] if at == 0 else COLOURS[1]}
        layers = [
            ladder.rows.nought(x),
            marks(rows, "bar", bar, x=x | {"field": "zero"}, x2={"field": "share"}, y=y),
            *on_paper(rows, {"dx": 4, "baseline": "middle"}, x=x | {"field": "end"}, y=y),
            *(ladder.rows.names() if at == 0 else []),
        ]
        fields.append(panel(layers, heading.split("\n"), width, ladder.rows.height))
    return {"hconcat": fields, "spacing": BESIDE}
