"""The attribution ladder: what each cell loses by the reader, by the chunking and by the retrieval.

Each rung is the difference between two arms on the same questions, so the parts add up exactly to what is wrong:

    reader     what the reader gets wrong with the whole document in front of it
    chunking   what it loses when it sees the best chunks of the gold document instead
    retrieval  what it loses when it sees what was retrieved instead of these

A part can be negative: chunks may help a reader that a long document confuses. The floor is what the reader answers
without any context, and from a random text of the same length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from results.config import ScoringConfig
from results.settings import CELL_SCHEMA, SETTING, with_interval
from results.stats.clustered import Interval
from results.stats.resampling import Array, share_of, student_quantile
from results.sweep.arms import HARM, ArmMeans
from results.sweep.cells import QUESTIONS, Scores, interval_columns
from results.sweep.judged import Judged
from results.sweep.pairwise import difference

ARMS = ("closed_book", "random", "document", "oracle_chunk", "retrieved")
LADDER = pl.Schema(
    {
        **CELL_SCHEMA,
        "setting": pl.String(),
        "questions": pl.String(),
        "n": pl.Float64(),
        **{arm: pl.Float64() for arm in ARMS},
        "n_failed": pl.Int64(),
        "n_wrong": pl.Float64(),
        "n_reader": pl.Float64(),
        "n_chunking": pl.Float64(),
        "n_retrieval": pl.Float64(),
        **with_interval("reader_loss", "chunking_loss", "retrieval_loss", "recovered"),
        "n_harmed": pl.Float64(),
        **with_interval("harm"),
    }
)


def climb(judged: Judged, scores: Mapping[str, Scores], names: pl.DataFrame, config: ScoringConfig) -> pl.DataFrame:
    """The ladder of every cell of a reader, on its gold set and on all questions; frame of schema `LADDER`.

    What depends on an arm that was not asked, or that has failed answers (`n_failed` counts those of all arms), is
    null. `recovered` is the share of the gap between closed book and whole document that retrieval recovers, null where
    the gap is not shown to exist. `harm` counts the questions that are right without context and wrong with what was
    retrieved.

    Args:
        judged: the reader's answers.
        scores: by "gold" and "all".
        names: columns `SETTING` and `setting`.
        config: confidence.
    """
    rows = []
    for questions in QUESTIONS:
        arms = scores[questions].arms
        if arms.means.n:
            covariance = arms.means.covariance
            for number, cell in enumerate(judged.cells.iter_rows(named=True)):
                found = {"reader": judged.reader, **cell, "questions": questions, "n": arms.n_weighted}
                rows.append(found | _rungs(arms, covariance, number, config.confidence))
    frame = pl.DataFrame(rows, schema={name: kind for name, kind in LADDER.items() if name != "setting"})
    return frame.join(names, on=SETTING, how="left", maintain_order="left").select(LADDER.names())


def _rungs(arms: ArmMeans, covariance: Array, number: int, confidence: float) -> dict[str, Any]:
    keys = {arm: (arm, 0 if arm in ("closed_book", "document") else number) for arm in (*ARMS, HARM)}
    at = {arm: arms.places[key] for arm, key in keys.items() if key in arms.places}
    n_right = {arm: arms.n_right(*keys[arm]) for arm in at}
    found: dict[str, Any] = {arm: float(arms.means.estimates[at[arm]]) for arm in ARMS if arm in at}
    # A prompt that did not fit is attributed to nothing: what depends on an arm with failed answers is unknown.
    failed = {arm: arms.n_failed[keys[arm]] for arm in ARMS if arm in at}
    at_rung = {arm: place for arm, place in at.items() if not failed.get(arm)}
    found["n_failed"] = sum(failed.values())
    found["n_wrong"] = arms.n_weighted - n_right["retrieved"]
    if "document" in at_rung:
        right = share_of(arms.means, at["document"], confidence)
        found["n_reader"] = arms.n_weighted - n_right["document"]
        found |= interval_columns("reader_loss", Interval(1 - right.estimate, 1 - right.high, 1 - right.low))
    for loss, upper, lower in (("chunking", "document", "oracle_chunk"), ("retrieval", "oracle_chunk", "retrieved")):
        if upper in at_rung and lower in at_rung:
            found[f"n_{loss}"] = n_right[upper] - n_right[lower]
            lost = difference(arms.means, covariance, at[upper], at[lower], confidence)
            found |= interval_columns(f"{loss}_loss", Interval(*lost[:3]))
    if HARM in at and not failed["closed_book"] and not failed["retrieved"]:
        found["n_harmed"] = n_right[HARM]
        found |= interval_columns("harm", share_of(arms.means, at[HARM], confidence))
        if "document" in at_rung:
            found |= _recovered(arms, covariance, at, confidence)
    return found


def _recovered(arms: ArmMeans, covariance: Array, at: Mapping[str, int], confidence: float) -> dict[str, float]:
    """(retrieved - closed book) / (document - closed book), with the interval of `fieller`."""
    means, places = arms.means, [at["retrieved"], at["document"], at["closed_book"]]
    if difference(means, covariance, at["document"], at["closed_book"], confidence).low <= 0:
        return {}
    # Rows: gained and gap, as differences of these three columns.
    contrasts = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])
    gained, gap = contrasts @ means.estimates[places]
    widen = means.n_clusters / (means.n_clusters - 1)
    spread = contrasts @ covariance[np.ix_(places, places)] @ contrasts.T * widen
    reach = student_quantile((1 + confidence) / 2, means.n_clusters - 1)
    return interval_columns("recovered", fieller(float(gained), float(gap), spread, reach))


def fieller(above: float, below: float, spread: Array, reach: float) -> Interval:
    """A ratio of two estimates with its interval: all ratios r for which above - r * below may be 0.

    Fieller 1954, "Some problems in interval estimation", Journal of the Royal Statistical Society B 16.

    Args:
        above: the numerator.
        below: the denominator, more than `reach` standard errors from 0; the interval is not bounded otherwise.
        spread: shape (2, 2): their covariance.
        reach: quantile of the interval.

    Raises:
        ValueError: the denominator may be 0.
    """
    square = reach**2
    a = below**2 - square * spread[1, 1]
    if a <= 0:
        raise ValueError(f"a denominator of {below:g} is not shown to differ from 0")
    b = above * below - square * spread[0, 1]
    root = float(np.sqrt(max(0.0, b**2 - a * (above**2 - square * spread[0, 0]))))
    return Interval(above / below, float(b - root) / float(a), float(b + root) / float(a))
