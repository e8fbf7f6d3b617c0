"""The recommendation: the cheapest cell shown to be within a margin of the best, or how many more questions to ask."""

from __future__ import annotations

import math

import polars as pl
import scipy

from results.advice.advice import Advice
from results.advice.cards.sentences import Saying, open_line, use_line
from results.advice.wording import basis_of, is_nothing, leaders, losses_line
from results.config import ScoringConfig
from results.settings import CUT, SETTING, cell_of, spoken_in
from results.sweep.cells import COST_ORDER
from results.sweep.within import POWER


def recommend(
    cells: pl.DataFrame, comparisons: pl.DataFrame, ladder: pl.DataFrame, labelers: pl.DataFrame,
    config: ScoringConfig, tried: pl.DataFrame,
) -> list[Advice]:  # fmt: skip
    """One recommendation per reader: qualified readers first, those at chance last, what is told before what is not.

    Args:
        cells: frame of schema `CELLS`.
        comparisons: frame of schema `COMPARISONS`, for the standard error of a difference.
        ladder: frame of schema `LADDER`, for where the losses of the recommended cell come from.
        labelers: frame of schema `LABELERS`, for the qualification of each reader.
        config: confidence and margin.
        tried: columns `SETTING` and `CUT`: all that each reader was tried with, also what was dropped on the way.
    """
    standings = dict(labelers.select("reader", standing_rank(labelers)).iter_rows())
    spoken, found, n_tried = spoken_in(tried), [], tried.select(*SETTING, *CUT).n_unique()
    for (reader,), rows in cells.group_by(["reader"], maintain_order=True):
        saying = Saying(spoken, config, f" with {reader}", n_dropped=n_tried - len(rows))
        found.append(_recommend(rows, saying, comparisons.filter(pl.col("reader") == reader), ladder))
    return sorted(found, key=lambda one: (standings.get(one.reader, 0), not one.told, -(one.n_gold or 0)))


def standing_rank(labelers: pl.DataFrame) -> pl.Expr:
    """How far a reader is from being qualified: 0 if it is, 2 if it is at chance, otherwise 1; as column `standing`."""
    at_chance = pl.col("standing") == "at chance" if "standing" in labelers.columns else pl.lit(value=False)
    far = pl.when(at_chance).then(2).otherwise(1)
    return pl.when(pl.col("qualified").fill_null(value=True)).then(0).otherwise(far).alias("standing")


def _recommend(rows: pl.DataFrame, saying: Saying, comparisons: pl.DataFrame, ladder: pl.DataFrame) -> Advice:
    reader, n_all, config = rows["reader"][0], len(rows), saying.config
    basis = basis_of(rows, n_all, config)
    sizes = tuple(rows["size"].unique().sort())
    nothing = Advice("", told=False, reader=reader, n_gold=basis.n_gold, sizes=sizes)
    if basis.is_unscored:
        return nothing._replace(line=open_line(rows, saying, None))
    best = leaders(rows, "gold_accuracy").sort(COST_ORDER)
    equal = tuple(cell_of(row) for row in best.iter_rows(named=True))
    nothing = nothing._replace(leader=equal[0], equal=equal)
    if n_all > 1 and is_nothing(best["gold_accuracy"][0]):
        return nothing._replace(line=open_line(rows, saying, None))
    within = rows.filter(pl.col("p_within") < 1 - config.confidence).sort(COST_ORDER)
    if within.is_empty() and n_all > 1:
        n_more = _more(rows, comparisons, config)
        return nothing._replace(line=open_line(rows, saying, n_more), n_more=n_more)
    chosen = (rows if n_all == 1 else within).row(0, named=True)
    line = use_line(chosen, rows, saying) + losses_line(chosen, ladder)
    return nothing._replace(line=line, told=True, recommended=cell_of(chosen))


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
    reach = float(scipy.stats.norm.ppf(1 - (1 - config.confidence) / n_cells) + scipy.stats.norm.ppf(POWER)) * error
    needed = math.ceil(n_gold * (reach / config.margin) ** 2)
    return int(needed - n_gold) if needed > n_gold else None
