"""Documents, questions and label sets: the records, and the declared schema of their frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import polars as pl

from corpora.defects import LeftOut
from corpora.errors import InputError, counted
from corpora.languages import Language, main_language, tell_languages

Split = Literal["tune", "held_out"]
# Every label is in every prompt and is scored in each of its spellings for every vote; nobody has checked that readers
# tell more apart, and with more the questions of a label are too few for an interval.
MOST_LABELS = 8
MOST_TOLD = 200  # documents from which the main language of a corpus is told

SPAN: pl.Struct = pl.Struct({"document_id": pl.String(), "start": pl.Int64(), "end": pl.Int64()})
DOCUMENTS = pl.Schema(
    {
        "document_id": pl.String(),
        "text": pl.String(),
        "sections": pl.List(pl.Struct({"name": pl.String(), "start": pl.Int64(), "end": pl.Int64()})),
    }
)
QUESTIONS = pl.Schema(
    {
        "question_id": pl.String(),
        "text": pl.String(),
        "document_ids": pl.List(pl.String()),
        "reference": pl.String(),
        "evidence": pl.List(SPAN),
        "annotators": pl.List(pl.Struct({"name": pl.String(), "label": pl.String()})),
        "split": pl.String(),
        "tags": pl.List(pl.Struct({"name": pl.String(), "value": pl.String()})),
        "choices": pl.List(pl.String()),
        "origin": pl.String(),
    }
)
# Where a question is from, if a reader drafted it: nobody has checked it, or people gave the same answer or another.
DRAFTED, ACCEPTED, REJECTED = "drafted", "accepted", "rejected"
DRAFTED_BY = "drafted_by"  # the tag that names the reader
CONFIRMED_BY = "confirmed_by"  # the tag that names the reader whose three votes a draft had to agree with, if any
DRAFT_TAGS = ("kind", DRAFTED_BY, CONFIRMED_BY)


class Section(NamedTuple):
    """A named part of a document; `start` and `end` are character offsets into its text, end-exclusive."""

    name: str
    start: int
    end: int


class Span(NamedTuple):
    """A stretch of a document's text that holds evidence; character offsets, end-exclusive."""

    document_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A text with an id, and optionally named sections."""

    id: str
    text: str
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A text to be answered with one label, and what is known about its answer."""

    id: str
    text: str
    document_ids: tuple[str, ...]
    reference: str | None = None
    evidence: tuple[Span, ...] = ()
    annotators: Mapping[str, str] = field(default_factory=dict)
    split: Split | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[str, ...] = ()  # answers of its own, in the order in which they are shown
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The allowed answers, in their canonical order.

    Attributes:
        labels: the labels.
        of_question: whether they are the places of choices that each question has of its own (`corpora.choices`).

    Raises:
        InputError: fewer than 2 or more than 8 labels, an empty label, or two labels that differ only in case.
    """

    labels: tuple[str, ...] = ("yes", "no", "maybe")
    of_question: bool = False

    def __post_init__(self) -> None:
        if not 2 <= len(self.labels) <= MOST_LABELS:
            raise InputError(
                f"label set {list(self.labels)} has {counted(len(self.labels), 'label')}",
                f"2 to {MOST_LABELS} labels",
                "add labels" if len(self.labels) < 2 else "merge some of them",
            )
        if any(ord(character) < 32 for label in self.labels for character in label):
            raise InputError(
                f"label set {list(self.labels)} holds a control character",
                "labels of one line without control characters",
                "rename the labels",
            )
        folded = [label.strip().casefold() for label in self.labels]
        if "" in folded or len(set(folded)) != len(folded):
            raise InputError(
                f"label set {list(self.labels)} holds an empty label or two that differ only in case",
                "labels that are not empty and differ in more than case",
                "rename the labels",
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def with_label(self, label: str | None) -> LabelSet:
        """The same labels, and this one behind them unless it is among them; None for no other.

        Raises:
            InputError: as said.
        """
        return self if label is None or label in self.labels else replace(self, labels=(*self.labels, label))

    def index(self, label: str) -> int:
        """Position of `label` in canonical order; raises ValueError if it is not in the set."""
        return self.labels.index(label)


@dataclass(frozen=True)
class Corpus:
    """Documents and questions that belong together.

    Attributes:
        name: short name, used in reports.
        documents: frame of schema `DOCUMENTS`, one row per document, in the source's order.
        questions: frame of schema `QUESTIONS`, one row per question, in the source's order.
        labels: the allowed answers.
        inputs: sha256 of every file that was read, by file name.
        tune: questions of the `tune` split, none of which is in `questions`; None if there is no such reserve.
        left_out: the defective rows of the source that are in neither frame.
        notes: what a person should know about how the source was read, a sentence each.
        split_line: how a hash chose the questions that are asked, in a sentence; empty where none did.
        not_stated: the label that says that the answer is not stated; None if there is none.
        language: of all documents, as the user says; auto: it is told for each.
        choices_made: where wrong choices come from that the source has not, in a sentence; empty if there are none.
    """

    name: str
    documents: pl.DataFrame
    questions: pl.DataFrame
    labels: LabelSet
    inputs: Mapping[str, str] = field(default_factory=dict)
    tune: pl.DataFrame | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    notes: tuple[str, ...] = ()
    split_line: str = ""
    not_stated: str | None = None
    language: Language = "auto"
    choices_made: str = ""

    @cached_property
    def texts(self) -> dict[str, str]:
        """Document text by document id."""
        return dict(zip(self.documents["document_id"], self.documents["text"], strict=True))

    @cached_property
    def languages(self) -> dict[str, str]:
        """The language of each document by its id: a code of `languages.NAMES`."""
        texts = self.documents["text"].to_list()
        told = tell_languages(texts) if self.language == "auto" else [self.language] * len(texts)
        return dict(zip(self.documents["document_id"], told, strict=True))

    @cached_property
    def main_language(self) -> str:
        """The language that most of the text is in, told from some of the documents, evenly spread."""
        if self.language != "auto":
            return self.language
        return main_language(self._some_texts, self.some_languages)

    @cached_property
    def some_languages(self) -> list[str]:
        """The languages of some of the documents, evenly spread."""
        some = self._some_texts
        return tell_languages(some) if self.language == "auto" else [self.language] * len(some)

    @property
    def _some_texts(self) -> list[str]:
        texts: list[str] = self.documents["text"].gather_every(1 + len(self.documents) // MOST_TOLD).to_list()
        return texts

    @property
    def left_out_line(self) -> str:
        """What was left out, in a sentence; empty if nothing was."""
        if not self.left_out.defects:
            return ""
        return f"{self.name}: {self.left_out.line()} cannot be used, and are left out{self.left_out.files_line()}."

    @property
    def note_lines(self) -> list[str]:
        """The notes, each with the name of the corpus."""
        return [f"{self.name}: {note}." for note in self.notes]

    def with_questions(self, questions: pl.DataFrame) -> Corpus:
        """The same documents with another selection of questions."""
        return replace(self, questions=questions)


def documents_frame(documents: Iterable[Document]) -> pl.DataFrame:
    """Frame of schema `DOCUMENTS`, one row per document."""
    rows = [{"document_id": d.id, "text": d.text, "sections": [s._asdict() for s in d.sections]} for d in documents]
    return pl.DataFrame(rows, schema=DOCUMENTS)


def iter_documents(frame: pl.DataFrame) -> Iterator[Document]:
    """The rows of a `DOCUMENTS` frame as records."""
    for row in frame.iter_rows(named=True):
        sections = tuple(Section(**section) for section in row["sections"] or ())
        yield Document(row["document_id"], row["text"], sections)


def questions_frame(questions: Iterable[Question]) -> pl.DataFrame:
    """Frame of schema `QUESTIONS`, one row per question."""
    rows = [
        {
            "question_id": q.id,
            "text": q.text,
            "document_ids": list(q.document_ids),
            "reference": q.reference,
            "evidence": [s._asdict() for s in q.evidence],
            "annotators": [{"name": name, "label": label} for name, label in q.annotators.items()],
            "split": q.split,
            "tags": [{"name": name, "value": value} for name, value in q.tags.items()],
            "choices": list(q.choices) or None,
            "origin": q.origin,
        }
        for q in questions
    ]
    return pl.DataFrame(rows, schema=QUESTIONS)


def iter_questions(frame: pl.DataFrame) -> Iterator[Question]:
    """The rows of a `QUESTIONS` frame as records."""
    for row in frame.iter_rows(named=True):
        yield _question(row)


def _question(row: Mapping[str, Any]) -> Question:
    return Question(
        id=row["question_id"],
        text=row["text"],
        document_ids=tuple(row["document_ids"]),
        reference=row["reference"],
        evidence=tuple(Span(**span) for span in row["evidence"] or ()),
        annotators={a["name"]: a["label"] for a in row["annotators"] or ()},
        split=row["split"],
        tags={t["name"]: t["value"] for t in row["tags"] or ()},
        choices=tuple(row.get("choices") or ()),  # a store of an older version has none
        origin=row.get("origin"),  # tables of older runs have none
    )
