"""Many runs of simulated labelers through the functions that fill a report's tables."""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import polars as pl
from planted_labelers import LABELS, RATES, SAMPLING, Layout, Planted, World, question_ids, truth, votes_of
from scipy.optimize import brentq

from labeling.votes.calibration import calibrate
from labeling.votes.consensus import GOLD
from labeling.votes.vote import N_VOTES
from labeling.votes.vote_law import Distributions
from results.comparing.comparison import compare_labelers
from results.readers.answers import question_facts
from results.readers.label_bias import correct_calibration, score_calibration
from results.readers.labelers import summarise_labeler
from results.readers.qualification import correct
from results.readers.unanimity import Cast, read_cast, summarise_unanimity
from results.sweep.scoring import ScoringConfig

N_REPLICATES = 500
N_OF_UNANIMITY = 1500
SEED = 1
CONFIDENCE = 0.95
WORTH_PROCESSES = 0.2  # a process of its own takes seconds to import everything
LAYOUTS = {
    "alone": Layout("one question a document", (1,) * 200, topic=0.0),
    "clustered": Layout("two or three questions a document", (2, 3) * 40, topic=0.3),
}
LABELERS = {
    "good": Planted(0.72),
    "twin": Planted(0.72, sureness=1.0),  # as accurate as `good`, and wrong on much the same questions
    "loner": Planted(0.62, question=0, document=0, own_document=0.3, herd=0),  # worse, and wrong independently of both
    "level": Planted(RATES[0]),  # exactly as accurate as always answering yes
    "expert": Planted(0.93, sureness=2.0),
    # As sure when wrong as when right, and just so accurate that unanimity gains nothing over a single vote.
    "idle": Planted(brentq(lambda a: truth(Planted(a, informed=False)).gain, 0.2, 0.9), informed=False),
}
COMPARED = ("good", "twin", "loner")
UNANIMITY = ("good", "expert", "idle")
GUESSER = ((0.6, 0.3, 0.1), 0.3)
# Unsure of everything, so that the slightest change of its probabilities turns labels; and one with a taste for maybe.
CALIBRATED = {"unbiased": Planted(0.5, sureness=0.5), "biased": Planted(0.72, taste=(1, 1, 4))}
TUNE = Layout("tune questions, as many of each label as by default", (1,) * 48, 0.0)
BALANCED = np.repeat(np.arange(len(LABELS)), 16)
TUNE_FACTS = question_facts(World(TUNE, np.random.default_rng(SEED), BALANCED).corpus())
ALL_QUESTIONS = World(Layout("all that there could be", (1,) * 40_000, 0.0), np.random.default_rng(SEED))

Found = Mapping[str, pl.DataFrame]


def run_layouts(share: float = 1.0) -> dict[str, Found]:
    """The tables of a share of the replicates of each layout, two layouts at a time where there are many."""
    if share < WORTH_PROCESSES:
        return {layout: run_layout(share, layout) for layout in LAYOUTS}
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return dict(zip(LAYOUTS, pool.map(partial(run_layout, share), LAYOUTS), strict=True))


def run_layout(share: float, layout: str) -> Found:
    """The tables of the first replicates; those of labelers from votes have the column `replicate`.

    Unanimity is computed from distributions, not from votes, which it only reads them from.
    """
    population = {name: ALL_QUESTIONS.distributions(labeler) for name, labeler in CALIBRATED.items()}
    parts: dict[str, list[pl.DataFrame]] = {}
    for replicate in range(round(share * N_REPLICATES)):
        rng = np.random.default_rng([SEED, replicate])
        for name, frame in one_run(LAYOUTS[layout], rng, population).items():
            parts.setdefault(name, []).append(frame.with_columns(replicate=replicate))
    for replicate in range(round(share * N_OF_UNANIMITY)):
        world = World(LAYOUTS[layout], np.random.default_rng([SEED, 1, replicate]))
        casts = [distributed(name, world) for name in UNANIMITY]
        parts.setdefault("unanimity", []).append(summarise_unanimity(casts, CONFIDENCE))
    return {name: pl.concat(frames) for name, frames in parts.items()}


def distributed(name: str, world: World) -> Cast:
    three = np.repeat(world.distributions(LABELERS[name])[:, None, :], N_VOTES, axis=1)
    documents = [f"d{at:04d}" for at in world.document]
    known = Distributions(question_ids(world.n), three, n_unknown=0)
    return Cast(name, SAMPLING, known, world.references, documents, sampled_unanimous=0.0)


def one_run(layout: Layout, rng: np.random.Generator, population: Mapping[str, np.ndarray]) -> Found:
    """All labelers on the same questions, through the functions that fill a report's tables."""
    world = World(layout, rng)
    corpus = world.corpus()
    facts = question_facts(corpus)
    tune = World(TUNE, rng, BALANCED)
    votes = {name: votes_of(world.distributions(LABELERS[name]), rng) for name in (*COMPARED, "level")}
    votes["guesser"] = votes_of(world.guesses(*GUESSER), rng)
    nothing_kept = {name: pl.DataFrame(schema=GOLD) for name in COMPARED}
    compared = compare_labelers(corpus, {name: votes[name] for name in COMPARED}, nothing_kept, ScoringConfig())
    told = [summarise_labeler(name, votes[name], facts, LABELS, CONFIDENCE) for name in ("good", "level", "guesser")]
    return {
        "pairs": compared["pairs"],
        "labelers": correct(pl.concat(told), CONFIDENCE),
        "calibration": pl.concat(
            [one_calibration(name, (world, facts), (tune, TUNE_FACTS), population[name]) for name in CALIBRATED]
        ),
    }


def one_calibration(
    name: str, held_out: tuple[World, pl.DataFrame], tune: tuple[World, pl.DataFrame], population: np.ndarray
) -> pl.DataFrame:
    """A labeler calibrated on tune questions; column `true` is what its fitted prior changes over all questions."""
    on_held_out, on_tune = (
        read_cast(name, SAMPLING, votes_of(world.distributions(CALIBRATED[name]), world.rng), facts, LABELS)
        for world, facts in (held_out, tune)
    )
    scored = score_calibration(on_held_out, on_tune, RATES, LABELS, CONFIDENCE, "")
    raw = (population.argmax(axis=1) == ALL_QUESTIONS.references).mean()
    true = []
    for method in scored.calibration["method"]:
        prior = scored.label_bias.filter(pl.col("method") == method)["prior"].to_numpy()
        after = calibrate(population[:, None, :], prior[None, :])[:, 0].argmax(axis=1)
        true.append(float((after == ALL_QUESTIONS.references).mean() - raw))
    return correct_calibration(scored.calibration).with_columns(true=pl.Series(true))
