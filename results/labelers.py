"""What is known about a labeler from its votes on whole documents: consensus, attrition, qualification."""

from __future__ import annotations

import math

import polars as pl

from corpora.schema import LabelSet
from labeling.consensus import RULES, ConsensusConfig, build_gold
from results.statistics import Interval, better_than_majority, wilson

LABELERS = pl.Schema(
    {
        "reader": pl.String(),
        "n": pl.Int64(),
        "n_failed": pl.Int64(),
        "votes_differ": pl.Float64(),
        "vote_accuracy": pl.Float64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
        "majority_label": pl.String(),
        "majority_share": pl.Float64(),
        "p_value": pl.Float64(),
        "qualified": pl.Boolean(),
        "outside_mass": pl.Float64(),
        "fragile": pl.Float64(),
    }
)
CONSENSUS = pl.Schema(
    {
        "reader": pl.String(),
        "rule": pl.String(),
        "n": pl.Int64(),
        "kept": pl.Int64(),
        "coverage": pl.Float64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
    }
)
ATTRITION = pl.Schema(
    {"reader": pl.String(), "label": pl.String(), "n": pl.Int64(), "kept": pl.Int64(), "share": pl.Float64()}
)
FRAGILE_MARGIN = 0.05  # below this top-2 margin, another build or thread count may turn the label


def document_answers(votes: pl.DataFrame, labels: LabelSet) -> pl.DataFrame:
    """A reader's answer from the whole document: the most probable label of its first prompt.

    Args:
        votes: frame of schema `VOTES`, document arm.
        labels: the label set.

    Returns:
        Columns question_id, label (null for a failed vote), margin.
    """
    first = votes.filter(pl.col("vote") == 0).sort("question_id")
    best = pl.col("probabilities").list.arg_max()
    return first.select(
        "question_id",
        label=pl.when(pl.col("failure").is_null()).then(
            best.map_elements(lambda index: labels.labels[index], return_dtype=pl.String)
        ),
        margin="margin",
    )


def summarise_labeler(
    reader: str, votes: pl.DataFrame, references: pl.DataFrame, labels: LabelSet, confidence: float
) -> pl.DataFrame:
    """One row of schema `LABELERS`: accuracy on whole documents, and whether it beats the majority label.

    `qualified` is null where there are no references to judge by; the p-value is one-sided exact binomial.

    Args:
        reader: name in reports.
        votes: frame of schema `VOTES`, document arm, of the questions in `references`.
        references: columns question_id and reference.
        labels: the label set.
        confidence: of the interval.
    """
    known = references.filter(pl.col("reference").is_not_null())
    judged = document_answers(votes, labels).join(known, on="question_id", how="inner")
    right = (judged["label"] == judged["reference"]).fill_null(value=False)
    each = votes.join(known, on="question_id", how="inner")
    n_right, n = int(right.sum()), len(judged)
    counts = known.group_by("reference").len().sort(["len", "reference"], descending=[True, False])
    majority_label = counts["reference"][0] if n else None
    majority_share = counts["len"][0] / len(known) if n else None
    p_value = better_than_majority(n_right, n, majority_share) if majority_share is not None else None
    accuracy = wilson(n_right, n, confidence)
    differ = votes.group_by("question_id").agg(pl.col("label").n_unique() > 1)["label"]
    row = {
        "reader": reader,
        "n": len(references),
        "n_failed": int(votes["failure"].is_not_null().sum()),
        "votes_differ": differ.mean(),
        "vote_accuracy": (each["label"] == each["reference"]).fill_null(value=False).mean() if n else None,
        "accuracy": accuracy.estimate if n else None,
        "accuracy_low": accuracy.low if n else None,
        "accuracy_high": accuracy.high if n else None,
        "majority_label": majority_label,
        "majority_share": majority_share,
        "p_value": p_value,
        "qualified": p_value < 1 - confidence if p_value is not None else None,
        "outside_mass": votes["outside_mass"].mean(),
        "fragile": (votes["margin"] < FRAGILE_MARGIN).mean(),
    }
    return pl.DataFrame([row], schema=LABELERS)


def compare_rules(
    reader: str,
    votes: pl.DataFrame,
    references: pl.DataFrame,
    labels: LabelSet,
    consensus: ConsensusConfig,
    confidence: float,
) -> pl.DataFrame:
    """Coverage, and accuracy with its Wilson interval, under every consensus rule; frame of schema `CONSENSUS`."""
    rows = []
    has_references = references["reference"].null_count() < len(references)
    for rule in RULES:
        if rule == "unanimous_and_correct" and not has_references:
            continue
        gold = build_gold(votes, references, labels, consensus.model_copy(update={"rule": rule}))
        kept = gold.filter("kept")
        judged = kept.filter(pl.col("reference").is_not_null())
        accuracy = wilson(int((judged["label"] == judged["reference"]).sum()), len(judged), confidence)
        coverage = len(kept) / len(gold)
        rows.append((reader, rule, len(gold), len(kept), coverage, *_no_nan(accuracy)))
    return pl.DataFrame(rows, schema=CONSENSUS, orient="row")


def attrition(reader: str, gold: pl.DataFrame, labels: LabelSet) -> pl.DataFrame:
    """How many questions of each reference label the gold set keeps; frame of schema `ATTRITION`."""
    rows = []
    for label in labels:
        of_label = gold.filter(pl.col("reference") == label)
        kept = int(of_label["kept"].sum())
        rows.append((reader, label, len(of_label), kept, kept / len(of_label) if len(of_label) else None))
    return pl.DataFrame(rows, schema=ATTRITION, orient="row")


def _no_nan(interval: Interval) -> tuple[float | None, ...]:
    """A share of nothing is unknown, in tables as null."""
    return tuple(None if math.isnan(value) else value for value in interval)
