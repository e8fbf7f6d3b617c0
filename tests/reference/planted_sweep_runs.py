"""Many runs of simulated sweeps through the functions that fill a report's tables."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import polars as pl
from planted_sweeps import CELLS, Planted, simulate, true_cells

from labeling.votes.consensus import ConsensusConfig
from results.advice.advice import recommendation_entry, verdict_entry
from results.advice.recommendation import recommend
from results.advice.verdict import reach_verdicts
from results.config import ScoringConfig
from results.readers.labelers import LABELERS
from results.settings import names_in
from results.sweep.arms import resample_arms
from results.sweep.judged import line_up
from results.sweep.pairwise import shown_within_drawn
from results.sweep.scoring import score_sweep

SEED = 1
# A standard error over 400 resamples is off by 3.5 %, which takes .1 points from the coverage of a 95 % interval.
CONFIG = ScoringConfig(answers="drawn", n_resamples=400)
RULE = ConsensusConfig(most_probable=False)
N_BLOCKS = 8
LAYOUT = (1, 1, 2, 3) * 30
SHARES = {"small": (0.60, 0.25, 0.15), "large": (0.70, 0.20, 0.10)}

Found = Mapping[str, pl.DataFrame]


class World(NamedTuple):
    """What two readers lose, and how often it is run."""

    readers: tuple[Planted, Planted]
    n_replicates: int


def planted(name: str, chunking: Sequence[float], budget: Sequence[float], k: Sequence[float]) -> Planted:
    """A reader that loses these shares by size, under a token budget and with a fixed k."""
    return Planted(name, SHARES[name], tuple(chunking), (tuple(budget), tuple(k)))


def both(chunking: Sequence[float], retrieval: Sequence[float]) -> tuple[Planted, Planted]:
    """Two readers that lose the same by size, under both cuts."""
    return planted("small", chunking, retrieval, retrieval), planted("large", chunking, retrieval, retrieval)


WORLDS = {
    # The small reader loses with large chunks what the large one gains.
    "ladder": World(
        (
            planted("small", (0.30, 0.15, 0.10, 0.08), (0.10, 0.15, 0.25, 0.35), (0.25, 0.22, 0.25, 0.35)),
            planted("large", (0.25, 0.12, 0.05, 0.02), (0.08, 0.10, 0.12, 0.15), (0.25, 0.18, 0.12, 0.10)),
        ),
        400,
    ),
    "equal": World(both((0.10,) * 4, (0.15,) * 4), 240),
    "clear": World(both((0.35, 0.30, 0.03, 0.30), (0.30, 0.25, 0.04, 0.25)), 120),
    # Two sizes are as good as each other, two are far worse.
    "rivals": World(both((0.10, 0.10, 0.25, 0.25), (0.15, 0.15, 0.25, 0.25)), 40),
}
RIVALS = (0, 1, 2, 3)  # the cells of the first two sizes


class Sweeps(NamedTuple):
    """All replicates, or the first of them.

    Attributes:
        worlds: by world, the tables of all its replicates, with the column `replicate`.
        boundary: of a cell exactly the margin worse than another, the p-value of being more than that.
        enlarged: p-values of the rivals, shape (replicates, rivals), with as many questions as the median run asks for.
    """

    worlds: dict[str, Found]
    boundary: np.ndarray
    enlarged: np.ndarray


def run_sweeps(share: float = 1.0) -> Sweeps:
    """A share of the replicates, two processes at a time."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:

        def within(reader: Planted, cells: Sequence[int], layout: Sequence[int], n_replicates: int) -> np.ndarray:
            replicates = range(round(share * n_replicates))
            return np.array(list(pool.map(partial(_within, reader, cells, layout), replicates)))

        worlds = {}
        for name, world in WORLDS.items():
            replicates = np.arange(round(share * world.n_replicates))
            blocks = [block.tolist() for block in np.array_split(replicates, min(N_BLOCKS, len(replicates)))]
            parts = list(pool.map(partial(_run_block, world), blocks))
            worlds[name] = {
                table: pl.concat([part[table] for part in parts], how="vertical_relaxed") for table in parts[0]
            }
        # The last cell, a margin worse than the first.
        boundary = within(boundary_reader(), (0, len(CELLS) - 1), LAYOUT, 400)
        mine = worlds["rivals"]["recommendations"].filter(pl.col("reader") == "large")
        growth = (1 + (mine["n_more"] / mine["n_gold"]).median()) * len(LAYOUT) / 4
        enlarged = within(WORLDS["rivals"].readers[1], range(len(CELLS)), LAYOUT[:4] * round(growth), 60)
    return Sweeps(worlds, boundary[:, 1], enlarged[:, RIVALS])


def boundary_reader() -> Planted:
    """The last cell of this reader is exactly the margin worse than its first one."""
    reader = planted("large", (0.10,) * 4, (0.15,) * 4, (0.15,) * 4)

    def last(lost: float) -> Planted:
        return reader._replace(retrieval=(reader.retrieval[0], (0.15, 0.15, 0.15, lost)))

    def accuracy(lost: float) -> float:
        cells = true_cells((last(lost), last(lost))).filter(pl.col("questions") == "gold")
        return float(cells["accuracy"][len(CELLS) - 1])

    # What is lost is lost in proportion.
    return last(0.15 + CONFIG.margin / (accuracy(0.0) - accuracy(1.0)))


def _within(reader: Planted, cells: Sequence[int], layout: Sequence[int], replicate: int) -> list[float]:
    """P-values of some cells of being more than the margin worse than the best of them."""
    run = simulate([reader], layout, np.random.default_rng([SEED, 2, replicate]))
    judged = line_up(run.corpus, run.readers[0], run.answers, RULE, CONFIG)
    arms = resample_arms(judged, "gold", CONFIG)
    columns = arms.columns("retrieved")
    return shown_within_drawn(arms.means, [columns[cell] for cell in cells], CONFIG.margin)


def _run_block(world: World, replicates: Sequence[int]) -> Found:
    parts: dict[str, list[pl.DataFrame]] = {}
    for replicate in replicates:
        for name, frame in one_run(world, np.random.default_rng([SEED, replicate])).items():
            parts.setdefault(name, []).append(frame.with_columns(replicate=pl.lit(replicate)))
    return {name: pl.concat(frames, how="vertical_relaxed") for name, frames in parts.items()}


def one_run(world: World, rng: np.random.Generator) -> Found:
    """One sweep on new questions."""
    run = simulate(world.readers, LAYOUT, rng)
    scored = score_sweep(run.corpus, run.answers, run.readers, RULE, CONFIG)
    labelers = pl.DataFrame(
        {"reader": list(SHARES), "qualified": True}, {name: LABELERS[name] for name in ("reader", "qualified")}
    )
    recommended = recommend(scored.cells, scored.comparisons, scored.ladder, labelers, CONFIG, scored.cells)
    verdicts = reach_verdicts(scored.cells, scored.comparisons, labelers, CONFIG, "unanimous", scored.cells)
    names = names_in(scored.cells)
    entries = [verdict_entry(one, names) for one in verdicts]
    return {
        "cells": scored.cells,
        "ladder": scored.ladder,
        "comparisons": scored.comparisons,
        "interactions": scored.interactions,
        "recommendations": pl.DataFrame(
            [recommendation_entry(one, names) for one in recommended], infer_schema_length=None
        ).cast({"n_more": pl.Int64}),
        "verdicts": pl.DataFrame(
            [{"reader": one["reader"], "cut": one["cut"], "setting": one["recommended"]} for one in entries],
            {"reader": pl.String, "cut": pl.String, "setting": pl.String},
        ),
    }
