"""What accuracy costs: a reader's cells by the context they read, and the frontier of those that no other beats."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from results.report.plots.placing import ARMS, cut_words, percent, spread, tenths, with_ends
from results.report.plots.plot import (
    COLOURS,
    LETTER,
    LINE,
    QUIET,
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
from results.settings import cut_of, spoken_in

HEIGHT, AXIS = 260, 76
MOST_NAMED = 8  # frontier cells of a panel; the table has them all
LEVELS = {name: ARMS[name] for name in ("document", "closed_book")}


class Costs(NamedTuple):
    """A reader's cells, its frontier and its baselines, and the words for its settings."""

    reader: str
    rows: pl.DataFrame
    best: pl.DataFrame
    levels: pl.DataFrame
    words: dict[str, str]


class Field(NamedTuple):
    """The ends of the axes of a panel, and its size in pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float

    def left(self, tokens: float) -> float:
        """Pixels from the left."""
        low, high = (math.log(end) for end in self.x)
        return (math.log(tokens) - low) / (high - low) * self.width

    def top(self, accuracy: float) -> float:
        """Pixels from the top."""
        return (self.y[1] - accuracy) / (self.y[1] - self.y[0]) * HEIGHT

    def tokens(self, left: float) -> float:
        """What is so many pixels from the left."""
        low, high = (math.log(end) for end in self.x)
        return math.exp(low + left / self.width * (high - low))

    def accuracy(self, top: float) -> float:
        """What is so many pixels from the top."""
        return self.y[1] - top / HEIGHT * (self.y[1] - self.y[0])

    def tokens_axis(self) -> Spec:
        """The x channel."""
        scale = {"type": "log", "nice": False, "domain": list(self.x)}
        axis = {"labelOverlap": "greedy", "labelSeparation": 12, "grid": False, "tickCount": 6, "format": ",d"}
        title = "mean tokens of context (log scale)"
        return {"field": "n_context_tokens", "type": "quantitative", "title": title, "axis": axis, "scale": scale}

    def accuracy_axis(self) -> Spec:
        """The y channel, of the field `at`."""
        scale = {"domain": list(self.y), "zero": False, "nice": False}
        axis = {"format": ".0%", "tickCount": 6}
        title = "accuracy on the gold set"
        return {"field": "at", "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def frontier(cells: pl.DataFrame, reader: str) -> pl.DataFrame:
    """The Pareto cells of a reader from the cheapest on, with `number` from 1: as plot and table number them."""
    rows = cells.filter((pl.col("reader") == reader) & pl.col("is_pareto")).drop_nulls("gold_accuracy")
    return rows.sort("n_context_tokens", "gold_accuracy", "setting").with_row_index("number", 1)


def plot_pareto(cells: pl.DataFrame, baselines: pl.DataFrame | None) -> list[Plot]:
    """Gold accuracy over context tokens, a panel for each reader; frontier cells are named.

    Args:
        cells: the cells of a sweep.
        baselines: the frame of that name; its accuracies are horizontal rules.
    """
    shown = visible_frame(cells)
    words = spoken_in(shown).names(shown)
    costs = []
    for reader in shown["reader"].unique(maintain_order=True):
        rows = shown.filter(pl.col("reader") == reader, pl.col("n_context_tokens") > 0).drop_nulls("gold_accuracy")
        if len(rows):
            costs.append(Costs(reader, rows, frontier(shown, reader), _levels(baselines, reader), words))
    told = " ".join(map(_told, costs))
    title = "Accuracy by the tokens of context read"
    return [drawn("pareto.svg", title, told, partial(_panels, costs))] if costs else []


def _levels(baselines: pl.DataFrame | None, reader: str) -> pl.DataFrame:
    if baselines is None:
        return pl.DataFrame(schema={"arm": pl.String(), "at": pl.Float64()})
    rows = visible_frame(baselines).filter(pl.col("reader") == reader).drop_nulls("gold_accuracy")
    return rows.select(pl.col("arm").replace(ARMS), at="gold_accuracy")


def _name(row: dict[str, Any], words: dict[str, str]) -> str:
    return f"{words[row['setting']]}, {cut_words(cut_of(row))} read"


def _told(one: Costs) -> str:
    """The frontier in words."""
    told = [
        f"{with_ends(row, 'gold_accuracy')} for {row['n_context_tokens']:.0f} tokens ({_name(row, one.words)})"
        for row in one.best.head(MOST_NAMED).iter_rows(named=True)
    ]
    return f"{one.reader}, {len(one.rows)} cells; no other is as accurate with fewer tokens: {'; '.join(told)}."


def _panels(costs: list[Costs], layout: Layout) -> Spec:
    width = layout.panel_width(len(costs), AXIS)
    every = pl.concat([one.rows["n_context_tokens"] for one in costs])
    ends = [value for one in costs for end in ("", "_low", "_high") for value in one.best[f"gold_accuracy{end}"]]
    values = [*ends, *(value for one in costs for value in (*one.rows["gold_accuracy"], *one.levels["at"]))]
    field = Field((float(every.min()) / 1.15, float(every.max()) * 1.15), tenths(values), width)  # type: ignore[arg-type]
    return grid([panel(_layers(one, field), one.reader, width, HEIGHT) for one in costs], layout)


def _layers(one: Costs, field: Field) -> list[Spec]:
    best = one.best.select(
        "number", "n_context_tokens", at="gold_accuracy", low="gold_accuracy_low", high="gold_accuracy_high"
    )
    known, others = best.drop_nulls(["low", "high"]), one.rows.select("n_context_tokens", at="gold_accuracy")
    x, y, line = field.tokens_axis(), field.accuracy_axis(), {"color": COLOURS[0]}
    return [
        marks(one.levels.select("at"), "rule", {"strokeDash": [5, 4], "color": QUIET}, y=y),
        marks(others, "point", {"filled": False, "size": 32, "color": "#777777", "opacity": 0.8}, x=x, y=y),
        marks(best, "line", line | {"interpolate": "step-after"}, x=x, y=y),
        marks(known, "rule", line, x=x, y=y | {"field": "low"}, y2={"field": "high"}),
        marks(best, "point", line | {"filled": True, "size": 70, "shape": "square", "opacity": 1}, x=x, y=y),
        *_names(one, field),
    ]


def _names(one: Costs, field: Field) -> list[Spec]:
    """Each frontier cell is named above it and to the left, where no cell can be; the baselines at the right."""
    cells = [
        (_name(row, one.words), field.left(row["n_context_tokens"]), field.top(row["gold_accuracy"]))
        for row in one.best.head(MOST_NAMED).iter_rows(named=True)
    ]
    rules = [
        (f"{row['arm']} {percent(row['at'])}", field.width, field.top(row["at"]))
        for row in one.levels.iter_rows(named=True)
    ]
    tops = spread([top - 10 for _, _, top in cells + rules], [LINE + 1] * len(cells + rules), (-20, HEIGHT))
    texts = []
    for (name, left, _), top in zip(cells + rules, tops, strict=True):
        right = left if left == field.width else max(left - 4, min(len(name) * LETTER + 4, field.width))
        texts.append({"n_context_tokens": field.tokens(right), "at": field.accuracy(top), "text": name})
    return on_paper(texts, {"align": "right", "baseline": "middle"}, x=field.tokens_axis(), y=field.accuracy_axis())
