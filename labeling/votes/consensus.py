"""Consensus: which questions are kept, with which label, and why the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.votes.sampling import Sampling
from labeling.votes.vote import N_VOTES

Rule = Literal["unanimous", "unanimous_and_correct", "majority", "min_probability"]
RULES: tuple[Rule, ...] = ("unanimous", "unanimous_and_correct", "majority", "min_probability")

GOLD = pl.Schema(
    {
        "question_id": pl.String(),
        "votes": pl.List(pl.String()),
        "label": pl.String(),
        "kept": pl.Boolean(),
        "reason": pl.String(),
        "reference": pl.String(),
    }
)


class ConsensusConfig(BaseModel):
    """Which questions make up the gold set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule = Field(
        "unanimous",
        description="unanimous: all three votes agree; unanimous_and_correct: and match the reference; majority: two "
        "agree; min_probability: the mean probability is high enough",
    )
    min_probability: float = Field(0.8, gt=0, le=1, description="threshold of the rule min_probability")


class ReaderVotes(NamedTuple):
    """One reader and its votes.

    Attributes:
        name: in reports.
        sampling: how its votes are drawn.
        diversity: how they can differ.
        questions: frame with question_id of the questions that it was asked.
        votes: frame of schema `VOTES`, document arm, of these questions.
        gold: its gold set, schema `GOLD`.
        tune: frame of schema `VOTES` of tune questions, for calibration; None if there are none.
    """

    name: str
    sampling: Sampling
    diversity: str
    questions: pl.DataFrame
    votes: pl.DataFrame
    gold: pl.DataFrame
    tune: pl.DataFrame | None


def check_rule(config: ConsensusConfig, references: pl.DataFrame) -> None:
    """Refuse a rule that cannot be applied to this corpus, before anything is asked.

    Raises:
        InputError: the rule needs reference labels and there are none.
    """
    if config.rule == "unanimous_and_correct" and references["reference"].null_count() == len(references):
        raise InputError(
            "rule 'unanimous_and_correct' on a corpus without reference labels",
            "a corpus with reference labels",
            "use rule = 'unanimous'",
        )


def build_gold(
    votes: pl.DataFrame, references: pl.DataFrame, labels: LabelSet, config: ConsensusConfig
) -> pl.DataFrame:
    """Apply a consensus rule to the votes of the `document` arm.

    Args:
        votes: frame of schema `VOTES` with the three votes of each question.
        references: columns question_id and reference; every question in it gets a row, in the same order.
        labels: the label set.
        config: the rule.

    Returns:
        Frame of schema `GOLD`. `label` is the label that counts as right if `kept`, otherwise null; `reason` says why a
        question is kept or not.

    Raises:
        InputError: the rule needs reference labels and there are none.
    """
    check_rule(config, references)
    cast = {
        row["question_id"]: row
        for row in votes.sort("question_id", "vote")
        .group_by("question_id", maintain_order=True)
        .agg("label", "failure", "probabilities")
        .iter_rows(named=True)
    }
    rows = []
    for question_id, reference in references.select("question_id", "reference").iter_rows():
        given = cast.get(question_id, {"label": [], "failure": [], "probabilities": []})
        label, reason = _decide(given, reference, labels, config)
        rows.append(
            {
                "question_id": question_id, "votes": given["label"], "label": label, "kept": label is not None,
                "reason": reason, "reference": reference,
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema=GOLD)


def _decide(
    given: dict[str, list[Any]], reference: str | None, labels: LabelSet, config: ConsensusConfig
) -> tuple[str | None, str]:
    """The label that is kept, or None, and the reason."""
    failures = [failure for failure in given["failure"] if failure]
    if failures:
        return None, f"failed vote: {failures[0]}"
    if len(given["label"]) < N_VOTES:
        return None, f"only {len(given['label'])} of {N_VOTES} votes"
    if config.rule == "min_probability":
        return _by_probability(given["probabilities"], labels, config.min_probability)
    (top, n_top), *others = Counter(given["label"]).most_common()
    if config.rule == "majority":
        return (top, f"{n_top} of {N_VOTES} votes") if n_top > N_VOTES // 2 else (None, "no majority")
    if others:
        return None, "votes differ"
    if config.rule == "unanimous_and_correct" and top != reference:
        return None, "no reference" if reference is None else "unanimous but wrong"
    return top, "unanimous"


def _by_probability(
    probabilities: Sequence[Sequence[float]], labels: LabelSet, threshold: float
) -> tuple[str | None, str]:
    normalised = np.array([np.array(row) / sum(row) for row in probabilities])
    mean = normalised.mean(axis=0)
    best = int(mean.argmax())
    if mean[best] < threshold - 1e-12:  # the computed mean of three times 0.7 is a hair below 0.7
        return None, f"mean probability below {threshold:g}"
    return labels.labels[best], f"mean probability at least {threshold:g}"
