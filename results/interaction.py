"""Does the small reader want other chunk sizes than the large one? Reader size times chunk size, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t as student

from corpora.schema import LabelSet
from results.cells import QUESTIONS, interval_columns
from results.config import ScoringConfig
from results.judged import Judged
from results.resampling import Array, Law, both_laws, resample_means
from results.settings import CUT, CUT_SCHEMA, SETTING, with_interval
from results.statistics import Interval, holm

INTERACTIONS = pl.Schema(
    {
        "small": pl.String(),
        "large": pl.String(),
        **CUT_SCHEMA,
        "questions": pl.String(),
        "n": pl.Int64(),
        **with_interval("slope_small", "slope_large", "difference"),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "finding": pl.String(),
    }
)


def interact(readers: Sequence[Judged], labels: LabelSet, config: ScoringConfig) -> pl.DataFrame:
    """How much more accuracy a doubling of the chunk size gives one reader than another; schema `INTERACTIONS`.

    A slope is that of a least-squares line through the accuracies over the binary logarithm of the size, under one
    cut; what else varies (splitter, overlap, embedder, retriever) is averaged over. Both readers are judged on the
    same questions: those in both gold sets, each by its own gold label, and all with a reference label. The interval
    is Student's over resampled documents and votes; Holm corrects for all rows but the headings' two kinds of
    questions apart.

    Args:
        readers: their answers, the smallest model first.
        labels: the label set.
        config: confidence, resamples, seed.
    """
    rows = []
    for questions in QUESTIONS:
        found = []
        for small, large in combinations(readers, 2):
            shared = small.cells.join(large.cells, on=[*SETTING, *CUT], how="semi")
            for (cut, amount), cells in shared.group_by(CUT, maintain_order=True):
                if cells["size"].n_unique() > 1:
                    place = {"small": small.reader, "large": large.reader, "cut": cut, "amount": amount}
                    found.append(
                        place | {"questions": questions} | _contrast(small, large, cells, questions, labels, config)
                    )
        for row, p_holm in zip(found, holm([row["p_value"] for row in found]), strict=True):
            row["p_holm"] = p_holm
            row["finding"] = _finding(row, 1 - config.confidence)
        rows += found
    return pl.DataFrame(rows, schema=INTERACTIONS)


def _contrast(
    small: Judged, large: Judged, cells: pl.DataFrame, questions: str, labels: LabelSet, config: ScoringConfig
) -> dict[str, Any]:
    both = small.facts.select("question_id").join(large.facts.select("question_id"), on="question_id", how="inner")
    slopes, laws = [], []
    for judged in (small, large):
        rows = judged.facts.with_row_index("row").join(both, on="question_id", how="semi")["row"].to_numpy()
        slopes.append(_slopes(judged, cells, len(labels))[rows])
        law = judged.laws[questions]
        clusters = [law.clusters[row] for row in rows]
        laws.append(Law(law.observed[rows], law.chances[rows], clusters))
    law, n = (both_laws(*laws), len(labels)) if questions == "gold" else (laws[0], 1)
    of_small, of_large = (
        (np.repeat(slopes[0], n, axis=1), np.tile(slopes[1], (1, n))) if questions == "gold" else slopes
    )
    values = np.stack([of_small, of_large, of_small - of_large], axis=2)
    means = resample_means(values, law, config.n_resamples, config.seed)
    found: dict[str, Any] = {"n": means.n, "p_value": 1.0}
    if means.n_clusters < 2:
        return found
    widen = (means.n_clusters / (means.n_clusters - 1)) ** 0.5
    errors = means.draws.std(axis=0, ddof=1) * widen
    reach = float(student.ppf((1 + config.confidence) / 2, means.n_clusters - 1))
    for name, estimate, error in zip(
        ("slope_small", "slope_large", "difference"), means.estimates, errors, strict=True
    ):
        interval = Interval(float(estimate), float(estimate - reach * error), float(estimate + reach * error))
        found |= interval_columns(name, interval)
    if errors[2] > 0:
        found["p_value"] = 2 * float(student.sf(abs(means.estimates[2]) / errors[2], means.n_clusters - 1))
    return found


def _slopes(judged: Judged, cells: pl.DataFrame, n_labels: int) -> Array:
    """What each question adds to the slope if it counts as each label, shape (questions, labels)."""
    right = judged.right("retrieved", n_labels)
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
    smaller, other = (small, large) if row["difference"] < 0 else (large, small)
    return f"{smaller} wants smaller chunks than {other}."
