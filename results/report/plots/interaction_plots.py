"""Whether chunk size matters more to a small reader than to a large one: slopes with intervals."""

from __future__ import annotations

import polars as pl

from results.report.plots.plot import COLOURS, SHAPES, Plot, described, to_svg, wrapped
from results.report.visible import visible_frame
from results.settings import cuts_in

WIDTH, STEP = 300, 22


def plot_interactions(interactions: pl.DataFrame) -> list[Plot]:
    """Change in accuracy per doubling of the chunk size, for both readers and their difference; a plot for each pair.

    Args:
        interactions: the frame of that name.
    """
    plots = []
    rows = visible_frame(interactions.drop_nulls("difference"))
    of_pairs = rows.group_by("small", "large", "questions", maintain_order=True)
    for number, ((small, large, questions), of_pair) in enumerate(of_pairs, 1):
        title = f"{small} and {large}: change in accuracy per doubling of the chunk size ({questions} questions)"
        text = "Slopes with intervals, by cut. An interval that contains 0 shows no effect of size."
        svg = _forest(title, of_pair, [str(small), str(large), f"{small} minus {large}"])
        plots.append(described(f"interaction_{number}.svg", title, text, svg))
    return plots


def _forest(title: str, rows: pl.DataFrame, names: list[str]) -> str:
    import altair as alt

    long = pl.concat(
        rows.select(
            pl.Series("read", [cut.title for cut in cuts_in(rows)], dtype=pl.String), pl.lit(name).alias("what"),
            pl.col(column).alias("value"), pl.col(f"{column}_low").alias("low"), pl.col(f"{column}_high").alias("high"),
        )
        for column, name in zip(("slope_small", "slope_large", "difference"), names, strict=True)
    )  # fmt: skip
    legend = alt.Legend(orient="bottom", direction="vertical", columns=1)
    colour = alt.Color("what:N", title=None, legend=legend, scale=alt.Scale(domain=names, range=list(COLOURS[:3])))
    shape = alt.Shape("what:N", title=None, legend=legend, scale=alt.Scale(domain=names, range=list(SHAPES[:3])))
    reads = long["read"].unique(maintain_order=True).to_list()
    y = alt.Y("read:N", title=None, sort=reads)
    beside = alt.YOffset("what:N", sort=names, scale=alt.Scale(domain=names, paddingOuter=0.8))
    base = alt.Chart(long).encode(y=y, yOffset=beside, color=colour)
    change = "change in accuracy"
    bars = base.transform_filter("isValid(datum.low)").mark_rule().encode(x=alt.X("low:Q", title=change), x2="high:Q")
    points = base.mark_point(filled=True, size=50, opacity=1).encode(x=alt.X("value:Q", title=change), shape=shape)
    zero = alt.Chart(pl.DataFrame({"at": [0.0]})).mark_rule(strokeDash=[4, 3], color="#444444").encode(x="at:Q")
    height = STEP * 3 * len(reads)
    chart = alt.layer(zero, bars, points).properties(width=WIDTH, height=height, title=wrapped(title))
    return to_svg(chart.configure(aria=False))
