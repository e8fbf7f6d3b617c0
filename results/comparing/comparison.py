"""Readers compared on the same questions: which is better, which ones agree, and on which gold set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from corpora.schema import Corpus, LabelSet
from results.config import ScoringConfig
from results.readers.answers import hits, judge
from results.readers.labelers import no_nan
from results.stats.answer_metrics import NO_ANSWER, kappa, score_answers, score_classes
from results.stats.chance_agreement import agreement_against_chance, p_above_chance
from results.stats.clustered import compare_paired, detectable_difference, holm, mcnemar_exact, missed, wilson_clustered

Flags = npt.NDArray[np.bool_]

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
        "only_a": pl.Int64(),
        "only_b": pl.Int64(),
        "cohens_g": pl.Float64(),
        "p_mcnemar": pl.Float64(),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "detectable": pl.Float64(),
        "kappa": pl.Float64(),
        "both_wrong": pl.Int64(),
        "both_wrong_expected": pl.Float64(),
        "p_both_wrong": pl.Float64(),
        "same_wrong_label": pl.Float64(),
        "same_wrong_expected": pl.Float64(),
        "p_same_wrong": pl.Float64(),
        "finding": pl.String(),
    }
)
OWN_GOLD = pl.Schema(
    {
        "reader": pl.String(),
        "questions": pl.String(),
        "n": pl.Int64(),
        "accuracy": pl.Float64(),
        "accuracy_low": pl.Float64(),
        "accuracy_high": pl.Float64(),
        "macro_precision": pl.Float64(),
        "macro_recall": pl.Float64(),
        "macro_f1": pl.Float64(),
    }
)


def compare_labelers(
    corpus: Corpus, votes: Mapping[str, pl.DataFrame], golds: Mapping[str, pl.DataFrame], config: ScoringConfig
) -> dict[str, pl.DataFrame]:
    """Compare readers by their most probable label on whole documents, against the reference labels.

    Args:
        corpus: gives references and clusters.
        votes: votes of the document arm, by reader.
        golds: gold set, by reader.
        config: confidence, resamples, seed.

    Returns:
        `pairs` (schema `PAIRS`, on the questions that both were asked), `own_gold` (schema `OWN_GOLD`: each reader on
        all its questions, on its own gold set, and on the questions that are in every gold set) and `label_classes`
        (precision, recall and F1 of each label). Without reference labels `pairs` is empty and the others count no
        questions.
    """
    answers = {reader: judge(corpus, cast) for reader, cast in votes.items()}
    classes = []
    for reader, rows in answers.items():
        table = score_classes(rows["reference"].to_list(), rows["label"].to_list(), corpus.labels)
        classes.append(table.select(pl.lit(reader).alias("reader"), pl.all()))
    return {
        "pairs": _pairs(answers, config),
        "own_gold": _own_gold(answers, golds, corpus.labels, config.confidence),
        "label_classes": pl.concat(classes),
    }


def _pairs(answers: Mapping[str, pl.DataFrame], config: ScoringConfig) -> pl.DataFrame:
    rows = []
    for a, b in combinations(answers, 2):
        both = answers[a].join(answers[b], on="question_id", suffix="_b").sort("question_id")
        if not both.is_empty():
            rows.append(_pair(a, b, both, config))
    # Both questions about correlated failures are asked of every pair, so they are corrected like the comparison
    # itself.
    for name, target in (("p_value", "p_holm"), ("p_both_wrong",) * 2, ("p_same_wrong",) * 2):
        for row, p_holm in zip(rows, holm([row[name] for row in rows]), strict=True):
            row[target] = p_holm
    for row in rows:
        error = row.pop("standard_error")
        finite = math.isfinite(error)
        row["detectable"] = detectable_difference(error, len(rows), config.confidence) if finite else None
        row["finding"] = _finding(row, 1 - config.confidence)
    return pl.DataFrame(rows, schema=PAIRS)


def _pair(a: str, b: str, both: pl.DataFrame, config: ScoringConfig) -> dict[str, Any]:
    right_a, right_b = (hits(both, column) for column in ("label", "label_b"))
    compared = compare_paired(right_a, right_b, both["cluster"].to_list(), config.confidence)
    given_a, given_b = (both[column].fill_null(NO_ANSWER).to_list() for column in ("label", "label_b"))
    only_a, only_b = int(((right_a > 0) & (right_b == 0)).sum()), int(((right_a == 0) & (right_b > 0)).sum())
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
        "only_a": only_a,
        "only_b": only_b,
        "cohens_g": only_a / (only_a + only_b) - 0.5 if only_a + only_b else None,
        "p_value": compared.p_value,
        "p_mcnemar": mcnemar_exact((right_a > 0).tolist(), (right_b > 0).tolist()),
        "kappa": kappa(given_a, given_b),
        **_correlated_failures(both, right_a > 0, right_b > 0),
    }


def _correlated_failures(both: pl.DataFrame, right_a: Flags, right_b: Flags) -> dict[str, Any]:
    """Do two readers fail on the same questions, and with the same label, more often than by chance?

    Answers are shuffled among questions with the same reference label: readers that both miss the rare labels, or both
    favour the same wrong label, need not fail on the same questions.

    Args:
        both: columns reference, cluster, label, label_b.
        right_a: shape (questions,): whether the first reader is right.
        right_b: shape (questions,): whether the second one is.
    """
    flags = [[str(one) for one in right] for right in (right_a, right_b)]
    clusters, references = both["cluster"].to_list(), both["reference"].to_list()
    together = agreement_against_chance(flags[0], flags[1], references)
    wrong = both.filter(pl.Series(~right_a & ~right_b))
    # Two failed votes are not the same label.
    given_a, given_b = (
        wrong["label"].fill_null("(a failed)").to_list(),
        wrong["label_b"].fill_null("(b failed)").to_list(),
    )
    of_wrong = wrong["cluster"].to_list(), wrong["reference"].to_list()
    same = agreement_against_chance(given_a, given_b, of_wrong[1])
    n_wrong, n = len(wrong), len(both)
    # With the margins fixed, agreements beyond chance come in pairs: one where both are wrong, one where both are
    # right.
    return {
        "both_wrong": n_wrong,
        "both_wrong_expected": n_wrong - n * (together.observed - together.expected) / 2,
        "p_both_wrong": p_above_chance(flags[0], flags[1], clusters, references),
        "same_wrong_label": same.observed if n_wrong else None,
        "same_wrong_expected": same.expected if n_wrong else None,
        "p_same_wrong": p_above_chance(given_a, given_b, *of_wrong) if n_wrong else 1.0,
    }


def better_of(row: Mapping[str, Any], alpha: float) -> str | None:
    """The reader that is shown to be the better one of a pair; None if the test cannot tell.

    Args:
        row: of a frame of schema `PAIRS`.
        alpha: level of the test.
    """
    if row["p_holm"] >= alpha:
        return None
    return str(row["a"] if row["difference"] > 0 else row["b"])


def _finding(row: Mapping[str, Any], alpha: float) -> str:
    better = better_of(row, alpha)
    return f"{better} is better" if better else f"cannot tell: {missed(row['detectable'])}"


def _own_gold(
    answers: Mapping[str, pl.DataFrame], golds: Mapping[str, pl.DataFrame], labels: LabelSet, confidence: float
) -> pl.DataFrame:
    kept = {reader: set(gold.filter("kept")["question_id"]) for reader, gold in golds.items()}
    shared = set.intersection(*kept.values())
    rows = []
    for reader, asked in answers.items():
        chosen = {"all": set(asked["question_id"]), "own gold set": kept[reader], "in every gold set": shared}
        for name, question_ids in chosen.items():
            judged = asked.filter(pl.col("question_id").is_in(question_ids))
            scores = score_answers(judged["reference"].to_list(), judged["label"].to_list(), labels)
            accuracy = wilson_clustered(hits(judged), judged["cluster"].to_list(), confidence)
            macro = [None if math.isnan(value) else value for value in scores[2:]]
            rows.append((reader, name, scores.n, *no_nan(accuracy), *macro))
    return pl.DataFrame(rows, schema=OWN_GOLD, orient="row")
