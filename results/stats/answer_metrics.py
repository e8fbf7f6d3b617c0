"""Answer scores: accuracy, and macro and per-class precision, recall and F1 (scikit-learn)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from corpora.schema import LabelSet
from results.stats.clustered import Interval
from results.stats.resampling import (
    Array,
    Law,
    Outcomes,
    draw_weights,
    effective_questions,
    expected_interval,
    share_interval,
)

NEGLIGIBLE = 0.5  # questions that a label is expected to be right for; fewer say nothing of its precision and recall
NO_ANSWER = "(no answer)"  # a failed vote is a wrong answer of its own kind, not a missing row
PER_CLASS = pl.Schema(
    {
        "label": pl.String(),
        "precision": pl.Float64(),
        "recall": pl.Float64(),
        "f1": pl.Float64(),
        "n": pl.Float64(),
        "n_answered": pl.Float64(),
    }
)


class AnswerScores(NamedTuple):
    """Scores over a set of questions; macro means are over the labels that occur among the right answers."""

    n: int
    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float


class Macro(NamedTuple):
    """Macro precision, recall and F1, each with its interval."""

    precision: Interval
    recall: Interval
    f1: Interval


def load_metrics() -> Any:
    """scikit-learn's metrics, loaded where something is scored; without them, a report takes half the time."""
    from sklearn import metrics

    return metrics


def kappa(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Cohen's kappa of two columns of labels; None where both hold one and the same label: it is undefined."""
    metrics = load_metrics()
    return None if len({*a, *b}) == 1 else float(metrics.cohen_kappa_score(a, b))


def score_answers(right: Sequence[str], answered: Sequence[str | None], labels: LabelSet) -> AnswerScores:
    """Score answers against what counts as right.

    A label that is never right has no recall to average and is left out of the macro means. An answer with it lowers
    the recall of the label that was right, and the precision of no other.
    """
    if not right:
        nan = float("nan")
        return AnswerScores(0, nan, nan, nan, nan)
    present = [label for label in labels if label in set(right)]
    given = [label if label is not None else NO_ANSWER for label in answered]
    precision, recall, f1, _ = load_metrics().precision_recall_fscore_support(
        list(right), given, labels=present, average="macro", zero_division=0.0
    )
    accuracy = sum(a == b for a, b in zip(right, given, strict=True)) / len(right)
    return AnswerScores(len(right), accuracy, float(precision), float(recall), float(f1))


def score_classes(right: Sequence[str], answered: Sequence[str | None], labels: LabelSet) -> pl.DataFrame:
    """Precision, recall and F1 of each label; frame of schema `PER_CLASS`, in label order."""
    if not right:
        return pl.DataFrame([(label, 0.0, 0.0, 0.0, 0, 0) for label in labels], schema=PER_CLASS, orient="row")
    given = [label if label is not None else NO_ANSWER for label in answered]
    precision, recall, f1, support = load_metrics().precision_recall_fscore_support(
        list(right), given, labels=list(labels), average=None, zero_division=0.0
    )
    n_answered = [given.count(label) for label in labels]
    rows = zip(labels, precision, recall, f1, support, n_answered, strict=True)
    return pl.DataFrame([tuple(row) for row in rows], schema=PER_CLASS, orient="row")


def expected_classes(weights: Array, said: Array, labels: LabelSet) -> pl.DataFrame:
    """The same from probabilities: precision, recall and F1 of the expected confusion matrix.

    Args:
        weights: shape (questions, labels): how much each question counts with each right label.
        said: shape (questions, labels): probability that the answer is this label; all 0 for no answer.
        labels: the label set.
    """
    hits, held, answered = (weights * said).sum(axis=0), weights.sum(axis=0), weights.sum(axis=1) @ said
    return pl.DataFrame(
        {
            "label": list(labels),
            "precision": _quotient(hits, answered),
            "recall": _quotient(hits, held),
            "f1": _quotient(2 * hits, held + answered),
            "n": held,
            "n_answered": answered,
        },
        schema=PER_CLASS,
    )


def _quotient(above: Array, below: Array) -> Array:
    """Quotients; 0 where nothing is below, as scikit-learn has it with `zero_division=0`."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def resample_macro(said: Array, law: Law, n_resamples: int, confidence: float, seed: int) -> list[Macro]:
    """Macro precision, recall and F1 of columns of answers, with intervals over documents and votes.

    The labels averaged are those of `score_answers`; a label that is absent from a resample is left out of its mean.
    The interval is that of a share (`share_interval`), with the standard error of the resampled score: percentiles of a
    score as biased as macro F1 count the bias twice, and are too narrow where a label is rare.

    Args:
        said: shape (questions, labels, columns): probability that the answer is this label; all 0 for no answer.
        law: what counts as right.
        n_resamples: number of resamples.
        confidence: of the intervals.
        seed: of the draws.

    Returns:
        One per column; NaN throughout where no question counts.
    """
    weights = law.weights
    present = np.flatnonzero(weights.sum(axis=0) > NEGLIGIBLE)
    if not len(present):
        unknown = Interval(float("nan"), float("nan"), float("nan"))
        return [Macro(unknown, unknown, unknown)] * said.shape[2]
    estimates = _macro(weights[None], said, present)[0]
    parts = [_macro(weights, said, present) for weights in draw_weights(law, n_resamples, seed)]
    errors = np.nanstd(np.concatenate(parts), axis=0, ddof=1)
    n, n_clusters = law.n, law.n_clusters

    def interval(estimate: float, error: float) -> Interval:
        if not law.is_drawn:
            return expected_interval(estimate, error, n, n_clusters, confidence)
        n_effective = effective_questions(estimate, error, n, n_clusters)
        return share_interval(estimate, n_effective, n_clusters, confidence)

    return [
        Macro(*(interval(float(estimate), float(error)) for estimate, error in zip(*of_column, strict=True)))
        for of_column in zip(estimates, errors, strict=True)
    ]


def _macro(weights: Array, said: Array, present: Outcomes) -> Array:
    """Macro precision, recall and F1, shape (resamples, columns, 3).

    Args:
        weights: shape (resamples, questions, labels): how much each question counts with each right label.
        said: shape (questions, labels, columns): 1 where a column's answer is that label.
        present: labels that are averaged.
    """
    totals = weights.sum(axis=2)
    parts = []
    for label in present:
        held = weights[:, :, label].sum(axis=1)[:, None]
        hits, answered = weights[:, :, label] @ said[:, label], totals @ said[:, label]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(answered > 0, hits / answered, 0.0)
            one = np.stack([precision, hits / held, 2 * hits / (held + answered)], axis=2)
        parts.append(np.where(held[:, :, None] > 0, one, np.nan))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample without any of the labels is NaN, as it should be
        means: Array = np.nanmean(np.stack(parts), axis=0)
    return means
