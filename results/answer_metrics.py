"""Answer scores: accuracy, and macro and per-class precision, recall and F1 (scikit-learn)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
from sklearn.metrics import precision_recall_fscore_support

from corpora.schema import LabelSet

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
