"""A sweep that is read in looks: which cells are still in the race, and what each look may use of the error rate."""

from __future__ import annotations

import numpy as np
import polars as pl

from results.config import ScoringConfig
from results.settings import CELL_SCHEMA, CUT, SETTING
from results.stats.worst_case import Weighted, p_better_by
from results.sweep.arms import collect_arms
from results.sweep.judged import Judged
from results.sweep.within import DROP_SHARE, FEWEST, Race, same_cells

DROPPED = pl.Schema(
    {
        **CELL_SCHEMA,
        "setting": pl.String(),
        "questions": pl.Int64(),
        "accuracy": pl.Float64(),
        "rival": pl.String(),
        "reason": pl.String(),
        "p_value": pl.Float64(),
    }
)
LOOKS = pl.Schema(
    {
        "reader": pl.String(),
        "look": pl.Int64(),
        "questions": pl.Int64(),
        "of_questions": pl.Int64(),
        "effective": pl.Float64(),
        "cells": pl.Int64(),
        "of_cells": pl.Int64(),
        "is_told": pl.Boolean(),
        "stopped": pl.String(),
        "context_tokens": pl.Int64(),
        "of_context_tokens": pl.Int64(),
    }
)


def drop_cells(judged: Judged, names: pl.DataFrame, race: Race, config: ScoringConfig) -> pl.DataFrame:
    """Cells of a reader that cannot become the advice any more; frame of schema `DROPPED`.

    A cell is dropped if another one is shown to be better by more than the margin, or if a cheaper one is shown to be
    better at all. Each pair may use an equal part of `DROP_SHARE` of the error rate at each look.

    Args:
        judged: its answers so far.
        names: columns `SETTING` and `setting`.
        race: the looks, and how many cells were tried.
        config: confidence and margin.
    """
    n = len(judged.cells)
    n_tried = race.n_tried[judged.reader]
    gold = collect_arms(judged, "gold")
    if n_tried < FEWEST or n < 2 or not gold.n_weighted:
        return pl.DataFrame(schema=DROPPED)
    level = (1 - config.confidence) * DROP_SHARE / (len(race.sizes[judged.reader]) * (n_tried - 1))
    columns = gold.columns("retrieved")
    documents = gold.documents
    costs = _costs(judged)
    is_cheaper = costs[:, None] < costs[None, :]
    shown = p_better_by(
        Weighted(documents.weights, documents.sums[:, columns]), np.where(is_cheaper, 0.0, config.margin),
        strict=config.strict,
    )  # fmt: skip
    same = same_cells(judged, race.alike)
    accuracies = [gold.n_right("retrieved", number) / gold.n_weighted for number in range(n)]
    named = judged.cells.join(names, on=SETTING, how="left", maintain_order="left").rows(named=True)
    rows = []
    for number, cell in enumerate(named):
        rival = int(shown[:, number].argmin())
        if shown[rival, number] >= level or same[rival] == same[number]:
            continue
        reason = "dearer and worse" if is_cheaper[rival, number] else f"worse by more than {config.margin:g}"
        rows.append(
            {
                "reader": judged.reader, **cell, "questions": len(judged.facts), "accuracy": accuracies[number],
                "rival": f"{named[rival]['setting']} at {named[rival]['cut']}={named[rival]['amount']}",
                "reason": reason, "p_value": float(shown[rival, number]),
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema=DROPPED)


def _costs(judged: Judged) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Mean number of context tokens of each cell."""
    asked = judged.answers.filter(pl.col("arm") == "retrieved")
    means = asked.group_by(*SETTING, *CUT).agg(pl.mean("n_context_tokens"))
    return judged.cells.join(means, on=[*SETTING, *CUT], how="left", maintain_order="left")[
        "n_context_tokens"
    ].to_numpy()
