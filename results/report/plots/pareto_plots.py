"""What accuracy costs: a reader's cells by the context they read, and the frontier of those that no other beats."""

from __future__ import annotations

import polars as pl

from results.report.plots.plot import COLOURS, Plot, described, tenths, to_svg, wrapped
from results.report.visible import visible_frame
from results.settings import cut_of

WIDTH, HEIGHT = 320, 260
MOST_NAMED = 15  # frontier cells in the key
LEVELS = {"document": "whole document", "closed_book": "closed book"}


def frontier(cells: pl.DataFrame, reader: str) -> pl.DataFrame:
    """The Pareto cells of a reader from the cheapest on, with `number` from 1: as plot and table number them."""
    rows = cells.filter((pl.col("reader") == reader) & pl.col("is_pareto")).drop_nulls("gold_accuracy")
    return rows.sort("n_context_tokens", "gold_accuracy", "setting").with_row_index("number", 1)


def plot_pareto(cells: pl.DataFrame, baselines: pl.DataFrame | None) -> list[Plot]:
    """Gold accuracy over context tokens, a plot for each reader; frontier cells are numbered, and named in a key.

    Args:
        cells: the cells of a sweep.
        baselines: the frame of that name; its accuracies are horizontal rules.
    """
    plots = []
    for number, reader in enumerate(cells["reader"].unique(maintain_order=True), 1):
        rows = (
            cells.filter(pl.col("reader") == reader).drop_nulls("gold_accuracy").filter(pl.col("n_context_tokens") > 0)
        )
        if rows.is_empty():
            continue
        title = f"{reader}: accuracy on its gold set by the tokens of context it reads"
        text = "Hollow points: all cells. Numbered points on a line: no cell is as accurate with fewer tokens."
        svg = _scatter(title, visible_frame(rows), visible_frame(frontier(cells, reader)), _levels(baselines, reader))
        plots.append(described(f"pareto_{number}.svg", title, text, svg))
    return plots


def _levels(baselines: pl.DataFrame | None, reader: str) -> pl.DataFrame:
    if baselines is None:
        return pl.DataFrame(schema={"arm": pl.String(), "gold_accuracy": pl.Float64()})
    rows = baselines.filter(pl.col("reader") == reader).drop_nulls("gold_accuracy")
    return rows.select(pl.col("arm").replace(LEVELS), "gold_accuracy")


def _scatter(title: str, rows: pl.DataFrame, best: pl.DataFrame, levels: pl.DataFrame) -> str:
    import altair as alt

    scale = alt.Scale(type="log", nice=False, padding=12)
    axis = alt.Axis(labelOverlap="greedy", labelSeparation=12)
    x = alt.X("n_context_tokens:Q", title="mean tokens of context (logarithmic)", scale=scale, axis=axis)
    ends = [value for end in ("", "_low", "_high") for value in best[f"gold_accuracy{end}"]]
    domain = tenths([*ends, *rows["gold_accuracy"], *levels["gold_accuracy"]])
    y = alt.Y("gold_accuracy:Q", title="accuracy", scale=alt.Scale(domain=list(domain), zero=False))
    place = ["n_context_tokens", "gold_accuracy"]
    every = alt.Chart(rows.select(place)).mark_point(filled=False, size=30, color="#777777", opacity=0.8)
    on_it = best.select("number", *place, low="gold_accuracy_low", high="gold_accuracy_high")
    known = alt.Chart(on_it).encode(x=x)
    line = known.mark_line(interpolate="step-after", color=COLOURS[0])
    bars = known.transform_filter("isValid(datum.low)").mark_rule(color=COLOURS[0]).encode(
        y=alt.Y("low:Q", title="accuracy"), y2="high:Q"
    )  # fmt: skip
    points = known.mark_point(filled=True, size=170, shape="square", color="white", stroke=COLOURS[0], opacity=1)
    numbers = known.mark_text(fontSize=10, fontWeight="bold", color="black").encode(y=y, text="number:N")
    rules = alt.Chart(levels).mark_rule(strokeDash=[5, 4], color="#444444").encode(y=y)
    names = alt.Chart(levels).mark_text(align="right", dy=-5, fontSize=10, color="#222222")
    names = names.encode(y=y, x=alt.value(WIDTH - 2), text="arm:N")
    layers = (rules, names, every.encode(x=x, y=y), line.encode(y=y), bars, points.encode(y=y), numbers)
    heading = alt.TitleParams(wrapped(title), subtitle=_key(best), subtitleFontSize=10)
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=heading)
    return to_svg(chart.configure(aria=False))


def _key(best: pl.DataFrame) -> list[str]:
    named = [f"{row['number']}  {row['setting']} {cut_of(row).name}" for row in best.iter_rows(named=True)]
    more = len(named) - MOST_NAMED
    return named[:MOST_NAMED] + ([f"and {more} more: see the table"] if more > 0 else [])
