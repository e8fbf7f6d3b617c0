"""Many runs of simulated sweeps through the functions that fill a report's tables."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import polars as pl
from planted_sweeps import Planted, simulate

from results.config import ScoringConfig
from results.labelers import LABELERS
from results.recommendation import recommend
from results.scoring import score_sweep
from results.verdict import reach_verdicts

SEED = 1
# A standard error over 400 resamples is off by 3.5 %, which takes .1 points from the coverage of a 95 % interval.
CONFIG = ScoringConfig(n_resamples=400)
N_BLOCKS = 8
LAYOUT = (1, 1, 2, 3) * 30


class World(NamedTuple):
    """What two readers lose, on how many documents with how many questions, and how often it is run."""

    readers: tuple[Planted, Planted]
    sizes: Sequence[int]
    n_replicates: int


SHARES = {"small": (0.60, 0.25, 0.15), "large": (0.70, 0.20, 0.10)}


def planted(name: str, chunking: Sequence[float], budget: Sequence[float], k: Sequence[float]) -> Planted:
    """A reader that loses these shares by size, under a token budget and with a fixed k."""
    return Planted(name, SHARES[name], tuple(chunking), (tuple(budget), tuple(k)))


WORLDS = {
    # The small reader loses with large chunks what the large one gains.
    "ladder": World(
        (
            planted("small", (0.30, 0.15, 0.10, 0.08), (0.10, 0.15, 0.25, 0.35), (0.25, 0.22, 0.25, 0.35)),
            planted("large", (0.25, 0.12, 0.05, 0.02), (0.08, 0.10, 0.12, 0.15), (0.25, 0.18, 0.12, 0.10)),
        ),
        LAYOUT,
        400,
    ),
    "equal": World(
        tuple(planted(name, (0.10,) * 4, (0.15,) * 4, (0.15,) * 4) for name in SHARES), LAYOUT, 400
    ),
    "clear": World(
        tuple(planted(name, (0.35, 0.30, 0.03, 0.30), (0.30, 0.25, 0.04, 0.25), (0.30, 0.25, 0.04, 0.25)) for name in SHARES),
        LAYOUT,
        300,
    ),
}


def run_world(world: World, config: ScoringConfig = CONFIG) -> dict[str, pl.DataFrame]:
    """The tables of all replicates, with the column `replicate`; two processes at a time."""
    blocks = np.array_split(np.arange(world.n_replicates), N_BLOCKS)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        parts = list(pool.map(partial(_run_block, world, config), [block.tolist() for block in blocks]))
    return {name: pl.concat([part[name] for part in parts]) for name in parts[0]}


def _run_block(world: World, config: ScoringConfig, replicates: Sequence[int]) -> dict[str, pl.DataFrame]:
    parts: dict[str, list[pl.DataFrame]] = {}
    for replicate in replicates:
        for name, frame in one_run(world, config, np.random.default_rng([SEED, replicate])).items():
            parts.setdefault(name, []).append(frame.with_columns(replicate=pl.lit(replicate)))
    return {name: pl.concat(frames) for name, frames in parts.items()}


def one_run(world: World, config: ScoringConfig, rng: np.random.Generator) -> dict[str, pl.DataFrame]:
    """One sweep on new questions."""
    run = simulate(world.readers, world.sizes, rng)
    scored = score_sweep(run.corpus, run.answers, run.readers, "unanimous", config)
    names = [reader.name for reader in world.readers]
    qualified = pl.DataFrame(
        {"reader": names, "qualified": [True, True]}, {name: LABELERS[name] for name in ("reader", "qualified")}
    )
    recommended = recommend(scored.cells, scored.comparisons, scored.ladder, qualified, config)
    verdicts = reach_verdicts(scored.cells, scored.comparisons, qualified, config, "unanimous")
    return {
        "cells": scored.cells,
        "ladder": scored.ladder,
        "comparisons": scored.comparisons,
        "interactions": scored.interactions.drop("finding"),
        "recommendations": pl.DataFrame(
            [(one.reader, one.setting, one.cut, one.best, one.n_gold, one.n_more) for one in recommended],
            {"reader": pl.String, "setting": pl.String, "cut": pl.String, "best": pl.String, "n_gold": pl.Int64,
             "n_more": pl.Int64},
            orient="row",
        ),
        "verdicts": pl.DataFrame(
            [(one.reader, one.cut, one.best, one.recommended, one.decided) for one in verdicts],
            {"reader": pl.String, "cut": pl.String, "best": pl.String, "recommended": pl.String, "decided": pl.Boolean},
            orient="row",
        ),
    }  # fmt: skip
