"""Answer scores: accuracy, and macro and per-class precision, recall and F1 (scikit-learn)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support

from corpora.schema import LabelSet
from results.statistics import Interval

NO_ANSWER = "(no answer)"  # a failed vote is a wrong answer of its own kind, not a missing row
PER_CLASS = pl.Schema(
    {
        "label": pl.String(),
        "precision": pl.Float64(),
        "recall": pl.Float64(),
        "f1": pl.Float64(),
        "n": pl.Int64(),
        "n_answered": pl.Int64(),
    }
)


class AnswerScores(NamedTuple):
    """Scores over some questions; macro means are over the labels that the right answers hold."""

    n: int
    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float


def kappa(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Cohen's kappa of two columns of labels; None where both say one and the same throughout: it is undefined."""
    return None if len({*a, *b}) == 1 else float(cohen_kappa_score(a, b))


def score_answers(right: Sequence[str], answered: Sequence[str | None], labels: LabelSet) -> AnswerScores:
    """Score answers against what counts as right.

    A label that is never the right one has no recall to average, and is left out of the macro means; answering it
    still costs the precision of nobody but the recall of the label that was right.
    """
    if not right:
        nan = float("nan")
        return AnswerScores(0, nan, nan, nan, nan)
    present = [label for label in labels if label in set(right)]
    given = [label if label is not None else NO_ANSWER for label in answered]
    precision, recall, f1, _ = precision_recall_fscore_support(
        list(right), given, labels=present, average="macro", zero_division=0.0
    )
    accuracy = sum(a == b for a, b in zip(right, given, strict=True)) / len(right)
    return AnswerScores(len(right), accuracy, float(precision), float(recall), float(f1))


def score_classes(right: Sequence[str], answered: Sequence[str | None], labels: LabelSet) -> pl.DataFrame:
    """Precision, recall and F1 of each label; frame of schema `PER_CLASS`, in label order."""
    if not right:
        return pl.DataFrame([(label, 0.0, 0.0, 0.0, 0, 0) for label in labels], schema=PER_CLASS, orient="row")
    given = [label if label is not None else NO_ANSWER for label in answered]
    precision, recall, f1, support = precision_recall_fscore_support(
        list(right), given, labels=list(labels), average=None, zero_division=0.0
    )
    n_answered = [given.count(label) for label in labels]
    rows = zip(labels, precision, recall, f1, support, n_answered, strict=True)
    return pl.DataFrame([tuple(row) for row in rows], schema=PER_CLASS, orient="row")


def bootstrap_macro(
    right: Sequence[str],
    answered: Sequence[str | None],
    labels: LabelSet,
    clusters: Sequence[str],
    n_resamples: int,
    confidence: float,
    seed: int,
) -> tuple[Interval, Interval, Interval]:
    """Macro precision, recall and F1 with percentile bootstrap intervals over clusters.

    The labels averaged are those of `score_answers`; one that a resample does not hold is left out of its mean.
    """
    scores = score_answers(right, answered, labels)
    present = [label for label in labels if label in set(right)]
    columns = [*present, *(label for label in labels if label not in present), NO_ANSWER]
    given = [columns.index(label if label is not None else NO_ANSWER) for label in answered]
    _, codes = np.unique(np.asarray(clusters, dtype=object), return_inverse=True)
    n_clusters = int(codes.max()) + 1
    confusion = np.zeros((n_clusters, len(present), len(columns)))
    place = (np.asarray(codes), np.array([present.index(label) for label in right]), np.array(given))
    np.add.at(confusion, place, 1.0)
    means = _resampled_macro(confusion, n_resamples, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    estimates = (scores.macro_precision, scores.macro_recall, scores.macro_f1)
    found = [Interval(*map(float, one)) for one in zip(estimates, low, high, strict=True)]
    return found[0], found[1], found[2]


def _resampled_macro(confusion: npt.NDArray[np.float64], n_resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """Macro precision, recall and F1 of each resample, shape (resamples, 3), from counts (clusters, right, given)."""
    rng = np.random.default_rng(seed)
    n_clusters, n_present, n_columns = confusion.shape
    flat = confusion.reshape(n_clusters, -1)
    block = max(1, 4_000_000 // n_clusters)
    parts = []
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        weights = rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=size)
        counts = (weights @ flat).reshape(size, n_present, n_columns)
        hits = np.diagonal(counts, axis1=1, axis2=2)
        held, said = counts.sum(axis=2), counts.sum(axis=1)[:, :n_present]
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = hits / held  # NaN where the resample does not hold the label
            precision = np.where(held > 0, np.where(said > 0, hits / said, 0.0), np.nan)
            f1 = np.where(held > 0, 2 * hits / (held + said), np.nan)
        parts.append(np.stack([np.nanmean(one, axis=1) for one in (precision, recall, f1)], axis=1))
    return np.concatenate(parts)
