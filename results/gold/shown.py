"""What a person is shown of a question: its text and its gold documents, and the digest by which both are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from corpora.choices import with_asked_texts
from corpora.storage import sha256_text
from retrieval.context import assemble


class ShownQuestion(NamedTuple):
    """A question as a person is shown it.

    Attributes:
        question: its text.
        document: its gold documents as one text, as the reader saw them; None where they are not at hand.
        digest: sha256 of the question and its gold documents; None where it is not known.
        labels: what it can be labelled; None for the whole label set.
    """

    question: str
    document: str | None = None
    digest: str | None = None
    labels: tuple[str, ...] | None = None


def show_question(question: str, documents: Sequence[str]) -> ShownQuestion:
    """A question with its gold documents at hand.

    Args:
        question: its text.
        documents: the texts of its gold documents, in order.
    """
    return ShownQuestion(question, assemble(documents), text_digest(question, documents))


def text_digest(question: str, documents: Sequence[str]) -> str:
    """sha256 of a question and its gold documents; where one text ends and the next begins is part of it."""
    return sha256_text(json.dumps([question, *documents], ensure_ascii=False))


def with_texts(frame: pl.DataFrame, questions: pl.DataFrame, texts: Mapping[str, str]) -> pl.DataFrame:
    """A frame of questions with text and choices as `question`, ids of gold documents, digest and origin.

    Args:
        frame: has question_id.
        questions: columns question_id, text, document_ids and origin, a row for each question of `frame`.
        texts: document text by document id.
    """
    asked = with_asked_texts(questions)
    digests = [
        text_digest(text, [texts[one] for one in document_ids])
        for text, document_ids in asked.select("text", "document_ids").iter_rows()
    ]
    about = asked.select(
        "question_id", "document_ids", question="text", text_digest=pl.Series(digests, dtype=pl.String), origin="origin"
    )
    return frame.join(about, on="question_id", how="left", maintain_order="left")
