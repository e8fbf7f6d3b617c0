"""A specialist's scores: accuracy, calibration, and paired differences from its teacher and from simpler answers.

All are judged by the reference labels of held-out questions, never by gold labels, which are the teacher's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import f1_score

from results.readers.answers import hits
from results.stats.clustered import compare_paired, wilson_clustered

SPECIALIST, TEACHER, LINEAR, MAJORITY = "specialist", "teacher", "linear baseline", "majority label"
ALL, KEPT, EXCLUDED = "all", "kept", "excluded"  # by the teacher's consensus filter
N_BINS = 10

SCORES = pl.Schema(
    {
        "answers": pl.String(),
        "questions": pl.String(),
        "n": pl.Int64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
        "macro_f1": pl.Float64(),
        "confidence": pl.Float64(),
        "calibration_error": pl.Float64(),
        "brier": pl.Float64(),
    }
)
DIFFERENCES = pl.Schema(
    {
        "minus": pl.String(),
        "questions": pl.String(),
        "n": pl.Int64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "p_value": pl.Float64(),
    }
)
CURVE = pl.Schema(
    {
        "n_labels": pl.Int64(),
        "n_documents": pl.Int64(),
        "n": pl.Int64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
        "brier": pl.Float64(),
    }
)
Floats = npt.NDArray[np.float64]


class Judged(NamedTuple):
    """Held-out questions with references, and what each answers on them.

    Attributes:
        facts: columns question_id, reference, cluster, kept (by the teacher's filter; null where it was not asked).
        answers: by who answers, columns question_id, label (null for none) and probabilities (empty for none).
        labels: the label set.
    """

    facts: pl.DataFrame
    answers: Mapping[str, pl.DataFrame]
    labels: Sequence[str]

    def of(self, who: str, questions: str = ALL) -> pl.DataFrame:
        """The facts of the questions that somebody was asked, with the answers; sorted by question."""
        chosen = {ALL: pl.lit(value=True), KEPT: pl.col("kept"), EXCLUDED: ~pl.col("kept")}[questions]
        return self.facts.filter(chosen).join(self.answers[who], on="question_id").sort("question_id")


class Scored(NamedTuple):
    """The scores of a specialist.

    Attributes:
        scores: frame of schema `SCORES`.
        differences: frame of schema `DIFFERENCES`: the specialist's accuracy minus that of others, on the questions
            that both answered.
    """

    scores: pl.DataFrame
    differences: pl.DataFrame


def always(facts: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
    """The answers of who always gives the most frequent reference label of these questions: the hardest to beat."""
    counts = facts.group_by("reference").len().sort(["len", "reference"], descending=[True, False])
    label = counts["reference"][0]
    certain = [1.0 if one == label else 0.0 for one in labels]
    return facts.select("question_id", label=pl.lit(label), probabilities=pl.lit([certain]).first())


def answers_of(question_ids: Sequence[str], probabilities: Floats, labels: Sequence[str]) -> pl.DataFrame:
    """The most probable labels, as `Judged.answers` has them.

    Args:
        question_ids: the questions.
        probabilities: shape (questions, labels); a row of NaN where there is no answer.
        labels: the label set.
    """
    known = [bool(np.isfinite(row).all()) for row in probabilities]
    best: list[int] = np.nan_to_num(probabilities).argmax(axis=1).tolist()
    rows = list(zip(probabilities.tolist(), best, known, strict=True))
    return pl.DataFrame(
        {
            "question_id": list(question_ids),
            "label": [labels[one] if fine else None for _, one, fine in rows],
            "probabilities": [row if fine else [] for row, _, fine in rows],
        },
        schema={"question_id": pl.String(), "label": pl.String(), "probabilities": pl.List(pl.Float64())},
    )


def score(judged: Judged, confidence: float) -> Scored:
    """Score everybody on all questions, and on those that the teacher's filter kept and excluded."""
    scores, differences = [], []
    for questions in (ALL, KEPT, EXCLUDED):
        for who in judged.answers:
            given = judged.of(who, questions)
            if len(given):
                scores.append({"answers": who, "questions": questions} | _scores(given, judged.labels, confidence))
        for other in judged.answers:
            if other != SPECIALIST:
                differences += _difference(judged, other, questions, confidence)
    return Scored(pl.DataFrame(scores, schema=SCORES), pl.DataFrame(differences, schema=DIFFERENCES))


def curve_point(judged: pl.DataFrame, labels: Sequence[str], sizes: tuple[int, int], confidence: float) -> pl.DataFrame:
    """One point of a learning curve; frame of schema `CURVE`.

    Args:
        judged: as `Judged.of`.
        labels: the label set.
        sizes: how many labels were learnt from, and on how many documents these are.
        confidence: of the interval.
    """
    found = _scores(judged, labels, confidence)
    row = {"n_labels": sizes[0], "n_documents": sizes[1]} | {name: found[name] for name in CURVE.names()[2:]}
    return pl.DataFrame([row], schema=CURVE)


def _scores(given: pl.DataFrame, labels: Sequence[str], confidence: float) -> dict[str, float | int | None]:
    right = hits(given)
    accuracy = wilson_clustered(right, given["cluster"].to_list(), confidence)
    known = given.filter(pl.col("probabilities").list.len() == len(labels))
    of_labels = f1_score(
        given["reference"].to_list(), given["label"].fill_null("").to_list(),
        labels=sorted(given["reference"].unique()), average="macro", zero_division=0,
    )  # fmt: skip
    return {
        "n": len(given),
        "accuracy": accuracy.estimate,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "macro_f1": float(of_labels),
        **(_calibration(known, labels) if len(known) == len(given) else _NO_CALIBRATION),
    }


_NO_CALIBRATION = dict.fromkeys(("confidence", "calibration_error", "brier"))


def _calibration(given: pl.DataFrame, labels: Sequence[str]) -> dict[str, float | None]:
    p = np.array(given["probabilities"].to_list(), dtype=np.float64)
    p /= p.sum(axis=1, keepdims=True)
    truth = (np.array(given["reference"].to_list())[:, None] == np.array(labels)[None, :]).astype(np.float64)
    return {
        "confidence": float(p.max(axis=1).mean()),
        "calibration_error": calibration_error(p.max(axis=1), hits(given)),
        "brier": float(((p - truth) ** 2).sum(axis=1).mean()),
    }


def calibration_error(confidence: Floats, right: Floats) -> float:
    """Expected calibration error over bins of equal numbers of questions (Nixon et al. 2019, arXiv:1904.01685).

    Args:
        confidence: shape (questions,): probability of the label that was given.
        right: shape (questions,): 1 where that label is right.
    """
    order = np.argsort(confidence, kind="stable")
    bins = [one for one in np.array_split(order, N_BINS) if len(one)]
    gaps = [abs(float(confidence[one].mean() - right[one].mean())) * len(one) for one in bins]
    return sum(gaps) / len(confidence)


def _difference(judged: Judged, other: str, questions: str, confidence: float) -> list[dict[str, float | str]]:
    mine, theirs = judged.of(SPECIALIST, questions), judged.of(other, questions)
    both = mine.join(theirs.select("question_id", other="label"), on="question_id").sort("question_id")
    if both.is_empty():
        return []
    found = compare_paired(hits(both), hits(both, "other"), both["cluster"].to_list(), confidence)
    said = {"difference": found.difference, "low": found.low, "high": found.high, "p_value": found.p_value}
    return [{"minus": other, "questions": questions, "n": len(both), **said}]
