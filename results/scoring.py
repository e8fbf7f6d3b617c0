"""Scores of every cell of a sweep, and the paired comparisons between its chunkings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from corpora.schema import Corpus, LabelSet
from results.answer_metrics import PER_CLASS, bootstrap_macro, score_classes
from results.answers import FRAGILE_MARGIN, document_answers, hits, question_facts
from results.retrieval_metrics import DOCUMENT_SCORES, SPAN_SCORES
from results.statistics import Interval, bootstrap_mean, compare_paired, holm, mcnemar_exact

CHUNKING = ("splitter", "size", "overlap")
CUT = ("cut", "amount")
CELL = ("reader", *CHUNKING, *CUT)
ANSWERS = pl.Schema(
    {
        "reader": pl.String(),
        "splitter": pl.String(),
        "size": pl.Int64(),
        "overlap": pl.Int64(),
        "cut": pl.String(),
        "amount": pl.Int64(),
        "question_id": pl.String(),
        "label": pl.String(),
        "failure": pl.String(),
        "margin": pl.Float64(),
        "n_chunks": pl.Int64(),
        "n_context_tokens": pl.Int64(),
        "prompt_hash": pl.String(),
    }
)
COMPARISONS = pl.Schema(
    {
        "reader": pl.String(),
        "cut": pl.String(),
        "amount": pl.Int64(),
        "a": pl.String(),
        "b": pl.String(),
        "n": pl.Int64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "standard_error": pl.Float64(),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "p_mcnemar": pl.Float64(),
    }
)
ANSWER_SCORES = ("accuracy", "precision", "recall", "f1")


def _with_interval(names: Iterable[str]) -> dict[str, pl.DataType]:
    return {name + end: pl.Float64() for name in names for end in ("", "_low", "_high")}


_ANSWER_COLUMNS = {
    **{"gold_n": pl.Int64(), **_with_interval(f"gold_{score}" for score in ANSWER_SCORES)},
    **{"all_n": pl.Int64(), **_with_interval(f"all_{score}" for score in ANSWER_SCORES)},
}
WHOLE_DOCUMENT = pl.Schema({"reader": pl.String(), **_ANSWER_COLUMNS, "n_failed": pl.Int64(), "fragile": pl.Float64()})
CELLS = pl.Schema(
    {name: ANSWERS[name] for name in CELL}
    | _ANSWER_COLUMNS
    | {"n_failed": pl.Int64(), "fragile": pl.Float64(), "n_chunks": pl.Float64(), "n_context_tokens": pl.Float64()}
    | _with_interval((*DOCUMENT_SCORES, *SPAN_SCORES))
)
CLASSES = pl.Schema({name: ANSWERS[name] for name in CELL} | dict(PER_CLASS))


class ScoringConfig(BaseModel):
    """How sure the numbers must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(0.95, gt=0.5, lt=1, description="of intervals and tests")
    n_resamples: int = Field(4000, ge=100, description="bootstrap resamples")
    margin: float = Field(0.05, ge=0, lt=1, description="how much worse than the best a cheaper cell may be")
    seed: int = Field(0, description="seed of the resampling")


class Scored(NamedTuple):
    """The result frames of a sweep: one row a cell, one row a cell and label, one row a pair of chunkings."""

    cells: pl.DataFrame
    classes: pl.DataFrame
    comparisons: pl.DataFrame


def score_sweep(
    corpus: Corpus,
    answers: pl.DataFrame,
    retrieval: pl.DataFrame,
    golds: Mapping[str, pl.DataFrame],
    config: ScoringConfig,
) -> Scored:
    """Score answers and retrieval of every cell.

    Args:
        corpus: gives references and clusters (a question's first gold document).
        answers: frame of schema `ANSWERS`.
        retrieval: columns splitter, size, overlap, cut, amount, question_id and the retrieval scores.
        golds: gold set (schema `GOLD`) by reader.
        config: confidence, resamples, seed.

    Returns:
        Frames sorted by cell; see the column names.
    """
    facts = question_facts(corpus)
    cells, classes, comparisons = [], [], []
    for reader, gold in golds.items():
        kept = gold.filter("kept").select("question_id", gold_label="label")
        mine = answers.filter(pl.col("reader") == reader).join(facts, on="question_id", how="left")
        mine = mine.join(kept, on="question_id", how="left").sort(*CELL, "question_id")
        for key, rows in mine.group_by(CELL, maintain_order=True):
            named = dict(zip(CELL, key, strict=True))
            found = _retrieval_means(rows, retrieval, named, config)
            cells.append(named | _cell_scores(rows, corpus.labels, config) | found)
            classes.append(_class_scores(rows, corpus.labels, named))
        comparisons.extend(_compare_chunkings(mine, config))
    frame = pl.DataFrame(comparisons, schema=COMPARISONS, orient="row")
    return Scored(
        pl.DataFrame(cells, schema=CELLS).sort(CELL),
        pl.concat(classes).cast(CLASSES).sort(CELL, maintain_order=True),
        frame.sort("reader", *CUT, "a", "b"),
    )


def score_documents(
    corpus: Corpus, votes: Mapping[str, pl.DataFrame], golds: Mapping[str, pl.DataFrame], config: ScoringConfig
) -> pl.DataFrame:
    """What each reader scores with the whole document in front of it: the ceiling of its sweep, one row a reader.

    Args:
        corpus: gives references and clusters.
        votes: votes of the document arm, by reader.
        golds: gold set, by reader.
        config: confidence, resamples, seed.
    """
    rows = []
    for reader, cast in votes.items():
        answers = document_answers(cast, corpus.labels).with_columns(
            failure=pl.when(pl.col("label").is_null()).then(pl.lit("failed")), n_chunks=None, n_context_tokens=None
        )
        kept = golds[reader].filter("kept").select("question_id", gold_label="label")
        judged = answers.join(question_facts(corpus), on="question_id", how="left", maintain_order="left")
        judged = judged.join(kept, on="question_id", how="left", maintain_order="left")
        rows.append({"reader": reader} | _cell_scores(judged, corpus.labels, config))
    return pl.DataFrame(rows, schema=WHOLE_DOCUMENT)


def _cell_scores(rows: pl.DataFrame, labels: LabelSet, config: ScoringConfig) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    for questions, column in (("gold", "gold_label"), ("all", "reference")):
        judged = rows.filter(pl.col(column).is_not_null())
        scores[f"{questions}_n"] = len(judged)
        if judged.is_empty():
            continue  # a score over no question is unknown, in tables as null
        right, given, clusters = (judged[name].to_list() for name in (column, "label", "cluster"))
        how = (config.n_resamples, config.confidence, config.seed)
        accuracy = bootstrap_mean(hits(judged, right=column), clusters, *how)
        intervals = (accuracy, *bootstrap_macro(right, given, labels, clusters, *how))
        for score, interval in zip(ANSWER_SCORES, intervals, strict=True):
            scores |= _interval_columns(f"{questions}_{score}", interval)
    scores["n_failed"] = int(rows["failure"].is_not_null().sum())
    scores["fragile"] = (rows["margin"] < FRAGILE_MARGIN).mean()
    scores["n_chunks"] = rows["n_chunks"].mean()
    scores["n_context_tokens"] = rows["n_context_tokens"].mean()
    return scores


def _interval_columns(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _class_scores(rows: pl.DataFrame, labels: LabelSet, named: dict[str, Any]) -> pl.DataFrame:
    judged = rows.filter(pl.col("gold_label").is_not_null())
    scores = score_classes(judged["gold_label"].to_list(), judged["label"].to_list(), labels)
    places = [pl.lit(value, dtype=ANSWERS[name]).alias(name) for name, value in named.items()]
    return scores.select([*places, pl.all()])


def _retrieval_means(
    rows: pl.DataFrame, retrieval: pl.DataFrame, named: dict[str, Any], config: ScoringConfig
) -> dict[str, Any]:
    """Means over all questions that this reader was asked; retrieval does not depend on who reads."""
    same = [pl.col(name) == named[name] for name in (*CHUNKING, *CUT)]
    asked = retrieval.filter(*same).join(rows.select("question_id", "cluster"), on="question_id").sort("question_id")
    means: dict[str, Any] = {}
    for name in (*DOCUMENT_SCORES, *SPAN_SCORES):
        known = asked.filter(pl.col(name).is_not_null())
        if not known.is_empty():
            values, clusters = known[name].to_numpy(), known["cluster"].to_list()
            mean = bootstrap_mean(values, clusters, config.n_resamples, config.confidence, config.seed)
            means |= _interval_columns(name, mean)
    return means


def _compare_chunkings(mine: pl.DataFrame, config: ScoringConfig) -> list[tuple[Any, ...]]:
    """All pairs of chunkings under the same cut, on the gold set; Holm over all pairs of that cut."""
    found: list[tuple[Any, ...]] = []
    gold = mine.filter(pl.col("gold_label").is_not_null()).with_columns(
        right=(pl.col("label") == pl.col("gold_label")).fill_null(value=False), chunking=chunking_name()
    )
    for (reader, cut, amount), rows in gold.group_by(["reader", *CUT], maintain_order=True):
        wide = rows.pivot(on="chunking", index=["question_id", "cluster"], values="right").sort("question_id")
        names = sorted(set(wide.columns) - {"question_id", "cluster"})
        pairs = list(combinations(names, 2))
        compared = []
        for a, b in pairs:
            of_a, of_b = (wide[name].cast(pl.Float64).to_numpy() for name in (a, b))
            comparison = compare_paired(of_a, of_b, wide["cluster"].to_list(), config.confidence)
            compared.append((comparison, mcnemar_exact((of_a > 0).tolist(), (of_b > 0).tolist())))
        adjusted = holm([comparison.p_value for comparison, _ in compared])
        for (a, b), (c, p_mcnemar), p_holm in zip(pairs, compared, adjusted, strict=True):
            found.append(
                (reader, cut, amount, a, b, len(wide), *c[:4], c.p_value, p_holm, p_mcnemar),
            )
    return found


def chunking_name() -> pl.Expr:
    """Name of a row's chunking, as in `tokens(size=64,overlap=0)`."""
    return pl.format("{}(size={},overlap={})", *CHUNKING).alias("chunking")
