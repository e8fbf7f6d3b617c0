"""What sections are built from: manifest and tables, with readers marked and settings named as people say them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import polars as pl

from results.report.values import Tables
from results.settings import Cell, Setting, Spoken, cell_of, cut_of, names_in, spoken_in
from retrieval.context import Cut

NOT_QUALIFIED, AT_CHANCE = "†", "‡"
_NAMES = ("reader", "a", "b", "best", "second", "small", "large")  # columns that hold a reader's name


class Source(NamedTuple):
    """A run as sections need it.

    Attributes:
        manifest: content of `manifest.json`; keys that older versions did not write may be missing.
        tables: the frames that are not empty, each reader's name followed by its mark.
        marks: the sign after the name of each reader that is not qualified.
        spoken: how settings are said.
        settings: each setting by its name in tables and in the manifest.
    """

    manifest: Mapping[str, Any]
    tables: Tables
    marks: Mapping[str, str]
    spoken: Spoken
    settings: Mapping[str, Setting]

    def has(self, *names: str) -> bool:
        """Whether all these tables are there and hold something."""
        return all(name in self.tables for name in names)

    def setting(self, name: str | None) -> str | None:
        """A setting as people say it; its name where no table holds it."""
        found = None if name is None else self.settings.get(name)
        return name if found is None else self.spoken.setting(found)

    def cell(self, row: Mapping[str, Any]) -> str:
        """The cell of a table's row, as in `64-token chunks, 256 tokens read`."""
        return self.spoken.cell(cell_of(row))

    def cell_at(self, setting: str | None, cut: Cut) -> str | None:
        """The cell of a setting, by its name, and a cut."""
        found = None if setting is None else self.settings.get(setting)
        return setting if found is None else self.spoken.cell(Cell(None, found, cut))

    def reader(self, name: str) -> str:
        """A reader's name with its mark."""
        return marked(name, self.marks)


def source_of(manifest: Mapping[str, Any], tables: Tables) -> Source:
    """A run as sections need it."""
    marks = labeler_marks(tables)
    shown = {name: frame for name, frame in mark_tables(tables, marks).items() if not frame.is_empty()}
    of_settings = next((shown[name] for name in ("retrieval_means", "cells") if name in shown), None)
    if of_settings is None:
        return Source(manifest, shown, marks, Spoken(), {})
    spoken = spoken_in(of_settings)
    settings = {name: setting for setting, name in names_in(of_settings).items()}
    return Source(manifest, shown, marks, spoken, settings)


def read_of(row: Mapping[str, Any]) -> str:
    """How much of the ranking is read, as in `256 tokens`, `1 chunk` or `3 chunks`."""
    return said_briefly(cut_of(row))


def said_briefly(cut: Cut) -> str:
    """The same of a cut."""
    unit = "token" if cut.kind == "budget" else "chunk"
    return f"{cut.amount} {unit}{'' if cut.amount == 1 else 's'}"


def labeler_marks(tables: Tables) -> dict[str, str]:
    """The sign after the name of each reader that is not qualified."""
    if "labelers" not in tables:
        return {}
    rows = tables["labelers"].filter(pl.col("qualified").not_()).iter_rows(named=True)
    return {row["reader"]: AT_CHANCE if row["standing"] == "at chance" else NOT_QUALIFIED for row in rows}


def mark_tables(tables: Tables, marks: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    """The tables with the sign after each name of such a reader."""
    # The marks are those of the first corpus: where several are compared, each row gives its own standing.
    return {name: frame if name in ("corpora", "shifts") else _mark(frame, marks) for name, frame in tables.items()}


def _mark(frame: pl.DataFrame, marks: Mapping[str, str]) -> pl.DataFrame:
    names = {name: f"{name} {mark}" for name, mark in marks.items()}
    columns = [name for name in _NAMES if name in frame.columns and frame.schema[name] == pl.String]
    return frame.with_columns(pl.col(columns).replace(names)) if names and columns else frame


def marked(name: str, marks: Mapping[str, str]) -> str:
    """A reader's name with the sign after it."""
    return f"{name} {marks[name]}" if name in marks else name


def held_against(rows: Iterable[Mapping[str, Any]]) -> str:
    """What some readers are held against: the majority label, or a choice at random where questions have their own.

    Args:
        rows: of the readers, of schema `LABELERS`.
    """
    is_random = {row["majority_label"] is None for row in rows}
    constant = ["always giving the majority label"] if False in is_random else []
    return " or ".join(constant + ["a choice at random"] * (True in is_random))


def legend_of(source: Source) -> str:
    """What the signs mean that a report uses; empty where it uses none."""
    marks = source.marks.values()
    if not marks:
        return ""
    than = held_against(source.tables["labelers"].filter(pl.col("qualified").not_()).iter_rows(named=True))
    meaning = {
        NOT_QUALIFIED: f"not shown to beat {than}",
        # A choice at random is chance.
        AT_CHANCE: "at best a little better than chance"
        if "random" in than
        else f"shown to beat neither {than} nor chance",
    }
    legend = [f"{mark} {meaning[mark]}" for mark in (NOT_QUALIFIED, AT_CHANCE) if mark in marks]
    return f"{'; '.join(legend)}: gold sets and scores of such a reader are weak evidence."
