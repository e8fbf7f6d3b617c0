"""The attribution ladder as stacked bars: what was right, and where the rest was lost."""

from __future__ import annotations

from functools import partial

import polars as pl

from results.report.plots.plot import Plot, described, to_svg, wrapped
from results.report.visible import visible_frame
from results.settings import CUT, cuts_in

# In the order of the bars, with the letter and the number's colour; light to dark, so that they differ without colours.
PARTS = {
    "right": ("A", "#CFE8F7", "black"),
    "lost by retrieval": ("T", "#E69F00", "black"),
    "lost by chunking": ("C", "#0072B2", "white"),
    "lost by the reader": ("R", "#222222", "white"),
}
COLUMNS = ("retrieved", "retrieval_loss", "chunking_loss", "reader_loss")
STEP, WIDTH = 40, 320
WRITTEN_FROM = 0.1  # shorter parts have no room for their number


def plot_ladder(ladder: pl.DataFrame) -> list[Plot]:
    """A plot for each reader and cut, a bar for each setting, on the gold set.

    A part that is negative (oracle chunks that do better than the whole document) is drawn to the left of 0; the parts
    to the right then pass 1 by as much.

    Args:
        ladder: the frame of that name.
    """
    readers = ladder["reader"].unique(maintain_order=True).to_list()
    gold = ladder.filter(pl.col("questions") == "gold").drop_nulls(COLUMNS)
    plots = []
    for (reader, *_), rows in gold.group_by("reader", *CUT, maintain_order=True):
        cut = cuts_in(rows)[0]
        title = f"{reader}, {cut.title}: what is right, and where the rest is lost"
        letters = "; ".join(f"{letter}: {name}" for name, (letter, *_) in PARTS.items())
        file = f"ladder_{readers.index(reader) + 1}_{cut.file_part}.svg"
        described_by = f"Stacked bars of shares. {letters}. Negative shares are to the left of 0."
        plots.append(described(file, title, described_by, _bars(title, visible_frame(rows))))
    return plots


def _bars(title: str, rows: pl.DataFrame) -> str:
    import altair as alt

    names = [f"{letter}: {name}" for name, (letter, *_) in PARTS.items()]
    long = pl.concat(
        rows.select(
            "setting", pl.lit(name).alias("part"), pl.lit(at).alias("order"), pl.col(column).alias("share"),
            pl.col(column).map_elements(partial(_number, name[0]), return_dtype=pl.String).alias("text"),
        )
        for at, (name, column) in enumerate(zip(names, COLUMNS, strict=True))
    )  # fmt: skip
    y = alt.Y("setting:N", title=None, sort=rows["setting"].to_list(), axis=None, scale=alt.Scale(padding=0.55))
    x = alt.X("share:Q", title="share of the gold questions", stack="zero", axis=alt.Axis(format=".1f", tickCount=6))
    look = alt.Scale(domain=names, range=[colour for _, colour, _ in PARTS.values()])
    legend = alt.Legend(orient="bottom", direction="vertical", columns=1)
    stacked = alt.Chart(long).encode(order="order:Q", y=y)
    bars = stacked.mark_bar(stroke="black", strokeWidth=0.6).encode(
        x=x, color=alt.Color("part:N", title=None, scale=look, legend=legend)
    )
    inks = alt.Scale(domain=names, range=[ink for *_, ink in PARTS.values()])
    numbers = stacked.mark_text(fontSize=9).encode(
        x=alt.X("share:Q", stack="zero", bandPosition=0.5),
        text="text:N",
        color=alt.Color("part:N", scale=inks, legend=None),
    )
    # Names are above their bars: next to them, the longest would leave no room on a phone.
    labels = alt.Chart(rows.select("setting")).mark_text(align="left", baseline="bottom", dy=-10, fontSize=10)
    labels = labels.encode(y=y, x=alt.value(0), text="setting:N")
    chart = alt.layer(bars, numbers, labels).resolve_scale(color="independent")
    return to_svg(chart.properties(width=WIDTH, height=alt.Step(STEP), title=wrapped(title)).configure(aria=False))


def _number(letter: str, value: float) -> str:
    """The letter and two decimals without the zero before them, as in `A .62`; nothing where there is no room."""
    written = f"{value:.2f}".replace("0.", ".", 1)
    return f"{letter} {written}" if abs(value) >= WRITTEN_FROM else ""
