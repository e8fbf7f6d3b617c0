"""What is known about a reader from its votes on whole documents: accuracy, consensus rules, attrition."""

from __future__ import annotations

import math

import polars as pl

from corpora.schema import LabelSet
from labeling.votes.consensus import BY_DISTRIBUTION, NOT_REVIEWED, RULES, ConsensusConfig, Reviewed, build_gold
from labeling.votes.sampling import Sampling
from results.readers.answers import FRAGILE_MARGIN, document_answers, hits
from results.readers.qualification import weigh
from results.stats.clustered import Interval, wilson_clustered

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
        "p_vs_majority": pl.Float64(),
        "chance": pl.Float64(),
        "p_vs_chance": pl.Float64(),
        "above_chance_high": pl.Float64(),
        "p_vs_majority_holm": pl.Float64(),
        "p_vs_chance_holm": pl.Float64(),
        "qualified": pl.Boolean(),
        "standing": pl.String(),
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


def summarise_labeler(
    reader: str, votes: pl.DataFrame, facts: pl.DataFrame, labels: LabelSet, confidence: float,
    unread: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """One row of schema `LABELERS`: accuracy on whole documents, and the evidence against the two baselines.

    Columns that need correction over all readers (adjusted p-values, `qualified`, `standing`) are null until
    `results.readers.qualification.correct` fills them in. Columns that need references are null where there are none.

    Args:
        reader: name in reports.
        votes: frame of schema `VOTES`, document arm, of the questions in `facts`.
        facts: columns question_id, reference, cluster.
        labels: the label set.
        confidence: of the interval.
        unread: as from `answers_without_reading`, where questions have choices of their own.
    """
    known = facts.filter(pl.col("reference").is_not_null())
    judged = document_answers(votes, labels).join(known, on="question_id", how="inner").sort("question_id")
    if unread is not None:
        judged = judged.join(unread, on="question_id", how="left", maintain_order="left")
    evidence = weigh(judged, confidence)
    n = len(judged)
    each = votes.join(known, on="question_id", how="inner")
    accuracy = wilson_clustered(hits(judged), judged["cluster"].to_list(), confidence)
    # A failed vote agrees with nothing.
    agree = (pl.col("label").n_unique() == 1) & (pl.col("label").null_count() == 0)
    differ = votes.group_by("question_id").agg(differ=~agree)["differ"]
    row = {
        "reader": reader,
        "n": len(facts),
        "n_failed": int(votes["failure"].is_not_null().sum()),
        "votes_differ": differ.mean(),
        "vote_accuracy": (each["label"] == each["reference"]).fill_null(value=False).mean() if n else None,
        "accuracy": accuracy.estimate if n else None,
        "accuracy_low": accuracy.low if n else None,
        "accuracy_high": accuracy.high if n else None,
        **(evidence._asdict() if evidence else {}),
        "outside_mass": votes["outside_mass"].mean(),
        "fragile": (votes["margin"] < FRAGILE_MARGIN).mean(),
    }
    return pl.DataFrame([row], schema=LABELERS)


AS_MANY = "confident (as many as unanimous)"


def compare_rules(
    reader: str,
    votes: pl.DataFrame,
    facts: pl.DataFrame,
    labels: LabelSet,
    consensus: ConsensusConfig,
    confidence: float,
    sampling: Sampling = Sampling(),  # noqa: B008  # immutable
    reviewed: Reviewed = NOT_REVIEWED,
) -> pl.DataFrame:
    """Coverage, and accuracy with its clustered Wilson interval, under every consensus rule; schema `CONSENSUS`.

    Facts have the columns question_id, reference, cluster.

    A rule that needs references, distributions or reviews is left out where there are none. The rule `confident` has a
    second row, with as many questions as unanimity keeps, so that the two can be compared.
    """
    rows, clusters = [], facts.select("question_id", "cluster")
    has_references = facts["reference"].null_count() < len(facts)
    has_distributions = bool((votes["probabilities"].list.len() > 0).any())
    needs = {"unanimous_and_correct": has_references, "reviewed": bool(reviewed)}
    needs |= dict.fromkeys(BY_DISTRIBUTION, has_distributions)
    rules = {str(rule): consensus.model_copy(update={"rule": rule}) for rule in RULES if needs.get(rule, True)}
    kept_by_votes = build_gold(votes, facts, labels, rules["unanimous"], sampling)["kept"]
    if has_distributions and kept_by_votes.any():
        share = float(kept_by_votes.sum()) / len(kept_by_votes)
        rules[AS_MANY] = rules["confident"].model_copy(update={"coverage": share})
    for name, rule in rules.items():
        gold = build_gold(votes, facts, labels, rule, sampling, reviewed)
        kept = gold.filter("kept")
        judged = kept.filter(pl.col("reference").is_not_null()).join(clusters, on="question_id", maintain_order="left")
        accuracy = wilson_clustered(hits(judged), judged["cluster"].to_list(), confidence)
        coverage = len(kept) / len(gold)
        rows.append((reader, name, len(gold), len(kept), coverage, *no_nan(accuracy)))
    return pl.DataFrame(rows, schema=CONSENSUS, orient="row")


def attrition(reader: str, gold: pl.DataFrame, labels: LabelSet) -> pl.DataFrame:
    """How many questions of each reference label the gold set keeps; frame of schema `ATTRITION`."""
    rows = []
    for label in labels:
        of_label = gold.filter(pl.col("reference") == label)
        kept = int(of_label["kept"].sum())
        rows.append((reader, label, len(of_label), kept, kept / len(of_label) if len(of_label) else None))
    return pl.DataFrame(rows, schema=ATTRITION, orient="row")


def no_nan(interval: Interval) -> tuple[float | None, ...]:
    """A share of nothing is unknown, in tables as null."""
    return tuple(None if math.isnan(value) else value for value in interval)
