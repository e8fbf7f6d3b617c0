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
from results.stats.answer_metrics import PER_CLASS, Macro, resample_macro, score_classes
from results.stats.clustered import Interval
from results.stats.resampling import share_of
from results.sweep.arms import ArmMeans
from results.sweep.judged import BASELINE_ARMS, Judged
from results.sweep.pairwise import shown_within

TOO_LONG: Failure = "prompt_too_long"  # the one failure that depends on the size of a chunk
ANSWER_SCORES = ("accuracy", "precision", "recall", "f1")
QUESTIONS = ("gold", "all")
_ANSWER_COLUMNS = {f"{questions}_n": pl.Int64() for questions in QUESTIONS} | with_interval(
    *(f"{questions}_{score}" for questions in QUESTIONS for score in ANSWER_SCORES)
)
_ASKED_COLUMNS = {"n_failed": pl.Int64(), "n_too_long": pl.Int64(), "fragile": pl.Float64()}
BASELINES = pl.Schema({"reader": pl.String(), "arm": pl.String(), **_ANSWER_COLUMNS, **_ASKED_COLUMNS})
CELLS = pl.Schema(
    {
        **CELL_SCHEMA,
        "setting": pl.String(),
        **_ANSWER_COLUMNS,
        **_ASKED_COLUMNS,
        "n_chunks": pl.Float64(),
        "n_context_tokens": pl.Float64(),
        "p_within_cut": pl.Float64(),
        "p_within": pl.Float64(),
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


def macro_scores(judged: Judged, questions: str, n_labels: int, config: ScoringConfig) -> dict[tuple[str, int], Macro]:
    """Macro precision, recall and F1 of the retrieved arm of every cell, and of the arms that all cells share."""
    keys = [key for key in judged.given if key[0] == "retrieved" or key[0] in BASELINE_ARMS]
    given = np.stack([judged.given[key] for key in keys], axis=1)
    found = resample_macro(given, judged.laws[questions], n_labels, config.n_resamples, config.confidence, config.seed)
    return dict(zip(keys, found, strict=True))


def score_cells(
    judged: Judged, scores: Mapping[str, Scores], names: pl.DataFrame, config: ScoringConfig
) -> pl.DataFrame:
    """One row per cell; frame of schema `CELLS`.

    Args:
        judged: one reader's answers.
        scores: by "gold" and "all".
        names: columns `SETTING` and `setting`.
        config: confidence and margin.
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
    frame = frame.with_columns(*_within(judged, scores["gold"].arms, config.margin), _pareto(frame))
    return frame.select(CELLS.names()).cast(CELLS)


def _within(judged: Judged, gold: ArmMeans, margin: float) -> tuple[pl.Series, pl.Series]:
    columns, same = gold.columns("retrieved"), _same_prompts(judged)
    of_cut = judged.cells.with_row_index("number").group_by(CUT, maintain_order=True).agg("number")
    within_cut: dict[int, float] = {}
    for numbers in of_cut["number"].to_list():
        distinct = sorted({same[number] for number in numbers})
        p_values = shown_within(gold.means, [columns[number] for number in distinct], margin)
        within_cut |= {number: p_values[distinct.index(same[number])] for number in numbers}
    distinct = sorted(set(same))
    overall = shown_within(gold.means, [columns[number] for number in distinct], margin)
    return (
        pl.Series("p_within_cut", [within_cut[number] for number in range(len(same))], dtype=pl.Float64()),
        pl.Series("p_within", [overall[distinct.index(number)] for number in same], dtype=pl.Float64()),
    )


def _same_prompts(judged: Judged) -> list[int]:
    """For each cell the number of the first one that asks exactly the same prompts: they are tested as one cell."""
    asked = judged.answers.filter(pl.col("arm") == "retrieved").sort(*SETTING, *CUT, "question_id")
    prompts = asked.group_by([*SETTING, *CUT], maintain_order=True).agg("prompt_hash")["prompt_hash"].to_list()
    return [number if None in one else prompts.index(one) for number, one in enumerate(prompts)]


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
        if (arm, 0) in judged.given:
            asked = judged.answers.filter(pl.col("arm") == arm).select(
                n_failed=_N_FAILED, n_too_long=_N_TOO_LONG, fragile=_FRAGILE
            )
            found = _answer_columns(scores, (arm, 0), confidence) | asked.row(0, named=True)
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
    asked = judged.answers.filter(pl.col("arm") == "retrieved").sort(*SETTING, *CUT, "question_id")
    asked = asked.join(judged.facts.select("question_id", "gold_label"), on="question_id", maintain_order="left")
    for _, rows in asked.group_by([*SETTING, *CUT], maintain_order=True):
        judgeable = rows.filter(pl.col("gold_label").is_not_null())
        scores = score_classes(judgeable["gold_label"].to_list(), judgeable["label"].to_list(), labels)
        parts.append(rows.select(CELL_SCHEMA.names()).head(1).join(scores, how="cross").cast(CLASSES))
    return pl.concat(parts)
