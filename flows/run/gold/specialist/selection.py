"""What a specialist may learn from: gold labels of tune questions, and nothing that a held-out question is about."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError, counted
from corpora.schema import Corpus
from corpora.storage import sha256_text
from flows.run.gold.specialist.source import Source

LEAST_QUESTIONS = 10
LABEL_TUNE = 'set split = "tune" (or "all") in [corpus] and run `tercet label` again; votes that are known are kept'


class Selection(NamedTuple):
    """Which questions play which part.

    Attributes:
        learnt: tune questions with a gold label, frame of schema `QUESTIONS` with the column `gold`.
        held_out: the held-out questions that have a reference, frame of schema `QUESTIONS`.
        n_excluded: tune questions that the teacher was asked and that its filter excluded.
        n_leaking: tune questions with a gold label that share a document with a held-out question, and so are not
            learnt from.
    """

    learnt: pl.DataFrame
    held_out: pl.DataFrame
    n_excluded: int
    n_leaking: int


def select(source: Source) -> Selection:
    """Select the questions to learn from, and those to be scored on.

    Raises:
        InputError: too little is left to learn from.
    """
    corpus = source.corpus
    tune = source.asked.filter(pl.col("split") == "tune")
    if tune.is_empty():
        raise InputError(
            f"{source.run} labeled held-out questions only ({counted(len(source.asked), 'question')})",
            "gold labels of tune questions, since a specialist is scored on the held-out ones",
            LABEL_TUNE,
        )
    gold = source.gold.filter("kept").select("question_id", gold="label")
    labeled = tune.join(gold, on="question_id", how="inner", maintain_order="left")
    leaking = leaks(labeled, corpus)
    learnt = labeled.filter(~pl.col("question_id").is_in(leaking))
    if len(learnt) < LEAST_QUESTIONS:
        shared = f", {len(leaking)} of which share a document with a held-out question" if leaking else ""
        raise InputError(
            f"{source.run} has {counted(len(labeled), 'gold label')} on tune questions{shared}",
            f"at least {LEAST_QUESTIONS} on documents that no held-out question is about",
            "use a corpus with shorter or fewer joined documents (`stitch`)"
            if leaking
            else "label more tune questions",
        )
    held_out = corpus.questions.filter((pl.col("split") == "held_out") & pl.col("reference").is_not_null())
    return Selection(learnt, held_out, len(tune) - len(labeled), len(leaking))


def leaks(questions: pl.DataFrame, corpus: Corpus) -> set[str]:
    """Ids of the questions that are held out, or that share a document with one that is.

    Documents of the same text count as one. What was joined into one document is shared by all that was joined.

    Args:
        questions: frame of schema `QUESTIONS`.
        corpus: with all of its questions.
    """
    held_out = corpus.questions.filter(pl.col("split") == "held_out")
    forbidden = _texts(held_out["document_ids"].explode().drop_nulls().unique().to_list(), corpus)
    ids = set(held_out["question_id"])
    return {
        question
        for question, documents in questions.select("question_id", "document_ids").iter_rows()
        if question in ids or not forbidden.isdisjoint(_texts(documents, corpus))
    }


def refuse_leaks(questions: pl.DataFrame, corpus: Corpus) -> None:
    """The last guard before anything is learnt.

    Raises:
        InputError: a question is held out, or shares a document with one that is.
    """
    found = leaks(questions, corpus)
    if found:
        raise InputError(
            f"{counted(len(found), 'question')} to learn from, such as {min(found)!r}, held out or about the document "
            "of a held-out question",
            "tune questions on documents that no held-out question is about",
            "leave them out",
        )


def _texts(document_ids: Collection[str], corpus: Corpus) -> set[str]:
    return {sha256_text(corpus.texts[one]) for one in document_ids}
