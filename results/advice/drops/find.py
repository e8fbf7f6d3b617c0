"""Whether a later run is shown to be worse than an earlier one.

The difference is tested document by document, with one worst case added (`results.stats.worst_case`): a drop is shown
where the earlier run is shown to be better by more than the margin, not where it merely scored higher. The cell that is
tested was chosen for its score on the very same questions, which makes it look better before than it is. So every cell
that it was chosen from counts in the correction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from corpora.errors import InputError
from results.advice.cards.run import Run, recommended_row
from results.advice.drops.drop import Drop
from results.advice.drops.scored import ON_DOCUMENTS, ON_SPANS, Pair, Scored, score_answers, score_retrieval
from results.settings import Cell, cell_of
from results.stats.clustered import holm
from results.stats.worst_case import p_better_by

REMEDY = "name two runs of one experiment that read from chunks or retrieved"


def find_drops(
    before: tuple[Mapping[str, Any], Mapping[str, pl.DataFrame]],
    after: tuple[Mapping[str, Any], Mapping[str, pl.DataFrame]],
    margin: float | None = None,
) -> list[Drop]:
    """Compare the advised cell of an earlier run with the same cell of a later one, or with what that one advises.

    Where the earlier run advises nothing, or the later one neither has that cell nor advises one, every cell that both
    have is compared. Scores are formed as the later run's config says, in both.

    Args:
        before: manifest and tables of the earlier run.
        after: those of the later run.
        margin: the largest drop that is acceptable; the later run's own where None.

    Raises:
        InputError: the runs cannot be compared.
    """
    ours, theirs = Run(*before), Run(*after)
    if ours.reads and theirs.reads:
        compared = list(_readers(ours, theirs))
    elif ours.sweeps and theirs.sweeps:
        compared = [_retrieval(ours, theirs)]
    else:
        raise InputError("runs that neither read from chunks nor retrieved", "two sweeps", REMEDY)
    scored = [one for each in compared for one in each.scored]
    if not scored:
        raise InputError("two runs without a cell in common", "a cell that both runs have", REMEDY)
    margin = theirs.margin if margin is None else margin
    leads = np.full((2, 2), margin)
    found = [float(p_better_by(one.documents, leads, strict=theirs.scoring.strict)[0, 1]) for one in scored]
    p_values = corrected(found, [n for each in compared for n in each.n_now], sum(each.n_tried for each in compared))
    return [_drop(one, p_value, margin, theirs.alpha) for one, p_value in zip(scored, p_values, strict=True)]


def corrected(p_values: Sequence[float], n_now: Sequence[int], n_tried: int) -> list[float]:
    """P-values corrected for all comparisons that might have been made, however the ones that were made were chosen.

    Holm's correction over all of them. A comparison that was not made counts with a p-value of 1. Its own is not
    higher, so the correction is valid, whatever the choice was based on.

    Args:
        p_values: of the comparisons that were made.
        n_now: for each, how many cells of the later run the later one was chosen from.
        n_tried: how many cells of the earlier run there were to choose from.
    """
    chosen = [min(1.0, p_value * n) for p_value, n in zip(p_values, n_now, strict=True)]
    return holm([*chosen, *[1.0] * (n_tried - len(chosen))])[: len(chosen)]


def _drop(scored: Scored, p_value: float, margin: float, alpha: float) -> Drop:
    before, after = (float(one) for one in scored.documents.sums.sum(axis=0) / scored.documents.weights.sum())
    is_shown = p_value < alpha
    return Drop(scored.what, scored.score, before, after, scored.basis, scored.n, margin, p_value, is_shown)


class Compared(NamedTuple):
    """The comparisons of one reader, or of retrieval.

    Attributes:
        scored: what is compared.
        n_now: as in `corrected`.
        n_tried: as in `corrected`.
    """

    scored: list[Scored]
    n_now: list[int]
    n_tried: int


def _readers(ours: Run, theirs: Run) -> Iterator[Compared]:
    """The accuracies of the readers that both runs have, or of the only reader of each."""
    mine, others = (run.tables["cells"]["reader"].unique(maintain_order=True).to_list() for run in (ours, theirs))
    readers = [(name, name) for name in mine if name in others]
    if not readers and len(mine) == len(others) == 1:
        readers = [(mine[0], others[0])]
    if ours.manifest["corpus"]["labels"] != theirs.manifest["corpus"]["labels"]:
        raise InputError("two runs with different labels", "the same labels in both", REMEDY)
    for reader, other in readers:
        here, there = _cells(ours.cells_of(reader)), _cells(theirs.cells_of(other))
        pairs = _pairs(here, there, _advised(ours, reader), _advised(theirs, other))
        scored = [score_answers((ours, theirs), cells, (reader, other)) for cells in pairs]
        n_now = _chosen_from(pairs, len(there) + theirs.n_dropped(other))
        yield Compared(scored, n_now, len(here) + ours.n_dropped(reader))


def _retrieval(ours: Run, theirs: Run) -> Compared:
    """The retrieval scores, of the evidence where both runs have any marked."""
    runs = (ours, theirs)
    score = ON_DOCUMENTS if any(run.tables["retrieval"][ON_SPANS].is_null().all() for run in runs) else ON_SPANS
    here, there = (_cells(run.tables["retrieval_means"]) for run in runs)
    pairs = _pairs(here, there, *(_retrieves_best(run) for run in runs))
    scored = [score_retrieval(runs, cells, score) for cells in pairs]
    return Compared(scored, _chosen_from(pairs, len(there)), len(here))


def _pairs(here: Sequence[Cell], there: Sequence[Cell], advised: Cell | None, now: Cell | None) -> list[Pair]:
    """The cells to compare, of those of the earlier run and those of the later, and what each of them advises."""
    if advised in there:
        return [(cell, cell) for cell in there if cell == advised]
    if advised and now:
        return [(advised, now)]
    return [(cell, cell) for cell in here if cell in there]


def _chosen_from(pairs: Sequence[Pair], n_now: int) -> list[int]:
    return [1 if before == now else n_now for before, now in pairs]


def _cells(rows: pl.DataFrame) -> list[Cell]:
    """The cells of a table, without their reader, which may have another name in the other run."""
    return [cell_of(row)._replace(reader=None) for row in rows.rows(named=True)]


def _advised(run: Run, reader: str) -> Cell | None:
    entry = next((one for one in run.recommendations if one["reader"] == reader), None)
    row = recommended_row(entry, run.cells_of(reader)) if entry else None
    return cell_of(row)._replace(reader=None) if row else None


def _retrieves_best(run: Run) -> Cell | None:
    choice = run.choice()
    if not choice or choice["recommended"] is None:
        return None
    means = run.tables["retrieval_means"].filter(pl.col("setting") == choice["recommended"])
    return next((cell for cell in _cells(means) if cell.cut.name == choice["cut"]), None)
