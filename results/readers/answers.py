"""A reader's answers: their columns, those from whole documents, and what a question is judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from corpora.schema import Corpus, LabelSet
from results.settings import CELL_SCHEMA

if TYPE_CHECKING:  # a plan knows the columns of answers, and needs no statistics
    from results.stats.clustered import Scores

ANSWERS = pl.Schema(
    {
        **CELL_SCHEMA,
        "arm": pl.String(),
        "question_id": pl.String(),
        "label": pl.String(),
        "failure": pl.String(),
        "margin": pl.Float64(),
        "probabilities": pl.List(pl.Float64()),
        "n_chunks": pl.Int64(),
        "n_context_tokens": pl.Int64(),
        "prompt_hash": pl.String(),
    }
)
FRAGILE_MARGIN = 0.05  # below this top-2 margin, another build or thread count may change the label


def document_answers(votes: pl.DataFrame, labels: LabelSet) -> pl.DataFrame:
    """A reader's answer from the whole document: the most probable label of its first prompt.

    Where a vote comes without a distribution (generate mode), its answer is the label that it gave.

    Args:
        votes: frame of schema `VOTES`, document arm.
        labels: the label set.

    Returns:
        Columns question_id, label (null for a failed vote), margin, probabilities (empty where none are known).
    """
    first = votes.filter(pl.col("vote") == 0).sort("question_id")
    best = pl.col("probabilities").list.arg_max()
    most_probable = best.map_elements(lambda index: labels.labels[index], return_dtype=pl.String)
    return first.select(
        "question_id",
        label=pl.when(pl.col("failure").is_null()).then(
            pl.when(pl.col("probabilities").list.len() > 0).then(most_probable).otherwise(pl.col("label"))
        ),
        margin="margin",
        probabilities="probabilities",
    )


def question_facts(corpus: Corpus) -> pl.DataFrame:
    """Columns question_id, reference, and cluster: the first gold document."""
    return corpus.questions.select(
        "question_id", "reference", cluster=pl.col("document_ids").list.first().fill_null(pl.col("question_id"))
    )


def hits(frame: pl.DataFrame, given: str = "label", right: str = "reference") -> Scores:
    """Shape (rows,): 1 where two columns say the same, 0 where they differ or the first says nothing."""
    return (frame[given] == frame[right]).fill_null(value=False).cast(pl.Float64).to_numpy()


def judge(corpus: Corpus, votes: pl.DataFrame) -> pl.DataFrame:
    """A reader's answers together with the reference labels, on the questions that have one.

    Args:
        corpus: gives references and clusters.
        votes: frame of schema `VOTES`, document arm.

    Returns:
        Columns question_id, reference, cluster, label (null for a failed vote), margin, probabilities; sorted by
        question_id.
    """
    facts = question_facts(corpus).filter(pl.col("reference").is_not_null())
    return facts.join(document_answers(votes, corpus.labels), on="question_id").sort("question_id")
