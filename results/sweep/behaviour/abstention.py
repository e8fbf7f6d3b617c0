"""What readers answer where nothing is stated, and whether they abstain where the answer stands.

A corpus may have a label that says that the answer is not stated. Where it is the right one, any other answer is a
false answer. Where another label is right, to abstain is a mistake if what was shown states the answer, and the right
thing to do if it does not. Scores are expectations over the laws of votes and answers, as those of cells are; a failed
answer is neither a false answer nor an abstention.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from corpora.schema import Corpus
from labeling.votes.consensus import ConsensusConfig, ReaderVotes
from results.config import ScoringConfig
from results.evidence.all_found import ALL_SCORES
from results.settings import CELL_SCHEMA, CUT, SETTING, name_settings, with_interval
from results.stats.resampling import Array, Law, Resampled, resample_means, share_of
from results.sweep.judged import BASELINE_ARMS, Judged, line_up
from results.sweep.pairwise import difference

# A mean over fewer questions than this is not one.
LEAST = 0.5
SHARES = ("false_answers", "abstained_shown", "abstained_missed")
ABSTENTION = pl.Schema(
    {
        **CELL_SCHEMA,
        "setting": pl.String(),
        "arm": pl.String(),
        "questions": pl.String(),
        "n_not_stated": pl.Float64(),
        "n_shown": pl.Float64(),
        "n_missed": pl.Float64(),
        **with_interval(*SHARES, "false_more"),
        "n_failed": pl.Int64(),
        "scores": pl.String(),
    }
)


class _Asked(NamedTuple):
    """What one column of answers was shown of each question's answer: shape (questions,), 1 or 0."""

    key: tuple[str, int]
    shown: Array
    missed: Array


def score_abstention(
    corpus: Corpus, answers: pl.DataFrame, readers: Sequence[ReaderVotes], consensus: ConsensusConfig,
    config: ScoringConfig, retrieval: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Score every cell of every reader, and what it answers without context and from whole documents.

    Args:
        corpus: with a label `not_stated`.
        answers: frame of schema `ANSWERS`.
        readers: with their gold sets and the votes behind these.
        consensus: the rule of the gold sets.
        config: confidence, resamples, seed.
        retrieval: columns `SETTING`, `CUT`, question_id, `ALL_SCORES` and span_recall: whether what a cell shows states
            the answer.

    Returns:
        Frame of schema `ABSTENTION`, by the gold labels and by the references. `false_more` is how many more false
        answers a cell has than the largest chunks that are read in the same way; the intervals of these differences
        are corrected for their number (Bonferroni). What cannot be known is null.
    """
    names = name_settings(answers.filter(pl.col("arm") == "retrieved"))
    rows: list[dict[str, Any]] = []
    for reader in readers:
        judged = line_up(corpus, reader, answers, consensus, config)
        asked = [*_baselines(judged), *_cells(judged, retrieval)]
        at = corpus.labels.index(str(corpus.not_stated))
        for questions, law in judged.laws.items():
            rows += _rows(judged, asked, questions, law, at, config)
    frame = pl.DataFrame(rows, schema={name: kind for name, kind in ABSTENTION.items() if name != "setting"})
    frame = frame.join(names, on=SETTING, how="left", maintain_order="left")
    return frame.select(ABSTENTION.names()).sort("questions", "reader", "arm", *SETTING, *CUT, maintain_order=True)


def _baselines(judged: Judged) -> Iterator[_Asked]:
    n = len(judged.facts)
    for arm in BASELINE_ARMS:
        if (arm, 0) in judged.chances:
            is_whole = arm == "document"
            yield _Asked((arm, 0), np.full(n, float(is_whole)), np.full(n, float(not is_whole)))


def _cells(judged: Judged, retrieval: pl.DataFrame) -> Iterator[_Asked]:
    for number, cell in enumerate(judged.cells.iter_rows(named=True)):
        if ("retrieved", number) not in judged.chances:
            continue
        here = retrieval.filter(pl.all_horizontal(pl.col(name) == cell[name] for name in (*SETTING, *CUT)))
        lined_up = judged.facts.select("question_id").join(here, on="question_id", how="left", maintain_order="left")
        any_found, all_found = (lined_up[name].fill_null(0.0).to_numpy() for name in ALL_SCORES)
        # Where some passages are shown and others are not, or a part of one, nobody knows whether that is enough.
        partly = lined_up["span_recall"].fill_null(0.0).to_numpy() > 0
        yield _Asked(("retrieved", number), all_found, np.where(partly, 0.0, 1.0 - any_found))


def _rows(
    judged: Judged, asked: Sequence[_Asked], questions: str, law: Law, at: int, config: ScoringConfig
) -> list[dict[str, Any]]:
    nothing, stated = _only(law, at), _without(law, at)
    said = np.stack([_false(judged.chances[one.key], at) for one in asked], axis=2)
    false = _means(said, nothing, config)
    rows = []
    for column, one in enumerate(asked):
        arm, number = one.key
        cell = judged.cells.row(number, named=True) if arm == "retrieved" else {}
        row = {"reader": judged.reader, "arm": arm, "questions": questions, "scores": judged.kind, **cell}
        row["n_failed"] = int((judged.chances[one.key].sum(axis=1) == 0).sum())
        row["n_not_stated"] = float(nothing.weights.sum())
        row |= _share("false_answers", false, column, config)
        for name, shown in (("shown", one.shown), ("missed", one.missed)):
            mine = _of(stated, shown)
            row[f"n_{name}"] = float(mine.weights.sum())
            abstained = np.repeat(judged.chances[one.key][:, at, None, None], said.shape[1], axis=1)
            row |= _share(f"abstained_{name}", _means(abstained, mine, config), 0, config)
        rows.append(row)
    _compare(rows, false, config)
    return rows


def _compare(rows: list[dict[str, Any]], false: Resampled | None, config: ScoringConfig) -> None:
    """Fill in `false_more`."""
    if false is None or false.n_clusters < 2:
        return
    pairs = [(at, largest) for at in range(len(rows)) if (largest := _largest(rows, at)) not in (None, at)]
    covariance = false.covariance
    confidence = 1 - (1 - config.confidence) / max(1, len(pairs))
    for at, largest in pairs:
        found = difference(false, covariance, at, int(str(largest)), confidence)
        rows[at] |= {"false_more": found.estimate, "false_more_low": found.low, "false_more_high": found.high}


def _largest(rows: Sequence[dict[str, Any]], at: int) -> int | None:
    """The row of the largest chunks that are made, ranked and cut like those of a row."""
    if rows[at]["arm"] != "retrieved":
        return None
    like = [name for name in (*SETTING, *CUT) if name != "size"]
    family = [
        number for number, row in enumerate(rows)
        if row["arm"] == "retrieved" and all(row[name] == rows[at][name] for name in like)
    ]  # fmt: skip
    return max(family, key=lambda number: rows[number]["size"])


def _means(values: Array, law: Law, config: ScoringConfig) -> Resampled | None:
    """Means with their resamples; None where too few questions count."""
    if law.weights.sum() < LEAST:
        return None
    return resample_means(values, law, config.n_resamples, config.seed)


def _share(name: str, means: Resampled | None, column: int, config: ScoringConfig) -> dict[str, float]:
    if means is None:
        return {}
    found = share_of(means, column, config.confidence)
    return {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}


def _false(chances: Array, at: int) -> Array:
    """Probability of any other answer, shape (questions, labels, 1): the same whatever the question counts as."""
    other = chances.sum(axis=1) - chances[:, at]
    return np.repeat(other[:, None, None], chances.shape[1], axis=1)


def _only(law: Law, at: int) -> Law:
    """The questions that count with one label."""
    mask = np.zeros(law.chances.shape[1])
    mask[at] = 1.0
    return _masked(law, mask[None, :])


def _without(law: Law, at: int) -> Law:
    """The questions that count with another label."""
    mask = np.ones(law.chances.shape[1])
    mask[at] = 0.0
    return _masked(law, mask[None, :])


def _of(law: Law, rows: Array) -> Law:
    """Some of the questions: those with 1."""
    return _masked(law, rows[:, None])


def _masked(law: Law, mask: Array) -> Law:
    chances = law.chances * mask
    kept = np.broadcast_to(mask, law.chances.shape)
    rows = np.arange(len(law.observed))
    is_kept = (law.observed >= 0) & (kept[rows, np.maximum(law.observed, 0)] > 0)
    return law._replace(observed=np.where(is_kept, law.observed, -1), chances=chances)
