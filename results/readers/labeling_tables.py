"""All that the votes on whole documents say about the readers of a run, as frames by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from corpora.choices import answers_without_reading
from corpora.schema import Corpus, LabelSet
from labeling.votes.consensus import ConsensusConfig, ReaderVotes
from results.readers.annotators import compare_with_annotators, has_annotators
from results.readers.answers import document_answers, judge, question_facts
from results.readers.diversity import describe_diversity
from results.readers.label_bias import correct_calibration, score_calibration
from results.readers.labelers import attrition, compare_rules, summarise_labeler
from results.readers.qualification import correct
from results.readers.slices import slice_questions, slice_table
from results.readers.unanimity import law_table, read_cast, risk_coverage, summarise_unanimity, vote_curves

PROBLEMS = ("empty", "refused", "truncated", "off_label")
GENERATION = pl.Schema(
    {
        "reader": pl.String(),
        "n": pl.Int64(),
        "strict": pl.Int64(),
        "lenient": pl.Int64(),
        "repaired": pl.Int64(),
        "failed": pl.Int64(),
        **{problem: pl.Int64() for problem in PROBLEMS},
        "judged": pl.Int64(),
        "right": pl.Int64(),
        "right_strict": pl.Int64(),
        "right_lenient": pl.Int64(),
        "right_repaired": pl.Int64(),
        "mean_tokens": pl.Float64(),
    }
)


def describe_generation(reader: str, votes: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """One row of schema `GENERATION`, counting votes; none for a reader that generated nothing.

    Args:
        reader: name in reports.
        votes: frame of schema `VOTES`.
        facts: columns question_id, reference.
    """
    # Where a server gave the distribution, the label was drawn from it and not read from the text.
    was_read = pl.col("parse").is_not_null() | pl.col("failure").is_not_null()
    generated = votes.filter(pl.col("n_generated").is_not_null() & was_read)
    if generated.is_empty():
        return pl.DataFrame(schema=GENERATION)
    judged = generated.join(facts.filter(pl.col("reference").is_not_null()), on="question_id")
    right = judged.filter((pl.col("label") == pl.col("reference")).fill_null(value=False))
    row: dict[str, Any] = {
        "reader": reader,
        "n": len(generated),
        "failed": generated["failure"].count(),
        "judged": len(judged),
        "right": len(right),
        "mean_tokens": generated["n_generated"].mean(),
    }
    for parse in ("strict", "lenient", "repaired"):
        row[parse] = len(generated.filter(pl.col("parse") == parse))
        row[f"right_{parse}"] = len(right.filter(pl.col("parse") == parse))
    for problem in PROBLEMS:
        row[problem] = len(generated.filter(pl.col("problem") == problem))
    return pl.DataFrame([row], schema=GENERATION)


def labeling_tables(
    corpus: Corpus, readers: Sequence[ReaderVotes], consensus: ConsensusConfig, confidence: float, no_tune: str
) -> dict[str, pl.DataFrame]:
    """Summarise the readers of a run.

    Args:
        corpus: gives references, clusters, tags, annotators.
        readers: with their votes and gold sets.
        consensus: the rule of the gold sets.
        confidence: of intervals and tests.
        no_tune: why there is nothing to calibrate on, if there is nothing.

    Returns:
        `labelers`, `consensus`, `attrition`, `vote_law`, `unanimity`, `risk_coverage`, `vote_curves`, `diversity`,
        `calibration`, `label_bias`, `slices`; `generation` where a reader generates; `annotators` and
        `human_consensus` where the corpus has annotators. Each schema is next to the function that fills it.
    """
    labels, facts, slices = corpus.labels, question_facts(corpus), slice_questions(corpus)
    tune_facts = question_facts(corpus.with_questions(corpus.tune)) if corpus.tune is not None else None
    shares = label_shares(tune_facts, labels) if tune_facts is not None else None
    unread = answers_without_reading(corpus.questions) if labels.of_question else None
    parts: dict[str, list[pl.DataFrame]] = {}
    casts = []
    for reader in readers:
        mine = facts.join(reader.questions.select("question_id"), on="question_id", maintain_order="right")
        cast = read_cast(reader.name, reader.sampling, reader.votes, mine, labels)
        casts.append(cast)
        tune = None
        if reader.tune is not None and tune_facts is not None:
            tune = read_cast(reader.name, reader.sampling, reader.tune, tune_facts, labels)
        calibrated = score_calibration(cast, tune, shares, labels, confidence, no_tune)
        answers = document_answers(reader.votes, labels).join(mine, on="question_id", maintain_order="left")
        found = {
            "labelers": summarise_labeler(reader.name, reader.votes, mine, labels, confidence, unread),
            "consensus": compare_rules(
                reader.name, reader.votes, mine, labels, consensus, confidence, reader.sampling, reader.reviewed
            ),
            "attrition": attrition(reader.name, reader.gold, labels),
            "vote_law": law_table(cast, labels),
            "risk_coverage": risk_coverage(cast, confidence),
            "vote_curves": vote_curves(cast, confidence),
            "diversity": describe_diversity(cast, reader.diversity),
            **calibrated._asdict(),
            "slices": slice_table(reader.name, answers, reader.gold, slices, confidence),
            "generation": describe_generation(reader.name, reader.votes, mine),
        }
        for name, frame in found.items():
            parts.setdefault(name, []).append(frame)
    tables = {name: pl.concat(frames) for name, frames in parts.items()}
    tables["calibration"] = correct_calibration(tables["calibration"])
    tables["labelers"] = correct(tables["labelers"], confidence)
    tables["unanimity"] = summarise_unanimity(casts, confidence)
    if tables["generation"].is_empty():
        del tables["generation"]
    if has_annotators(corpus):
        judged = {reader.name: judge(corpus, reader.votes) for reader in readers}
        golds = {reader.name: reader.gold for reader in readers}
        tables |= compare_with_annotators(corpus, judged, golds, confidence)
    return tables


def label_shares(facts: pl.DataFrame, labels: LabelSet) -> list[float] | None:
    """Share of each label among the reference labels; None where there are none."""
    known = facts["reference"].drop_nulls()
    return [float((known == label).sum()) / len(known) for label in labels] if len(known) else None
