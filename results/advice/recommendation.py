"""The recommendation: the cheapest cell shown to be within a margin of the best, or how many more questions to ask."""

from __future__ import annotations

import math

import polars as pl
from scipy.stats import norm

from results.advice.advice import Advice, Names
from results.advice.wording import basis_of, losses_line, more_line, unqualified
from results.config import ScoringConfig
from results.settings import cell_of, names_in
from results.sweep.cells import COST_ORDER
from results.sweep.within import POWER


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
    reader, n_all = rows["reader"][0], len(rows)
    basis = basis_of(rows, n_all, config)
    sizes = tuple(rows["size"].unique().sort())
    nothing = Advice("", told=False, reader=reader, n_gold=basis.n_gold, sizes=sizes)
    if basis.is_unscored:
        return nothing._replace(line=f"Cannot tell what to use with {reader}: {basis.why_unscored}")
    best = rows.sort(-pl.col("gold_accuracy"), *COST_ORDER).row(0, named=True)
    leader = cell_of(best)
    nothing = nothing._replace(leader=leader)
    shown = basis.shown(best)
    if n_all == 1:
        line = f"Nothing to choose for {reader}: the sweep has only one cell, {leader.name(names)}: {shown}."
        return nothing._replace(line=line, told=True, recommended=leader)
    within = rows.filter(pl.col("p_within") < 1 - config.confidence).sort(COST_ORDER)
    if within.is_empty():
        n_more = _more(rows, comparisons, config)
        line = f"Cannot tell what to use with {reader}: {basis.leads(leader.name(names), best)}"
        line += f"; no cell is shown to be within {config.margin:g} of the best"
        return nothing._replace(line=f"{line}{more_line(n_more, basis, config)}", n_more=n_more)
    chosen = within.row(0, named=True)
    cell = cell_of(chosen)
    accuracy = "" if cell == leader else f"accuracy {basis.accuracy(chosen)}; "
    line = (
        f"Use {cell.name(names)} with {reader}: {accuracy}{chosen['n_context_tokens']:.0f} context tokens, the "
        f"cheapest of the {len(within)} cells (of {n_all}) shown to be within {config.margin:g} of the best "
        + (f"(it leads: {shown})." if cell == leader else f"({leader.name(names)} leads: {shown}).")
    )
    if len(within) == n_all:
        line = (
            f"No cell is more than {config.margin:g} better than another for {reader}, so use the cheapest, "
            f"{cell.name(names)}: accuracy {basis.accuracy(chosen)}, {chosen['n_context_tokens']:.0f} context tokens "
            f"({'it leads' if cell == leader else leader.name(names) + ' leads'}: {shown})."
        )
    return nothing._replace(line=line + losses_line(chosen, ladder), told=True, recommended=cell)


def _more(rows: pl.DataFrame, comparisons: pl.DataFrame, config: ScoringConfig) -> int | None:
    if config.answers == "drawn":
        return more_questions(comparisons, len(rows), rows["gold_n"][0], config)
    more = rows["n_more"][0]
    return None if more is None else int(more)


def more_questions(comparisons: pl.DataFrame, n_cells: int, n_gold: float, config: ScoringConfig) -> int | None:
    """How many more gold questions it takes to show that a cell equal to the best is within the margin of all others.

    This is for drawn scores; see `results.sweep.within` for expectations. The number at which (z_(1 - alpha / cells) +
    z_power) standard errors make up the margin (the sample size of a non-inferiority test, as in Julious 2004, "Sample
    sizes for clinical trials with Normal data", section 5; alpha divided by the cells that Holm's first step allows
    for). The error is that of the typical pair, and falls with the square root of the number. The power is that against
    one equal rival; against seven it is nearer 70 % (simulated).

    Returns:
        None where no margin is given, no pair was compared, or there are that many gold questions already.
    """
    error = comparisons["standard_error"].median()
    if not isinstance(error, float) or not math.isfinite(error) or config.margin == 0:
        return None
    reach = float(norm.ppf(1 - (1 - config.confidence) / n_cells) + norm.ppf(POWER)) * error
    needed = math.ceil(n_gold * (reach / config.margin) ** 2)
    return int(needed - n_gold) if needed > n_gold else None
