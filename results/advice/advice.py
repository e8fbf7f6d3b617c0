"""Advice: what a result recommends or cannot tell, as one type, and its entries in a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from results.settings import Cell, Setting, cell_of
from retrieval.context import Cut

Names = Mapping[Setting, str]  # of the settings of a run


class Advice(NamedTuple):
    """What a result recommends, or that it cannot tell.

    Attributes:
        line: all of it in one line.
        told: whether the result answers its question: whether something is recommended; under one cut with a reader and
            drawn scores, whether the leader is shown to be better than all others.
        reader: the reader that it is for; None where it is for no single one.
        cut: the cut that it is about; None where it is about all cuts, or about none.
        recommended: the cell to use; None where the result cannot tell.
        leader: the cell that scores highest, the cheapest of several; None where nothing could be scored.
        equal: all cells that score exactly as high, the leader included; empty where that was not looked at.
        level: the settings that are not shown to be worse than the leader, and the leader itself; of retrieval, those
            that are not shown to be worse than any other, where some are.
        score: what the cells were compared by.
        n_gold: the number of gold questions that it is based on, or what their weights are worth; None where it is
            based on none.
        n_more: how many more questions (gold questions, if scores are drawn) would show, with 80 % power, that a cell
            equal to the best is within the margin; None where the result tells already, or where no number
            is known to be enough.
        sizes: the chunk sizes that were compared.
        detectable: the smallest difference that the run would have found with 80 % power; None where nothing was
            compared, or no difference could have been found.
    """

    line: str
    told: bool
    reader: str | None = None
    cut: Cut | None = None
    recommended: Cell | None = None
    leader: Cell | None = None
    equal: tuple[Cell, ...] = ()
    level: tuple[Setting, ...] = ()
    score: str = "gold_accuracy"
    n_gold: float | None = None
    n_more: int | None = None
    sizes: tuple[int, ...] = ()
    detectable: float | None = None


def manifest_entries(
    verdicts: Sequence[Advice], choices: Sequence[Advice], recommendations: Sequence[Advice], names: Names
) -> dict[str, list[dict[str, Any]]]:
    """The entries of a manifest: what a sweep recommends or cannot tell.

    Args:
        verdicts: under each cut, with each reader.
        choices: under each cut, for retrieval alone.
        recommendations: over all cuts, with each reader.
        names: of the settings.
    """
    return {
        "verdicts": [verdict_entry(one, names) for one in verdicts],
        "retrieval": [retrieval_entry(one, names) for one in choices],
        "recommendations": [recommendation_entry(one, names) for one in recommendations],
    }


def verdict_entry(advice: Advice, names: Names) -> dict[str, Any]:
    """Advice under one cut with a reader, as the manifest's `verdicts` hold it."""
    return {
        "reader": advice.reader,
        "cut": _cut_name(advice.cut),
        "n_gold": advice.n_gold,
        "best": _setting_name(advice.leader, names) or "",
        "not_worse": tuple(names[setting] for setting in advice.level),
        "recommended": _setting_name(advice.recommended, names),
        "detectable": advice.detectable,
        "decided": advice.told,
        "line": advice.line,
    }


def recommendation_entry(advice: Advice, names: Names) -> dict[str, Any]:
    """Advice over all cuts with a reader, as the manifest's `recommendations` hold it."""
    return {
        "reader": advice.reader,
        "setting": _setting_name(advice.recommended, names),
        "cut": _cut_name(advice.recommended.cut if advice.recommended else None),
        "best": advice.leader.name(names) if advice.leader else "",
        "n_gold": advice.n_gold,
        "n_more": advice.n_more,
        "line": advice.line,
    }


def retrieval_entry(advice: Advice, names: Names) -> dict[str, Any]:
    """Advice on retrieval alone under one cut, as the manifest's `retrieval` holds it."""
    return {
        "cut": _cut_name(advice.cut),
        "score": advice.score,
        "best": _setting_name(advice.leader, names),
        "not_worse": tuple(names[setting] for setting in advice.level),
        "recommended": _setting_name(advice.recommended, names),
        "line": advice.line,
    }


def _setting_name(cell: Cell | None, names: Names) -> str | None:
    return None if cell is None else names[cell.setting]


def _cut_name(cut: Cut | None) -> str | None:
    return None if cut is None else cut.name


def recommended_cells(recommendations: Iterable[Mapping[str, Any]], cells: pl.DataFrame) -> set[Cell]:
    """The cells that the `recommendations` of a manifest name.

    This is where a manifest is read back. It holds names only, which are looked up among those of the table's cells.

    Args:
        recommendations: entries of the manifest, with readers named as in the table.
        cells: frame of schema `CELLS`.
    """
    named = {(one["reader"], one["setting"], one.get("cut")) for one in recommendations if one["setting"] is not None}
    found = ((cell_of(row), row["setting"]) for row in cells.iter_rows(named=True))
    return {cell for cell, setting in found if (cell.reader, setting, cell.cut.name) in named}
