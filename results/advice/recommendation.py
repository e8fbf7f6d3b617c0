"""The recommendation: the cheapest cell shown to be within a margin of the best, or how many more questions to ask."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from scipy.stats import norm

from results.advice.advice import Advice, Names
from results.config import ScoringConfig
from results.settings import CUT, SETTING, cell_of, names_in

POWER = 0.8
COST_ORDER = ("n_context_tokens", "size", "setting", *CUT)


def recommend(
    cells: pl.DataFrame, comparisons: pl.DataFrame, ladder: pl.DataFrame, labelers: pl.DataFrame, config: ScoringConfig
) -> list[Advice]:
    """One recommendation per reader: qualified readers first, then by the number of gold questions.

    Args:
        cells: frame of schema `CELLS`.
        comparisons: frame of schema `COMPARISONS`, for the standard error of a difference.
        ladder: frame of schema `LADDER`, for where the losses of the recommended cell come from.
        labelers: frame of schema `LABELERS`, for the qualification of each reader.
        config: confidence and margin.
    """
    qualified = dict(labelers.select("reader", "qualified").iter_rows())
    names, found = names_in(cells), []
    for (reader,), rows in cells.group_by(["reader"], maintain_order=True):
        one = _recommend(rows, names, comparisons.filter(pl.col("reader") == reader), ladder, config)
        if qualified.get(reader) is False:
            one = one._replace(line=f"{one.line} WARNING: {unqualified(str(reader))}")
        found.append(one)
    return sorted(found, key=lambda one: (qualified.get(one.reader) is False, -(one.n_gold or 0)))


def _recommend(
    rows: pl.DataFrame, names: Names, comparisons: pl.DataFrame, ladder: pl.DataFrame, config: ScoringConfig
) -> Advice:
    reader, n_gold, n_all = rows["reader"][0], rows["gold_n"][0], len(rows)
    nothing = Advice("", told=False, reader=reader, n_gold=n_gold)
    if n_gold == 0:
        return nothing._replace(line=f"Cannot tell what to use with {reader}: its gold set is empty.")
    too_long = int(rows["n_too_long"].sum())
    if too_long:
        line = (
            f"Cannot tell what to use with {reader}: {too_long} of its prompts were longer than its num_ctx; raise it."
        )
        return nothing._replace(line=line)
    best = rows.sort(-pl.col("gold_accuracy"), *COST_ORDER).row(0, named=True)
    leader = cell_of(best)
    nothing = nothing._replace(leader=leader)
    shown = f"accuracy {_interval(best)} on {n_gold} gold questions"
    failed = int(rows["n_failed"].sum())
    shown += f", {failed} failed answers counted as wrong" if failed else ""
    if n_all == 1:
        line = f"Nothing to choose for {reader}: the sweep has only one cell, {leader.name(names)}: {shown}."
        return nothing._replace(line=line, told=True, recommended=leader)
    within = rows.filter(pl.col("p_within") < 1 - config.confidence).sort(COST_ORDER)
    if within.is_empty():
        n_more = more_questions(comparisons, n_all, n_gold, config)
        line = _cannot_tell(f"{reader}: {leader.name(names)} leads, {shown}", n_more, config)
        return nothing._replace(line=line, n_more=n_more)
    chosen = within.row(0, named=True)
    cell = cell_of(chosen)
    accuracy = "" if cell == leader else f"accuracy {_interval(chosen)}; "
    line = (
        f"Use {cell.name(names)} with {reader}: {accuracy}{chosen['n_context_tokens']:.0f} context tokens, the "
        f"cheapest of the {len(within)} cells (of {n_all}) shown to be within {config.margin:g} of the best "
        + (f"(it leads: {shown})." if cell == leader else f"({leader.name(names)} leads: {shown}).")
    )
    return nothing._replace(line=line + _losses(chosen, ladder), told=True, recommended=cell)


def _cannot_tell(leads: str, n_more: int | None, config: ScoringConfig) -> str:
    line = f"Cannot tell what to use with {leads}, but no cell is shown to be within {config.margin:g} of the best"
    if n_more is None:
        return line + "."
    return f"{line}; about {n_more} more gold questions would show it for a cell equal to the best ({POWER:.0%} power)."


def more_questions(comparisons: pl.DataFrame, n_cells: int, n_gold: int, config: ScoringConfig) -> int | None:
    """How many more gold questions it takes to show that a cell equal to the best is within the margin of all others.

    The number at which (z_(1 - alpha / cells) + z_power) standard errors make up the margin (the sample size of a
    non-inferiority test, as in Julious 2004, "Sample sizes for clinical trials with Normal data", section 5; alpha
    divided by the cells that Holm's first step allows for). The error is that of the typical pair, and falls with the
    square root of the number. The power is that against one equal rival; against seven it is nearer 70 % (simulated).

    Returns:
        None where no margin is given, no pair was compared, or there are that many gold questions already.
    """
    error = comparisons["standard_error"].median()
    if not isinstance(error, float) or not math.isfinite(error) or config.margin == 0:
        return None
    reach = float(norm.ppf(1 - (1 - config.confidence) / n_cells) + norm.ppf(POWER)) * error
    needed = math.ceil(n_gold * (reach / config.margin) ** 2)
    return needed - n_gold if needed > n_gold else None


def _losses(cell: dict[str, Any], ladder: pl.DataFrame) -> str:
    """Where the losses of the cell come from, as a sentence; empty where the arms were not asked."""
    same = [pl.col(name) == cell[name] for name in ("reader", *SETTING, *CUT)]
    rung = ladder.filter(*same, pl.col("questions") == "gold")
    if rung.is_empty() or rung["n_chunking"][0] is None or rung["n_reader"][0] is None:
        return ""
    row = rung.row(0, named=True)
    return (
        f" It gets {row['n_wrong']} of {row['n']} gold questions wrong. Attributed to the reader: {row['n_reader']}, "
        f"to the chunking: {row['n_chunking']}, to the retrieval: {row['n_retrieval']}."
    )


def unqualified(reader: str) -> str:
    """The warning about a reader that is not qualified."""
    return f"{reader} is not shown to beat always answering the majority label; its gold set is weak evidence."


def _interval(row: dict[str, Any]) -> str:
    return f"{row['gold_accuracy']:.3f} [{row['gold_accuracy_low']:.3f}, {row['gold_accuracy_high']:.3f}]"
