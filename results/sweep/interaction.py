"""Does the small reader want different chunk sizes from the large one? The two sizes' interaction, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import scipy

from results.config import ScoringConfig
from results.settings import CUT, CUT_SCHEMA, SETTING, with_interval
from results.stats.clustered import Interval, holm
from results.stats.resampling import Array, Resampled, both_laws, resample_means, student_quantile
from results.sweep.cells import QUESTIONS, interval_columns
from results.sweep.judged import Judged

INTERACTIONS = pl.Schema(
    {
        "small": pl.String(),
        "large": pl.String(),
        **CUT_SCHEMA,
        "questions": pl.String(),
        "n": pl.Float64(),
        **with_interval("slope_small", "slope_large", "difference"),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "finding": pl.String(),
    }
)


def interact(readers: Sequence[Judged], n_labels: int, config: ScoringConfig) -> pl.DataFrame:
    """How much more accuracy a doubling of the chunk size gives one reader than another; schema `INTERACTIONS`.

    A slope is that of a least-squares line through the accuracies over the binary logarithm of the size, under one
    cut; everything else that varies (splitter, overlap, embedder, retriever) is averaged over. Both readers are judged
    on the
    same questions: those in both gold sets, each by its own gold label, and all with a reference label. The interval
    is Student's over resampled documents and votes; Holm corrects over all pairs and cuts, for gold and
    for all questions separately.

    Args:
        readers: their answers, the smallest model first.
        n_labels: size of the label set.
        config: confidence, resamples, seed.
    """
    rows = []
    for questions in QUESTIONS:
        found = []
        for small, large in combinations(readers, 2):
            shared = small.cells.join(large.cells, on=[*SETTING, *CUT], how="semi").sort(*CUT)
            cuts = [cells for _, cells in shared.group_by(CUT, maintain_order=True) if cells["size"].n_unique() > 1]
            if cuts:
                place = {"small": small.reader, "large": large.reader, "questions": questions}
                contrasts = _contrasts(small, large, cuts, questions, n_labels, config)
                found += [place | one for one in contrasts]
        for row, p_holm in zip(found, holm([row["p_value"] for row in found]), strict=True):
            row["p_holm"] = p_holm
            row["finding"] = _finding(row, 1 - config.confidence)
        rows += found
    return pl.DataFrame(rows, schema=INTERACTIONS)


def _contrasts(
    small: Judged, large: Judged, cuts: Sequence[pl.DataFrame], questions: str, n_labels: int, config: ScoringConfig
) -> list[dict[str, Any]]:
    """One contrast per cut, all on the same resamples."""
    both = small.facts.select("question_id").join(large.facts.select("question_id"), on="question_id", how="inner")
    slopes, laws = [], []
    for judged in (small, large):
        rows = judged.facts.with_row_index("row").join(both, on="question_id", how="semi")["row"].to_numpy()
        slopes.append(np.stack([_slopes(judged, cells)[rows] for cells in cuts], axis=2))
        law = judged.laws[questions]
        clusters = [law.clusters[row] for row in rows]
        laws.append(law._replace(observed=law.observed[rows], chances=law.chances[rows], clusters=clusters))
    law = laws[0]
    if questions == "gold":
        law = both_laws(*laws)
        slopes = [np.repeat(slopes[0], n_labels, axis=1), np.tile(slopes[1], (1, n_labels, 1))]
    values = np.concatenate([slopes[0], slopes[1], slopes[0] - slopes[1]], axis=2)
    means = resample_means(values, law, config.n_resamples, config.seed)
    return [
        {name: cells[name][0] for name in CUT} | _contrast(means, range(at, 3 * len(cuts), len(cuts)), config)
        for at, cells in enumerate(cuts)
    ]


def _contrast(means: Resampled, columns: Sequence[int], config: ScoringConfig) -> dict[str, Any]:
    """Slope of the small reader, of the large one, and their difference, from their columns."""
    found: dict[str, Any] = {"n": means.n, "p_value": 1.0}
    degrees = means.n_clusters - 1
    if degrees < 1:
        return found
    reach = student_quantile((1 + config.confidence) / 2, degrees)
    for name, column in zip(("slope_small", "slope_large", "difference"), columns, strict=True):
        estimate = float(means.estimates[column])
        error = float(means.draws[:, column].std(ddof=1)) * ((degrees + 1) / degrees) ** 0.5
        found |= interval_columns(name, Interval(estimate, estimate - reach * error, estimate + reach * error))
    if error > 0:
        found["p_value"] = 2 * float(scipy.stats.t.sf(abs(estimate) / error, degrees))
    return found


def _slopes(judged: Judged, cells: pl.DataFrame) -> Array:
    """What each question adds to the slope if it counts as each label, shape (questions, labels)."""
    right = judged.right("retrieved")
    numbered = judged.cells.with_row_index("number").join(cells, on=[*SETTING, *CUT], how="semi")
    x = np.log2(numbered["size"].to_numpy().astype(np.float64))
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    if right is None:
        raise AssertionError("every reader reads what was retrieved")
    slopes: Array = right[:, :, numbered["number"].to_numpy()] @ weights
    return slopes


def _finding(row: dict[str, Any], alpha: float) -> str:
    small, large = row["small"], row["large"]
    if row["n"] == 0 or row.get("difference") is None:
        return f"Cannot tell whether {small} and {large} want different chunk sizes: too few questions in common."
    if row["p_holm"] >= alpha:
        return f"Cannot tell whether {small} and {large} want different chunk sizes."
    smaller, other = ("small", "large") if row["difference"] < 0 else ("large", "small")
    names = row[smaller], row[other]
    falls, rises = row[f"slope_{smaller}_high"] < 0, row[f"slope_{other}_low"] > 0
    if falls and rises:
        return "{} wants smaller chunks than {}.".format(*names)
    # A slope that is lower does not mean that the best size is smaller: both may rise, or both may fall.
    return ("Larger chunks hurt {} more than {}." if falls else "Larger chunks help {} less than {}.").format(*names)
