"""The scores of every cell of a sweep, and of each reader without context and with whole documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from corpora.schema import LabelSet
from labeling.votes.vote import Failure
from results.config import ScoringConfig
from results.readers.answers import FRAGILE_MARGIN
from results.settings import CELL_SCHEMA, CUT, SETTING, with_interval
from results.stats.answer_metrics import PER_CLASS, Macro, expected_classes, resample_macro
from results.stats.clustered import Interval
from results.stats.resampling import Array, share_of
from results.sweep.arms import ArmMeans
from results.sweep.judged import BASELINE_ARMS, Judged
from results.sweep.within import WITHIN, Race, within_columns

COST_ORDER = ("n_context_tokens", "size", "setting", *CUT)  # the cheapest first
TOO_LONG: Failure = "prompt_too_long"  # the one failure that depends on the size of a chunk
ANSWER_SCORES = ("accuracy", "precision", "recall", "f1")
QUESTIONS = ("gold", "all")
_ANSWER_COLUMNS = {f"{questions}_n": pl.Float64() for questions in QUESTIONS} | with_interval(
    *(f"{questions}_{score}" for questions in QUESTIONS for score in ANSWER_SCORES)
)
_ASKED_COLUMNS = {"n_failed": pl.Int64(), "n_too_long": pl.Int64(), "fragile": pl.Float64()}
BASELINES = pl.Schema(
    {
        "reader": pl.String(), "arm": pl.String(), **_ANSWER_COLUMNS, **_ASKED_COLUMNS, "gold_greedy": pl.Float64(),
        "scores": pl.String(),
    }
)  # fmt: skip
CELLS = pl.Schema(
    {
        **CELL_SCHEMA,
        "setting": pl.String(),
        **_ANSWER_COLUMNS,
        **_ASKED_COLUMNS,
        "n_chunks": pl.Float64(),
        "n_context_tokens": pl.Float64(),
        "gold_greedy": pl.Float64(),
        "scores": pl.String(),
        **WITHIN,
        "is_pareto": pl.Boolean(),
    }
)
CLASSES = pl.Schema({**CELL_SCHEMA, **PER_CLASS})
_N_FAILED = pl.col("failure").is_not_null().sum()
_N_TOO_LONG = (pl.col("failure") == TOO_LONG).sum()
_FRAGILE = (pl.col("margin") < FRAGILE_MARGIN).mean()


class Scores(NamedTuple):
    """What one reader scores on one set of questions: shares with their resamples, and macro means of some columns."""

    arms: ArmMeans
    macro: Mapping[tuple[str, int], Macro]


def macro_scores(judged: Judged, questions: str, config: ScoringConfig) -> dict[tuple[str, int], Macro]:
    """Macro precision, recall and F1 of the retrieved arm of every cell, and of the arms that all cells share."""
    keys = [key for key in judged.chances if key[0] == "retrieved" or key[0] in BASELINE_ARMS]
    said = np.stack([judged.chances[key] for key in keys], axis=2)
    found = resample_macro(said, judged.laws[questions], config.n_resamples, config.confidence, config.seed)
    return dict(zip(keys, found, strict=True))


def score_cells(
    judged: Judged, scores: Mapping[str, Scores], names: pl.DataFrame, config: ScoringConfig, race: Race | None = None
) -> pl.DataFrame:
    """One row per cell; frame of schema `CELLS`.

    Args:
        judged: one reader's answers.
        scores: by "gold" and "all".
        names: columns `SETTING` and `setting`.
        config: confidence and margin.
        race: as in `within_columns`.
    """
    asked = judged.answers.filter(pl.col("arm") == "retrieved").group_by(*SETTING, *CUT)
    costs = asked.agg(
        n_failed=_N_FAILED,
        n_too_long=_N_TOO_LONG,
        fragile=_FRAGILE,
        n_chunks=pl.mean("n_chunks"),
        n_context_tokens=pl.mean("n_context_tokens"),
    )
    rows = [
        {"reader": judged.reader, **cell, **_answer_columns(scores, ("retrieved", number), config.confidence)}
        for number, cell in enumerate(judged.cells.iter_rows(named=True))
    ]
    frame = pl.DataFrame(rows, schema={name: CELLS[name] for name in (*CELL_SCHEMA, *_ANSWER_COLUMNS)})
    frame = frame.join(costs, on=[*SETTING, *CUT], how="left", maintain_order="left")
    frame = frame.join(names, on=SETTING, how="left", maintain_order="left")
    greedy = [greedy_accuracy(judged, "retrieved", number) for number in range(len(judged.cells))]
    frame = frame.with_columns(
        *within_columns(judged, scores["gold"].arms, config, race), _pareto(frame),
        gold_greedy=pl.Series(greedy, dtype=pl.Float64), scores=pl.lit(judged.kind),
    )  # fmt: skip
    return frame.select(CELLS.names()).cast(CELLS)


def greedy_accuracy(judged: Judged, arm: str, number: int) -> float | None:
    """Accuracy of an arm on the gold set if the reader always gave its most probable label."""
    weights = judged.laws["gold"].weights
    right, total = weights * _most_probable(judged.chances[arm, number]), weights.sum()
    return float(right.sum() / total) if total else None


def _most_probable(chances: Array) -> Array:
    """1 at the most probable label of each answer; all 0 where it failed."""
    most: Array = np.eye(chances.shape[1])[chances.argmax(axis=1)] * (chances.sum(axis=1, keepdims=True) > 0)
    return most


def _pareto(frame: pl.DataFrame) -> pl.Series:
    """Whether no other cell has as much gold accuracy for fewer context tokens, or more for as many."""
    points = frame.select("n_context_tokens", "gold_accuracy").rows()
    if any(None in point for point in points):
        return pl.Series("is_pareto", [None] * len(points), dtype=pl.Boolean())
    beaten = [
        any(t <= tokens and a >= accuracy and (t, a) != (tokens, accuracy) for t, a in points)
        for tokens, accuracy in points
    ]
    return pl.Series("is_pareto", [not one for one in beaten], dtype=pl.Boolean())


def score_baselines(judged: Judged, scores: Mapping[str, Scores], confidence: float) -> pl.DataFrame:
    """What the reader scores closed book and with the whole document, where it was asked; schema `BASELINES`."""
    rows = []
    for arm in BASELINE_ARMS:
        if (arm, 0) in judged.chances:
            asked = judged.answers.filter(pl.col("arm") == arm).select(
                n_failed=_N_FAILED, n_too_long=_N_TOO_LONG, fragile=_FRAGILE
            )
            found = _answer_columns(scores, (arm, 0), confidence) | asked.row(0, named=True)
            found |= {"gold_greedy": greedy_accuracy(judged, arm, 0), "scores": judged.kind}
            rows.append({"reader": judged.reader, "arm": arm, **found})
    return pl.DataFrame(rows, schema=BASELINES)


def _answer_columns(scores: Mapping[str, Scores], key: tuple[str, int], confidence: float) -> dict[str, Any]:
    """The answer scores of one column with their intervals; left out where no question counts."""
    found: dict[str, Any] = {}
    for questions, of in scores.items():
        found[f"{questions}_n"] = of.arms.means.n
        if of.arms.means.n:
            accuracy = share_of(of.arms.means, of.arms.places[key], confidence)
            for score, interval in zip(ANSWER_SCORES, (accuracy, *of.macro[key]), strict=True):
                found |= interval_columns(f"{questions}_{score}", interval)
    return found


def interval_columns(name: str, interval: Interval) -> dict[str, float]:
    """An estimate with its interval as three columns."""
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def score_cell_classes(judged: Judged, labels: LabelSet) -> pl.DataFrame:
    """Precision, recall and F1 of each label in each cell, against the gold labels; frame of schema `CLASSES`."""
    parts = [pl.DataFrame(schema=CLASSES)]
    cells = judged.cells.select(pl.lit(judged.reader).alias("reader"), *SETTING, *CUT)
    for number in range(len(cells)):
        scores = expected_classes(judged.laws["gold"].weights, judged.chances["retrieved", number], labels)
        parts.append(cells[number].join(scores, how="cross").cast(CLASSES))
    return pl.concat(parts)
