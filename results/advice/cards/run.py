"""A finished run as the summary reads it: its manifest and its tables, those of older versions too."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import polars as pl

from results.advice.wording import MOST_PARTS, leaders
from results.config import ScoringConfig
from results.settings import CELL, Cell, Spoken, cell_of, cuts_in, spoken_in


class Run:
    """What the summary of a run is made from.

    Args:
        manifest: content of `manifest.json`.
        tables: its frames by name.
    """

    def __init__(self, manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> None:
        self.manifest, self.tables = manifest, tables
        # A version before knew nothing but drawn scores.
        scoring = {"answers": "drawn"} | manifest.get("config", {}).get("scoring", {})
        self.scoring = ScoringConfig.model_validate(scoring)
        self.margin, self.alpha = self.scoring.margin, 1 - self.scoring.confidence
        self.is_drawn = self.scoring.answers == "drawn"

    @property
    def sweeps(self) -> bool:
        """Whether chunks were scored."""
        return "retrieval_means" in self.tables

    @property
    def reads(self) -> bool:
        """Whether readers answered from chunks."""
        return "cells" in self.tables and not self.tables["cells"].is_empty()

    @cached_property
    def spoken(self) -> Spoken:
        """How the settings are said."""
        return spoken_in(self.tables["retrieval_means" if self.sweeps else "cells"])

    @cached_property
    def readers(self) -> list[dict[str, Any]]:
        """Rows of the table labelers: qualified readers first, then the most accurate."""
        if "labelers" not in self.tables:
            return []
        rows = self.tables["labelers"].rows(named=True)
        return sorted(rows, key=lambda row: (row["qualified"] is not True, -(row["accuracy"] or 0)))

    @cached_property
    def unqualified(self) -> set[str]:
        """Readers that are not shown to beat always giving the majority label."""
        return {row["reader"] for row in self.readers if row["qualified"] is False}

    @cached_property
    def recommendations(self) -> list[dict[str, Any]]:
        """What the manifest recommends over all cuts: qualified readers first, then what is told."""
        found = list(self.manifest.get("recommendations", ())) if self.reads else []
        return sorted(found, key=lambda one: (one["reader"] in self.unqualified, one["setting"] is None))

    @property
    def choices(self) -> list[dict[str, Any]]:
        """What the manifest says of retrieval alone, a cut each."""
        return list(self.manifest.get("retrieval", ())) if self.sweeps else []

    def cells_of(self, reader: str) -> pl.DataFrame:
        """The rows of a reader's cells."""
        return self.tables["cells"].filter(pl.col("reader") == reader)

    def n_gold(self, reader: str) -> float:
        """How many gold questions its cells are scored on, or what their weights are worth."""
        return float(self.cells_of(reader)["gold_n"].min() or 0)  # type: ignore[arg-type]  # a number

    def n_dropped(self, reader: str) -> int:
        """How many of its cells were dropped on the way."""
        dropped = self.tables.get("dropped")
        return 0 if dropped is None else dropped.filter(pl.col("reader") == reader).select(CELL).n_unique()

    def last_look(self, reader: str) -> dict[str, Any] | None:
        """The last look of a reader that read until its advice was told."""
        looks = self.tables.get("looks")
        mine = None if looks is None else looks.filter(pl.col("reader") == reader)
        return None if mine is None or mine.is_empty() else mine.row(-1, named=True)

    def n_unread(self, reader: str) -> int:
        """The questions that it was not asked although its advice is still open, as a limit ended its reading."""
        look = self.last_look(reader)
        return 0 if look is None or look["is_told"] else look["of_questions"] - look["questions"]

    def said(self, row: Mapping[str, Any]) -> str:
        """How the cell of a table's row is said, at the start of a line."""
        return self.spoken.cell(cell_of(row))

    def the_cell(self, row: Mapping[str, Any]) -> str:
        """How the cell of a table's row is said inside a sentence."""
        return self.spoken.the_cell(cell_of(row))

    def main_cell(self) -> Cell | None:
        """The cell that the first recommendation names, or the one that leads."""
        if not self.recommendations:
            return None
        first = self.recommendations[0]
        row = recommended_row(first, self.cells_of(first["reader"])) or leading_row(self.cells_of(first["reader"]))
        return cell_of(row) if row else None

    def choice(self) -> dict[str, Any] | None:
        """What is told of retrieval alone: under the cut of the main cell if it is told there, else where it is."""
        if not self.choices:
            return None
        main = self.main_cell()
        here = [one for one in self.choices if main and one["cut"] == main.cut.name]
        told = [one for one in [*here, *self.choices] if one["recommended"] is not None]
        return [*told, *here, *self.choices][0]

    def retrieved(self, choice: Mapping[str, Any]) -> pl.DataFrame:
        """What an entry on retrieval compares: the rows of its cut that have its score, those that read least first."""
        rows = self.tables["retrieval_means"]
        is_it = pl.Series([cut.name == choice["cut"] for cut in cuts_in(rows)], dtype=pl.Boolean)
        return rows.filter(is_it, pl.col(choice["score"]).is_not_null()).sort("n_context_tokens", "setting")


def few_left(choice: Mapping[str, Any]) -> tuple[str, ...]:
    """What an entry on retrieval leaves: the setting that it recommends, or a few; empty where it leaves many."""
    if choice["recommended"] is not None:
        return (choice["recommended"],)
    maybe = tuple(choice.get("not_worse", ()))
    return maybe if len(maybe) <= MOST_PARTS else ()


def told_under_every_cut(manifest: Mapping[str, Any], reader: str) -> str | None:
    """The setting that is told with a reader under each of several cuts; None if there is none."""
    told = [one["recommended"] for one in manifest.get("verdicts", ()) if one["reader"] == reader]
    return told[0] if len(told) > 1 and len(set(told)) == 1 else None


def maybe_best(choice: Mapping[str, Any], rows: pl.DataFrame) -> pl.DataFrame:
    """Of the rows that an entry on retrieval compares those that may be the best; all where none is out."""
    maybe = choice.get("not_worse")
    return rows.filter(pl.col("setting").is_in(list(maybe))) if maybe else rows


def recommended_row(entry: Mapping[str, Any], cells: pl.DataFrame) -> dict[str, Any] | None:
    """The row of the cell that an entry of the manifest recommends; None where it recommends none."""
    found = (row for row in cells.rows(named=True) if row["setting"] == entry["setting"])
    return next((row for row in found if cell_of(row).cut.name == entry["cut"]), None)


def leading_row(cells: pl.DataFrame) -> dict[str, Any] | None:
    """The row of the cell that scores highest, the cheapest of several; None where nothing is scored."""
    scored = cells.filter(pl.col("gold_accuracy").is_not_null(), pl.col("gold_n") > 0)
    if scored.is_empty():
        return None
    equal = leaders(scored, "gold_accuracy")
    return equal.sort("n_context_tokens", "size", "setting", "cut", "amount").row(0, named=True)
