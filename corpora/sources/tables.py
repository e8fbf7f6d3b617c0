"""The user's own documents and questions, as JSONL, CSV or Parquet, with a column mapping.

What a column holds is declared, never guessed from how a value begins: an id such as `[PMID:1023]` is an id.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from corpora.choices import PLACES, check_choices, in_drawn_order, labels_for, places
from corpora.defects import Defects
from corpora.errors import InputError, RowError, shown
from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from corpora.sources.fields import id_of, json_of, spelling_of, text_of
from corpora.sources.rows import Row, read_rows
from corpora.storage import sha256_file

SPLITS = ("tune", "held_out")
OPTIONAL = ("reference", "evidence", "split", "choices")
ORIGIN = "origin"  # the column in which `tercet questions draft` marks what it wrote
_SEPARATOR = r'^[^"\r\n]$'


class DocumentColumns(BaseModel):
    """The column names of the documents file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field("id", description="unique id of the document (text or integer)")
    text: str = Field("text", description="the document's text, kept exactly as it is")
    separator: str = Field(",", pattern=_SEPARATOR, description="CSV: the character between two fields")


class QuestionColumns(BaseModel):
    """The column names of the questions file; the optional columns may be absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field("id", description="unique id of the question (text or integer)")
    text: str = Field("text", description="the question")
    document_ids: str = Field("document_ids", description="id of the gold document, or a list of ids")
    document_ids_as: Literal["id", "list"] = Field(
        "id", description="what a text in that column is: one id, or a list of ids written as JSON"
    )
    reference: str = Field("reference", description="optional: the label known to be right")
    reference_values: dict[str, str] = Field(
        default_factory=dict, description="what values of that column mean: the label for each, such as true = 'yes'"
    )
    evidence: str = Field("evidence", description="optional: (JSON) list of {document_id, start, end}, characters")
    split: str = Field("split", description="optional: tune or held_out")
    choices: str = Field(
        "choices",
        description="optional: (JSON) list of 2 to 8 texts, the answers that this question has to choose from",
    )
    tags: tuple[str, ...] = Field((), description="columns to keep as tags, for tables by slice")
    separator: str = Field(",", pattern=_SEPARATOR, description="CSV: the character between two fields")


def read_tables(
    documents: Path,
    questions: Path,
    labels: LabelSet,
    document_columns: DocumentColumns | None = None,
    question_columns: QuestionColumns | None = None,
    defects: Defects | None = None,
    not_stated: str | None = None,
) -> Corpus:
    """Read documents and questions from two files; each file's ending gives its format.

    Args:
        documents: the file of documents.
        questions: the file of questions.
        labels: the allowed answers.
        document_columns: column names of the documents.
        question_columns: column names of the questions.
        defects: what to do with a row that cannot be used; by default the first one is refused.
        not_stated: the label that says that the answer is not stated; None if there is none.

    Returns:
        The corpus. If the first question has choices, every question must, and the labels are their places.

    Raises:
        InputError: a file is missing, of unknown format or does not parse, a column is missing, or a value is mapped to
            a label that is not in the label set.
        RowError: a field is of the wrong kind, and nothing may be left out.
    """
    columns = question_columns or QuestionColumns()
    if columns.reference_values:  # a mistake of the experiment is told before any of the files
        _check_meanings(columns, _labels_in(questions, columns, labels, not_stated))
    defects = defects or Defects()
    read = read_documents(documents, document_columns or DocumentColumns(), defects)
    asked = read_questions(questions, columns, labels, frozenset(read["document_id"]), defects, not_stated)
    return Corpus(
        name=documents.resolve().parent.name,
        documents=read,
        questions=asked,
        labels=labels_for(asked, labels, not_stated),
        inputs=_digests(documents, questions),
    )


def read_documents(file: Path, columns: DocumentColumns, defects: Defects | None = None) -> pl.DataFrame:
    """The documents of a table; frame of schema `DOCUMENTS`.

    Args:
        file: the table.
        columns: its column names.
        defects: what to do with a row that cannot be used; by default the first one is refused.

    Raises:
        InputError: the file does not exist or cannot be read.
        RowError: a row is bad, and nothing may be left out.
    """
    return documents_frame(_documents(file, columns, defects or Defects()))


def read_questions(
    file: Path, columns: QuestionColumns, labels: LabelSet, documents: Container[str], defects: Defects,
    not_stated: str | None = None,
) -> pl.DataFrame:  # fmt: skip
    """The questions of a table; frame of schema `QUESTIONS`. `labels_for` gives the label set that fits them.

    Args:
        file: the table.
        columns: its column names.
        labels: the allowed answers, where questions have no choices of their own.
        documents: ids of the documents.
        defects: what to do with a row that cannot be used.
        not_stated: the label that says that the answer is not stated; None if there is none.

    Raises:
        InputError: the file does not exist or cannot be read, or a value is mapped to a label that is not in the set.
        RowError: a row is bad, and nothing may be left out.
    """
    labels = _labels_in(file, columns, labels, not_stated)
    _check_meanings(columns, labels)
    return questions_frame(_Questions(file, columns, labels, documents, not_stated).read(defects))


def _labels_in(file: Path, columns: QuestionColumns, labels: LabelSet, not_stated: str | None) -> LabelSet:
    """The labels that a table may use: all places if its first question has choices, otherwise those given."""
    for _, row in read_rows(file, (), separator=columns.separator):
        if row.get(columns.choices) not in (None, ""):
            return places(len(PLACES) - (not_stated is not None), not_stated)
        break
    return labels


def _check_meanings(columns: QuestionColumns, labels: LabelSet) -> None:
    for value, label in columns.reference_values.items():
        if label not in labels.labels:
            raise InputError(
                f"reference_values maps {value!r} to {label!r}",
                f"one of the labels {', '.join(labels)}",
                "correct the label, or add it to `labels`",
            )


def _digests(documents: Path, questions: Path) -> dict[str, str]:
    """Digest by file name, or by role and name if both files have the same name."""
    if documents.name == questions.name:
        return {
            f"documents/{documents.name}": sha256_file(documents),
            f"questions/{questions.name}": sha256_file(questions),
        }
    return {file.name: sha256_file(file) for file in (documents, questions)}


def _documents(file: Path, columns: DocumentColumns, defects: Defects) -> Iterator[Document]:
    for number, row in read_rows(file, (columns.id, columns.text), separator=columns.separator):
        yield from defects.made("document", row[columns.id], partial(_document, file, number, row, columns))


def _document(file: Path, number: int, row: Row, columns: DocumentColumns) -> Document:
    document_id = _id(file, number, columns.id, row[columns.id])
    return Document(document_id, _text(file, number, columns.text, row[columns.text]))


class _Questions:
    """The questions of a table.

    Args:
        file: the table.
        columns: its column names.
        labels: the allowed answers.
        documents: ids of the documents.
        not_stated: the label that says that the answer is not stated; None if there is none.
    """

    def __init__(
        self, file: Path, columns: QuestionColumns, labels: LabelSet, documents: Container[str],
        not_stated: str | None = None,
    ) -> None:  # fmt: skip
        self._file, self._columns, self._labels, self._documents = file, columns, labels, documents
        self._not_stated = not_stated

    def read(self, defects: Defects) -> Iterator[Question]:
        """The questions in the order of the file."""
        columns = self._columns
        # A column that the user named must exist; a column with its default name may be absent.
        named = [column for name in OPTIONAL if (column := getattr(columns, name)) != name]
        required = (columns.id, columns.text, columns.document_ids, *columns.tags, *named)
        for number, row in read_rows(self._file, required, separator=columns.separator):
            yield from defects.made("question", row[columns.id], partial(self._question, number, row))

    def _question(self, number: int, row: Row) -> Question:
        columns = self._columns
        document_ids = self._document_ids(number, row[columns.document_ids])
        question_id = _id(self._file, number, columns.id, row[columns.id])
        choices, reference = self._choices(number, row.get(columns.choices)), row.get(columns.reference)
        shown = in_drawn_order(question_id, choices)
        return Question(
            id=question_id,
            text=_text(self._file, number, columns.text, row[columns.text]),
            document_ids=document_ids,
            reference=self._place(number, reference, choices, shown) if choices else self._reference(number, reference),
            evidence=self._evidence(number, row.get(columns.evidence), document_ids),
            split=self._split(number, row.get(columns.split)),
            tags=self._tags(number, row),
            choices=shown,
            origin=spelling_of(row.get(ORIGIN)) or None,
        )

    def _choices(self, number: int, value: object) -> tuple[str, ...]:
        """The choices in the order of the file; none where questions have none."""
        file, column = str(self._file), self._columns.choices
        is_empty = value is None or value == ""
        if not self._labels.of_question or is_empty:
            if self._labels.of_question == is_empty:
                found = "no choices, and the first question has some" if is_empty else "choices, and the first has none"
                raise RowError(file, number, column, found, "choices for every question or for none", "fill them in")
            return ()
        listed = json_of(self._file, number, column, value) if isinstance(value, str) else value
        if not isinstance(listed, list):
            raise RowError(file, number, column, shown(value), "a list of texts", "write it as a (JSON) list")
        texts = tuple(_text(self._file, number, column, spelling_of(one)) for one in listed)
        try:
            check_choices(texts, self._not_stated)
        except InputError as error:
            raise RowError(file, number, column, error.found, error.expected, error.remedy) from error
        return texts

    def _place(self, number: int, value: object, choices: tuple[str, ...], in_order: tuple[str, ...]) -> str | None:
        """The place of the right choice, which is named by its text, or by the place that it has in the file."""
        name = spelling_of(value)
        if name is None or name == "":
            return self._reference(number, value)
        if name == self._not_stated:
            return name
        in_file = dict(zip(PLACES, choices, strict=False))
        meant = in_file.get(self._columns.reference_values.get(name, name))
        if name in choices and meant not in (None, name):
            found = f"{name!r} is a choice, and also the place of the choice {meant!r:.60}"
            raise RowError(str(self._file), number, self._columns.reference, found, "one meaning", "write its text")
        right = name if name in choices else meant
        if right is None:
            expected = f"the text of a choice, or its place: {', '.join(in_file)}"
            remedy = "correct it, or say in reference_values what it means, such as 0 = 'A'"
            raise RowError(str(self._file), number, self._columns.reference, shown(value), expected, remedy)
        return PLACES[in_order.index(right)]

    def _split(self, number: int, value: object) -> Literal["tune", "held_out"] | None:
        if value is None or value == "":
            return None
        if value not in SPLITS:
            raise RowError(
                str(self._file),
                number,
                self._columns.split,
                shown(value),
                "tune or held_out",
                "correct it or leave it empty",
            )
        return "tune" if value == "tune" else "held_out"

    def _document_ids(self, number: int, value: object) -> tuple[str, ...]:
        file, column = self._file, self._columns.document_ids
        if self._columns.document_ids_as == "list":
            value = json_of(file, number, column, value) if isinstance(value, str) else value
            if not isinstance(value, list):
                raise RowError(str(file), number, column, shown(value), "a list of ids", "write it as a JSON list")
        values = value if isinstance(value, list) else [value]
        if not values:
            raise RowError(
                str(file), number, column, "an empty list", "at least one document id", "name the gold document"
            )
        self._refuse_undeclared_list(number, value)
        return tuple(_id(file, number, column, one) for one in values)

    def _refuse_undeclared_list(self, number: int, value: object) -> None:
        """Refuse a text that is the id of no document and reads as a list of ids: say how to declare that."""
        if not isinstance(value, str) or not value.startswith("[") or value in self._documents:
            return
        file, column = self._file, self._columns.document_ids
        try:
            is_list = bool(json_of(file, number, column, value))
        except RowError:
            return
        if is_list:
            raise RowError(
                str(file),
                number,
                column,
                f"{value!r:.60} is the id of no document",
                "the id of a document",
                'set `document_ids_as = "list"` in question_columns if the column holds JSON lists of ids',
            )

    def _reference(self, number: int, value: object) -> str | None:
        if value is None or value == "":
            return None
        column, name = self._columns.reference, spelling_of(value)
        if name in self._columns.reference_values:
            return self._columns.reference_values[name]
        if isinstance(value, str):
            return _text(self._file, number, column, value)
        if name in self._labels.labels:
            return name
        # Which label it means is the user's to say: a label named here would be copied, right or wrong.
        first = f"reference_values = {{ {name} = ONE OF THE LABELS }}"
        remedy = f"say in question_columns what each value means, such as {first}" if name else ""
        raise RowError(str(self._file), number, column, shown(value), "a text that is one of the labels", remedy)

    def _tags(self, number: int, row: Row) -> dict[str, str]:
        found = {}
        for column in self._columns.tags:
            value = row[column]
            # Programs without null write NaN for a number that is missing.
            if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
                continue
            text = spelling_of(value)
            if text is None:
                raise RowError(str(self._file), number, column, shown(value), "a text, a number or a date as a tag")
            found[column] = text_of(self._file, number, column, text)
        return found

    def _evidence(self, number: int, value: object, document_ids: tuple[str, ...]) -> tuple[Span, ...]:
        column = self._columns.evidence
        if isinstance(value, str) and value:
            value = json_of(self._file, number, column, value)
        if value is None or value == "":
            return ()
        items = value if isinstance(value, list) else [value]
        return tuple(self._span(number, item, document_ids) for item in items)

    def _span(self, number: int, item: Any, document_ids: tuple[str, ...]) -> Span:
        column = self._columns.evidence
        if not (isinstance(item, Mapping) and _is_offset(item.get("start")) and _is_offset(item.get("end"))):
            raise RowError(
                str(self._file),
                number,
                column,
                shown(item),
                "an object {document_id, start, end} with integer offsets of at least 0",
                "correct the span",
            )
        # A question about one document need not repeat its id in every span.
        owner = item.get("document_id")
        document_id = document_ids[0] if owner is None else _id(self._file, number, column, owner)
        return Span(document_id, item["start"], item["end"])


def _id(file: Path, number: int, column: str, value: object) -> str:
    _refuse_empty(file, number, column, value)
    return id_of(file, number, column, value)


def _text(file: Path, number: int, column: str, value: object) -> str:
    _refuse_empty(file, number, column, value)
    return text_of(file, number, column, value)


def _refuse_empty(file: Path, number: int, column: str, value: object) -> None:
    if value is None or (isinstance(value, str) and not value.strip()):
        expected, remedy = "a text that is not empty", "fill it in or remove the row"
        raise RowError(str(file), number, column, "an empty field", expected, remedy)


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
