"""The result frames of a sweep: scores of every cell, comparisons of settings, and where losses come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from corpora.schema import Corpus
from labeling.votes.consensus import ConsensusConfig, ReaderVotes
from results.config import ScoringConfig
from results.settings import CELL, CUT, SETTING, name_settings
from results.sweep.arms import resample_arms
from results.sweep.attribution import LADDER, climb
from results.sweep.behaviour.temperatures import advise_by_temperature
from results.sweep.cells import (
    BASELINES,
    CELLS,
    CLASSES,
    QUESTIONS,
    Scores,
    macro_scores,
    score_baselines,
    score_cell_classes,
    score_cells,
)
from results.sweep.interaction import INTERACTIONS, interact
from results.sweep.judged import Judged, line_up
from results.sweep.pairwise import COMPARISONS, compare_columns
from results.sweep.within import Race


class Scored(NamedTuple):
    """The result frames of a sweep; each schema is next to the function that fills it.

    Attributes:
        cells: one row per cell.
        baselines: one row per reader and arm that is the same in every cell: closed book, whole document.
        classes: one row per cell and label.
        comparisons: one row per pair of settings under one cut.
        ladder: one row per cell, on gold and on all questions: where its losses come from.
        interactions: one row per pair of readers and cut: whether they want different chunk sizes.
        temperatures: one row per reader and temperature of its answers: what would be advised.
    """

    cells: pl.DataFrame
    baselines: pl.DataFrame
    classes: pl.DataFrame
    comparisons: pl.DataFrame
    ladder: pl.DataFrame
    interactions: pl.DataFrame
    temperatures: pl.DataFrame


def score_sweep(
    corpus: Corpus, answers: pl.DataFrame, readers: Sequence[ReaderVotes], consensus: ConsensusConfig,
    config: ScoringConfig, race: Race | None = None,
) -> Scored:  # fmt: skip
    """Score the answers of every reader in every cell and arm.

    Args:
        corpus: gives references and clusters (a question's first gold document).
        answers: frame of schema `ANSWERS`.
        readers: with their gold sets and the votes behind these; the smallest model first.
        consensus: the rule of the gold sets.
        config: confidence, resamples, margin, seed.
        race: the looks of a sweep that is read until the advice is told; None for a single one.

    Returns:
        Frames sorted by cell; empty ones where there is no reader.
    """
    names = name_settings(answers.filter(pl.col("arm") == "retrieved"))
    judged = [line_up(corpus, reader, answers, consensus, config) for reader in readers]
    parts: dict[str, list[pl.DataFrame]] = {
        "cells": [pl.DataFrame(schema=CELLS)],
        "baselines": [pl.DataFrame(schema=BASELINES)],
        "classes": [pl.DataFrame(schema=CLASSES)],
        "comparisons": [pl.DataFrame(schema=COMPARISONS)],
        "ladder": [pl.DataFrame(schema=LADDER)],
    }
    for one in judged:
        for name, frame in _score(one, corpus, names, config, race).items():
            parts[name].append(frame)
    found = {name: pl.concat(frames) for name, frames in parts.items()}
    for name, key in (("cells", CELL), ("classes", CELL), ("ladder", ("questions", *CELL))):
        found[name] = found[name].sort(key, maintain_order=True)
    interactions = (
        interact(judged, len(corpus.labels), config) if len(judged) > 1 else pl.DataFrame(schema=INTERACTIONS)
    )
    temperatures = advise_by_temperature(corpus, answers, readers, consensus, names, config, race)
    return Scored(**found, interactions=interactions, temperatures=temperatures)


def _score(
    judged: Judged, corpus: Corpus, names: pl.DataFrame, config: ScoringConfig, race: Race | None
) -> dict[str, pl.DataFrame]:
    scores = {
        questions: Scores(resample_arms(judged, questions, config), macro_scores(judged, questions, config))
        for questions in QUESTIONS
    }
    return {
        "cells": score_cells(judged, scores, names, config, race),
        "baselines": score_baselines(judged, scores, config.confidence),
        "classes": score_cell_classes(judged, corpus.labels),
        "comparisons": _compare(judged, scores, names, config),
        "ladder": climb(judged, scores, names, config),
    }


def _compare(judged: Judged, scores: Mapping[str, Scores], names: pl.DataFrame, config: ScoringConfig) -> pl.DataFrame:
    """All pairs of settings under the same cut, on the gold set."""
    arms = scores["gold"].arms
    parts = [pl.DataFrame(schema=COMPARISONS)]
    if arms.means.n:
        named = judged.cells.with_row_index("number").join(names, on=SETTING, how="left", maintain_order="left")
        for (cut, amount), cells in named.sort(*CUT, "setting").group_by(CUT, maintain_order=True):
            columns = [arms.places["retrieved", number] for number in cells["number"]]
            pairs = compare_columns(cells["setting"].to_list(), columns, arms, config.confidence)
            place = {"reader": judged.reader, "cut": cut, "amount": amount}
            parts.append(pl.DataFrame([place | pair for pair in pairs], schema=COMPARISONS))
    return pl.concat(parts)
