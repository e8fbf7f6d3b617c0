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

from corpora.defects import Defects
from corpora.errors import InputError, RowError, shown
from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from corpora.sources.fields import id_of, json_of, spelling_of, text_of
from corpora.sources.rows import Row, read_rows
from corpora.storage import sha256_file

SPLITS = ("tune", "held_out")
OPTIONAL = ("reference", "evidence", "split")
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
    tags: tuple[str, ...] = Field((), description="columns to keep as tags, for tables by slice")
    separator: str = Field(",", pattern=_SEPARATOR, description="CSV: the character between two fields")


def read_tables(
    documents: Path,
    questions: Path,
    labels: LabelSet,
    document_columns: DocumentColumns | None = None,
    question_columns: QuestionColumns | None = None,
    defects: Defects | None = None,
) -> Corpus:
    """Read documents and questions from two files; each file's ending gives its format.

    Args:
        documents: the file of documents.
        questions: the file of questions.
        labels: the allowed answers.
        document_columns: column names of the documents.
        question_columns: column names of the questions.
        defects: what to do with a row that cannot be used; by default the first one is refused.

    Raises:
        InputError: a file is missing, of unknown format or does not parse, a column is missing, or a value is mapped to
            a label that is not in the label set.
        RowError: a field is of the wrong kind, and nothing may be left out.
    """
    columns = question_columns or QuestionColumns()
    _check_meanings(columns, labels)  # before anything is read
    defects = defects or Defects()
    read = read_documents(documents, document_columns or DocumentColumns(), defects)
    return Corpus(
        name=documents.resolve().parent.name,
        documents=read,
        questions=read_questions(questions, columns, labels, frozenset(read["document_id"]), defects),
        labels=labels,
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
    file: Path, columns: QuestionColumns, labels: LabelSet, documents: Container[str], defects: Defects
) -> pl.DataFrame:  # fmt: skip
    """The questions of a table; frame of schema `QUESTIONS`.

    Args:
        file: the table.
        columns: its column names.
        labels: the allowed answers.
        documents: ids of the documents.
        defects: what to do with a row that cannot be used.

    Raises:
        InputError: the file does not exist or cannot be read, or a value is mapped to a label that is not in the set.
        RowError: a row is bad, and nothing may be left out.
    """
    _check_meanings(columns, labels)
    return questions_frame(_Questions(file, columns, labels, documents).read(defects))


class TablePlaces:
    """Where the rows of two tables are. The files are read again, once there is something to say of a row.

    Args:
        documents: the file of documents; None if each is a file of its own.
        questions: the file of questions.
        document_columns: column names of the documents.
        question_columns: column names of the questions.
    """

    def __init__(
        self, documents: Path | None, questions: Path, document_columns: DocumentColumns,
        question_columns: QuestionColumns,
    ) -> None:  # fmt: skip
        self._files = {"question": questions} | ({"document": documents} if documents else {})
        self._columns: dict[str, DocumentColumns | QuestionColumns] = {
            "document": document_columns, "question": question_columns
        }  # fmt: skip
        self._rows: dict[str, dict[str, list[int]]] = {}

    def place(self, kind: str, identifier: str, nth: int) -> tuple[str, int] | None:
        """The file of a row, and its number there; None if the file does not have it.

        Args:
            kind: "document" or "question".
            identifier: its id.
            nth: how many rows before it have that id too.
        """
        if kind not in self._files:
            return None
        if kind not in self._rows:
            self._rows[kind] = self._read(kind)
        numbers = self._rows[kind].get(identifier, [])
        return (str(self._files[kind]), numbers[nth]) if nth < len(numbers) else None

    def column(self, kind: str, field: str) -> str:
        """The column that holds a field."""
        return str(getattr(self._columns[kind], field, field))

    def _read(self, kind: str) -> dict[str, list[int]]:
        columns, rows = self._columns[kind], dict[str, list[int]]()
        for number, row in read_rows(self._files[kind], (columns.id,), separator=columns.separator):
            rows.setdefault(str(row[columns.id]), []).append(number)
        return rows


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
    """

    def __init__(self, file: Path, columns: QuestionColumns, labels: LabelSet, documents: Container[str]) -> None:
        self._file, self._columns, self._labels, self._documents = file, columns, labels, documents

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
        return Question(
            id=_id(self._file, number, columns.id, row[columns.id]),
            text=_text(self._file, number, columns.text, row[columns.text]),
            document_ids=document_ids,
            reference=self._reference(number, row.get(columns.reference)),
            evidence=self._evidence(number, row.get(columns.evidence), document_ids),
            split=self._split(number, row.get(columns.split)),
            tags=self._tags(number, row),
        )

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
