"""Labelers against each other, on the same questions: who is better, who agrees with whom, on which gold set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import polars as pl
from sklearn.metrics import cohen_kappa_score

from corpora.schema import Corpus, LabelSet
from results.answer_metrics import NO_ANSWER, score_answers, score_classes
from results.labelers import document_answers
from results.scoring import ScoringConfig, question_facts
from results.statistics import compare_paired, detectable_difference, holm, mcnemar_exact
from results.verdict import missed

PAIRS = pl.Schema(
    {
        "a": pl.String(),
        "b": pl.String(),
        "n": pl.Int64(),
        "accuracy_a": pl.Float64(),
        "accuracy_b": pl.Float64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "p_mcnemar": pl.Float64(),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "detectable": pl.Float64(),
        "kappa": pl.Float64(),
        "both_wrong": pl.Int64(),
        "same_wrong_label": pl.Float64(),
        "finding": pl.String(),
    }
)
OWN_GOLD = pl.Schema(
    {
        "reader": pl.String(),
        "questions": pl.String(),
        "n": pl.Int64(),
        "accuracy": pl.Float64(),
        "macro_precision": pl.Float64(),
        "macro_recall": pl.Float64(),
        "macro_f1": pl.Float64(),
    }
)


def compare_labelers(
    corpus: Corpus, votes: Mapping[str, pl.DataFrame], golds: Mapping[str, pl.DataFrame], config: ScoringConfig
) -> dict[str, pl.DataFrame]:
    """Compare labelers by their most probable label on whole documents, against the reference labels.

    Args:
        corpus: gives references and clusters.
        votes: votes of the document arm, by reader.
        golds: gold set, by reader.
        config: confidence, resamples, seed.

    Returns:
        `pairs` (schema `PAIRS`, on the questions that both were asked), `own_gold` (schema `OWN_GOLD`: each labeler on
        all its questions, on its own gold set, and on the questions that are in every gold set) and `label_classes`
        (precision, recall and F1 a label). Without reference labels `pairs` is empty and the others count no question.
    """
    facts = question_facts(corpus).filter(pl.col("reference").is_not_null())
    answers = {
        reader: facts.join(document_answers(cast, corpus.labels), on="question_id").sort("question_id")
        for reader, cast in votes.items()
    }
    classes = []
    for reader, rows in answers.items():
        table = score_classes(rows["reference"].to_list(), rows["label"].to_list(), corpus.labels)
        classes.append(table.select(pl.lit(reader).alias("reader"), pl.all()))
    return {
        "pairs": _pairs(answers, config),
        "own_gold": _own_gold(answers, golds, corpus.labels),
        "label_classes": pl.concat(classes),
    }


def _pairs(answers: Mapping[str, pl.DataFrame], config: ScoringConfig) -> pl.DataFrame:
    rows = []
    for a, b in combinations(answers, 2):
        both = answers[a].join(answers[b], on="question_id", suffix="_b").sort("question_id")
        if not both.is_empty():
            rows.append(_pair(a, b, both, config))
    adjusted = holm([row["p_value"] for row in rows])
    for row, p_holm in zip(rows, adjusted, strict=True):
        row["p_holm"] = p_holm
        error = row.pop("standard_error")
        finite = math.isfinite(error)
        row["detectable"] = detectable_difference(error, len(rows), config.confidence) if finite else None
        row["finding"] = _finding(row, 1 - config.confidence)
    return pl.DataFrame(rows, schema=PAIRS)


def _pair(a: str, b: str, both: pl.DataFrame, config: ScoringConfig) -> dict[str, Any]:
    right_a, right_b = (
        (both[column] == both["reference"]).fill_null(value=False).cast(pl.Float64).to_numpy()
        for column in ("label", "label_b")
    )
    compared = compare_paired(right_a, right_b, both["cluster"].to_list(), config.confidence)
    given_a, given_b = (both[column].fill_null(NO_ANSWER).to_list() for column in ("label", "label_b"))
    wrong = both.filter(pl.Series((right_a == 0) & (right_b == 0)))
    # Undefined when both always give one and the same label.
    kappa = None if len({*given_a, *given_b}) == 1 else float(cohen_kappa_score(given_a, given_b))
    return {
        "a": a,
        "b": b,
        "n": len(both),
        "accuracy_a": float(right_a.mean()),
        "accuracy_b": float(right_b.mean()),
        "difference": compared.difference,
        "low": compared.low,
        "high": compared.high,
        "standard_error": compared.standard_error,
        "p_value": compared.p_value,
        "p_mcnemar": mcnemar_exact((right_a > 0).tolist(), (right_b > 0).tolist()),
        "kappa": kappa,
        "both_wrong": len(wrong),
        "same_wrong_label": (wrong["label"] == wrong["label_b"]).fill_null(value=False).mean(),
    }


def _finding(row: Mapping[str, Any], alpha: float) -> str:
    if row["p_holm"] < alpha:
        better = row["a"] if row["difference"] > 0 else row["b"]
        return f"{better} is better"
    return f"cannot tell: {missed(row['detectable'])}"


def _own_gold(answers: Mapping[str, pl.DataFrame], golds: Mapping[str, pl.DataFrame], labels: LabelSet) -> pl.DataFrame:
    kept = {reader: set(gold.filter("kept")["question_id"]) for reader, gold in golds.items()}
    shared = set.intersection(*kept.values())
    rows = []
    for reader, asked in answers.items():
        chosen = {"all": set(asked["question_id"]), "own gold set": kept[reader], "in every gold set": shared}
        for name, question_ids in chosen.items():
            judged = asked.filter(pl.col("question_id").is_in(question_ids))
            scores = score_answers(judged["reference"].to_list(), judged["label"].to_list(), labels)
            values = [None if math.isnan(value) else value for value in scores[1:]]
            rows.append((reader, name, scores.n, *values))
    return pl.DataFrame(rows, schema=OWN_GOLD, orient="row")
