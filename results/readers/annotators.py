"""Human annotators compared with readers: accuracy, what they agree on, whether both lose the same questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from corpora.schema import Corpus
from results.readers.answers import hits
from results.readers.labelers import no_nan
from results.stats.answer_metrics import NO_ANSWER, kappa
from results.stats.clustered import compare_paired, holm, mcnemar_exact, wilson_clustered

ANNOTATORS = pl.Schema(
    {
        "reader": pl.String(),
        "annotator": pl.String(),
        "n": pl.Int64(),
        "accuracy": pl.Float64(),
        "annotator_accuracy": pl.Float64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "p_mcnemar": pl.Float64(),
        "kappa": pl.Float64(),
    }
)
HUMAN_CONSENSUS = pl.Schema(
    {
        "reader": pl.String(),
        "corpus_n": pl.Int64(),
        "corpus_unanimous": pl.Int64(),
        "n": pl.Int64(),
        "human_unanimous": pl.Int64(),
        "human_accuracy": pl.Float64(),
        "kept": pl.Int64(),
        "both": pl.Int64(),
        "coverage_difference": pl.Float64(),
        "coverage_low": pl.Float64(),
        "coverage_high": pl.Float64(),
        "p_coverage": pl.Float64(),
        "p_coverage_holm": pl.Float64(),
        "kappa_kept": pl.Float64(),
        "accuracy_where_human_agree": pl.Float64(),
        "agree_low": pl.Float64(),
        "agree_high": pl.Float64(),
        "accuracy_where_human_differ": pl.Float64(),
        "differ_low": pl.Float64(),
        "differ_high": pl.Float64(),
    }
)


def has_annotators(corpus: Corpus) -> bool:
    """Whether any question carries labels of several annotators, besides its reference."""
    return bool((corpus.questions["annotators"].list.len() > 1).any())


def compare_with_annotators(
    corpus: Corpus, judged: Mapping[str, pl.DataFrame], golds: Mapping[str, pl.DataFrame], confidence: float
) -> dict[str, pl.DataFrame]:
    """Compare readers with the human annotators of a corpus, paired on the same questions.

    The reference was made from these annotators' labels, so they are not independent of it and look better than they
    are.

    Args:
        corpus: with annotators' labels.
        judged: by reader, columns question_id, label, reference, cluster; reference never null.
        golds: gold set by reader, schema `GOLD`.
        confidence: of the intervals.

    Returns:
        `annotators` (schema `ANNOTATORS`, one row per reader and annotator) and `human_consensus` (schema
        `HUMAN_CONSENSUS`: all annotators agree, against all votes agree).
    """
    every = pl.concat([corpus.questions, *([] if corpus.tune is None else [corpus.tune])])
    given = (
        every.select("question_id", "annotators")
        .explode("annotators")
        .filter(pl.col("annotators").is_not_null())
        .unnest("annotators")
        .rename({"label": "given"})
    )
    n_annotators = given["name"].n_unique()
    agreed = given.group_by("question_id").agg(
        unanimous=(pl.len() == n_annotators) & (pl.col("given").n_unique() == 1), human=pl.col("given").first()
    )
    annotators, consensus = [], []
    for reader, answers in judged.items():
        for name in sorted(given["name"].unique()):
            annotators.append(_against(reader, name, answers, given.filter(pl.col("name") == name), confidence))
        kept = golds[reader].select("question_id", "kept")
        both = answers.join(agreed, on="question_id").join(kept, on="question_id").sort("question_id")
        consensus.append(_consensus(reader, both, confidence))
    whole = {"corpus_n": len(agreed), "corpus_unanimous": int(agreed["unanimous"].sum())}
    persons, together = [row for row in annotators if row], [row | whole for row in consensus if row]
    for rows, name, target in ((persons, "p_value", "p_holm"), (together, "p_coverage", "p_coverage_holm")):
        for row, p_holm in zip(rows, holm([row[name] for row in rows]), strict=True):
            row[target] = p_holm
    return {
        "annotators": pl.DataFrame(persons, schema=ANNOTATORS),
        "human_consensus": pl.DataFrame(together, schema=HUMAN_CONSENSUS),
    }


def _against(
    reader: str, name: str, answers: pl.DataFrame, given: pl.DataFrame, confidence: float
) -> dict[str, Any] | None:
    both = answers.join(given, on="question_id").sort("question_id")
    if both.is_empty():
        return None
    ours, theirs = hits(both, "label"), hits(both, "given")
    compared = compare_paired(ours, theirs, both["cluster"].to_list(), confidence)
    return {
        "reader": reader,
        "annotator": name,
        "n": len(both),
        "accuracy": float(ours.mean()),
        "annotator_accuracy": float(theirs.mean()),
        "difference": compared.difference,
        "low": compared.low,
        "high": compared.high,
        "p_value": compared.p_value,
        "p_mcnemar": mcnemar_exact((ours > 0).tolist(), (theirs > 0).tolist()),
        "kappa": kappa(both["label"].fill_null(NO_ANSWER).to_list(), both["given"].to_list()),
    }


def _consensus(reader: str, both: pl.DataFrame, confidence: float) -> dict[str, Any] | None:
    if both.is_empty():
        return None
    kept, unanimous = (both[name].cast(pl.Float64).to_numpy() for name in ("kept", "unanimous"))
    coverage = compare_paired(kept, unanimous, both["cluster"].to_list(), confidence)
    agree, differ = both.filter("unanimous"), both.filter(~pl.col("unanimous"))
    row = {
        "reader": reader,
        "n": len(both),
        "human_unanimous": len(agree),
        "human_accuracy": float(hits(agree, "human").mean()) if len(agree) else None,
        "kept": int(kept.sum()),
        "both": int((kept * unanimous).sum()),
        "coverage_difference": coverage.difference,
        "coverage_low": coverage.low,
        "coverage_high": coverage.high,
        "p_coverage": coverage.p_value,
        "kappa_kept": kappa(*(both[name].cast(pl.String).to_list() for name in ("kept", "unanimous"))),
    }
    for name, part in (("agree", agree), ("differ", differ)):
        share = no_nan(wilson_clustered(hits(part, "label"), part["cluster"].to_list(), confidence))
        row |= dict(zip((f"accuracy_where_human_{name}", f"{name}_low", f"{name}_high"), share, strict=True))
    return row
