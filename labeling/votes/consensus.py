"""Consensus: which questions are kept, with which label, and why the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.votes.sampling import Sampling
from labeling.votes.vote import N_VOTES
from labeling.votes.vote_law import distributions, most_probable, vote_law

Rule = Literal["unanimous", "unanimous_and_correct", "reviewed", "majority", "min_probability", "confident"]
RULES: tuple[Rule, ...] = get_args(Rule)
# These draw nothing: whether a question is kept follows from the distributions alone.
BY_DISTRIBUTION: tuple[Rule, ...] = ("min_probability", "confident")

# What people settled on, by question; None where they looked at it and did not settle.
Reviewed = Mapping[str, str | None]
NOT_REVIEWED: Reviewed = MappingProxyType({})

GOLD = pl.Schema(
    {
        "question_id": pl.String(),
        "votes": pl.List(pl.String()),
        "label": pl.String(),
        "kept": pl.Boolean(),
        "reason": pl.String(),
        "reference": pl.String(),
        "p_unanimous": pl.Float64(),
    }
)


class ConsensusConfig(BaseModel):
    """Which questions make up the gold set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule = Field(
        "unanimous",
        description="unanimous: all three votes agree; unanimous_and_correct: and match the reference; reviewed: and "
        "match the label that people gave in `tercet review`; majority: two agree; min_probability: the mean "
        "probability is high enough; confident: three votes would probably agree",
    )
    min_probability: float = Field(0.8, gt=0, le=1, description="threshold of the rule min_probability")
    min_unanimous: float = Field(
        0.5, gt=0, le=1, description="threshold of the rule confident: the probability that three votes agree"
    )
    coverage: float | None = Field(
        None, gt=0, le=1,
        description="rule confident: the share of questions to keep, in place of the threshold",
    )  # fmt: skip
    most_probable: bool = Field(
        True, description="rule unanimous: the agreed label must also be the reader's most probable one"
    )

    @model_validator(mode="after")
    def _coverage_has_its_rule(self) -> ConsensusConfig:
        if self.coverage is not None and self.rule != "confident":
            raise ValueError(f"no coverage with rule = {self.rule!r}, as only the rule confident goes by one")
        return self


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
        reviewed: what people settled on, for the rule reviewed.
    """

    name: str
    sampling: Sampling
    diversity: str
    questions: pl.DataFrame
    votes: pl.DataFrame
    gold: pl.DataFrame
    tune: pl.DataFrame | None
    reviewed: Reviewed = NOT_REVIEWED


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
    votes: pl.DataFrame, references: pl.DataFrame, labels: LabelSet, config: ConsensusConfig,
    sampling: Sampling = Sampling(),  # noqa: B008  # immutable
    reviewed: Reviewed = NOT_REVIEWED,
) -> pl.DataFrame:  # fmt: skip
    """Apply a consensus rule to the votes of the `document` arm.

    Args:
        votes: frame of schema `VOTES` with the three votes of each question.
        references: columns question_id and reference; every question in it gets a row, in the same order.
        labels: the label set.
        config: the rule.
        sampling: how the votes were drawn.
        reviewed: what people settled on, for the rule reviewed.

    Returns:
        Frame of schema `GOLD`. `label` is the label that counts as right if `kept`, otherwise null; `reason` says why a
        question is kept or not; `p_unanimous` is the probability that three votes agree, null where it is not known.

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
    laws = agreement(votes, labels, sampling)
    least = _least(laws, config)
    rows = []
    for question_id, reference in references.select("question_id", "reference").iter_rows():
        given = cast.get(question_id, {"label": [], "failure": [], "probabilities": []})
        law = laws.get(question_id)
        label, reason = _decide(given, reference, labels, config, law, least)
        if config.rule == "reviewed" and label is not None:
            label, reason = _as_reviewed(label, question_id, reviewed)
        rows.append(
            {
                "question_id": question_id, "votes": given["label"], "label": label, "kept": label is not None,
                "reason": reason, "reference": reference, "p_unanimous": None if law is None else law.p_unanimous,
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema=GOLD)


class Agreement(NamedTuple):
    """What the exact law says of the three votes on a question.

    Attributes:
        p_unanimous: probability that all three agree.
        label: what they most probably agree on.
        most_probable: the label with the highest mean probability.
    """

    p_unanimous: float
    label: str
    most_probable: str


def agreement(votes: pl.DataFrame, labels: LabelSet, sampling: Sampling) -> dict[str, Agreement]:
    """The law of the votes on every question whose distributions are known, by question id.

    Args:
        votes: frame of schema `VOTES`, document arm.
        labels: the label set.
        sampling: how the votes were drawn.
    """
    known = distributions(votes, len(labels))
    if not known.question_ids:
        return {}
    law, best = vote_law(known.probabilities, sampling), most_probable(known.probabilities)
    # Equal but for rounding is equal.
    chances, agreed = law.unanimous.sum(axis=-1).round(12).tolist(), law.unanimous.argmax(axis=-1)
    each = zip(known.question_ids, chances, agreed, best, strict=True)
    return {one: Agreement(p, labels.labels[label], labels.labels[first]) for one, p, label, first in each}


def _least(laws: Mapping[str, Agreement], config: ConsensusConfig) -> float:
    """The lowest P(unanimous) that the rule `confident` keeps."""
    if config.coverage is None or not laws:
        return config.min_unanimous
    ranked = sorted((law.p_unanimous for law in laws.values()), reverse=True)
    n_kept = wished = max(1, round(config.coverage * len(ranked)))
    # Questions that are equally sure come in together. If they would be too many they stay out, unless none is left.
    while 0 < n_kept < len(ranked) and ranked[n_kept] == ranked[n_kept - 1]:
        n_kept -= 1
    return ranked[(n_kept or wished) - 1]


def _decide(
    given: dict[str, list[Any]], reference: str | None, labels: LabelSet, config: ConsensusConfig,
    law: Agreement | None, least: float,
) -> tuple[str | None, str]:  # fmt: skip
    """The label that is kept, or None, and the reason."""
    failures = [failure for failure in given["failure"] if failure]
    if failures:
        return None, f"failed vote: {failures[0]}"
    if len(given["label"]) < N_VOTES:
        return None, f"only {len(given['label'])} of {N_VOTES} votes"
    if config.rule == "min_probability":
        return _by_probability(given["probabilities"], labels, config.min_probability)
    if config.rule == "confident":
        return _by_agreement(law, least)
    (top, n_top), *others = Counter(given["label"]).most_common()
    if config.rule == "majority":
        return (top, f"{n_top} of {N_VOTES} votes") if n_top > N_VOTES // 2 else (None, "no majority")
    if others:
        return None, "votes differ"
    if config.rule == "unanimous_and_correct" and top != reference:
        return None, "no reference" if reference is None else "unanimous but wrong"
    if config.rule == "unanimous" and config.most_probable and law is not None and top != law.most_probable:
        return None, "unanimous, but another label is more probable"
    return top, "unanimous"


def _as_reviewed(label: str, question_id: str, reviewed: Reviewed) -> tuple[str | None, str]:
    """What becomes of a label on which three votes agree, by what people say."""
    if question_id not in reviewed:
        return None, "unanimous, but not reviewed"
    given = reviewed[question_id]
    if given != label:
        return None, "unanimous, but " + ("not settled in review" if given is None else "reviewed as wrong")
    return label, "unanimous, and reviewed as right"


def _by_agreement(law: Agreement | None, least: float) -> tuple[str | None, str]:
    if law is None:
        return None, "no label probabilities"
    if law.p_unanimous < least:
        return None, "three votes would agree too rarely"
    return law.label, "three votes would agree often enough"


def _by_probability(
    probabilities: Sequence[Sequence[float]], labels: LabelSet, threshold: float
) -> tuple[str | None, str]:
    normalised = np.array([np.array(row) / sum(row) for row in probabilities])
    mean = normalised.mean(axis=0)
    best = int(mean.argmax())
    if mean[best] < threshold - 1e-12:  # the computed mean of three times 0.7 is a hair below 0.7
        return None, f"mean probability below {threshold:g}"
    return labels.labels[best], f"mean probability at least {threshold:g}"
