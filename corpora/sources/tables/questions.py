"""The questions of a table."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl

from corpora.defects import Defects
from corpora.errors import RowError, shown
from corpora.schema import CONFIRMED_BY, LabelSet, Question, Span, questions_frame
from corpora.sources.fields import filled_id, filled_text, json_of, spelling_of, text_of
from corpora.sources.rows import Row, read_rows
from corpora.sources.tables.answers import Answers, check_meanings, labels_in
from corpora.sources.tables.columns import OPTIONAL, ORIGIN, SPLITS, QuestionColumns


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
    labels = labels_in(file, columns, labels, not_stated)
    check_meanings(columns, labels)
    answers = Answers(file, columns, labels, not_stated)
    return questions_frame(_Questions(file, columns, answers, documents).read(defects))


class _Questions:
    """The questions of a table.

    Args:
        file: the table.
        columns: its column names.
        answers: what may be answered, and what is right.
        documents: ids of the documents.
    """

    def __init__(self, file: Path, columns: QuestionColumns, answers: Answers, documents: Container[str]) -> None:
        self._file, self._columns, self._answers, self._documents = file, columns, answers, documents

    def read(self, defects: Defects) -> Iterator[Question]:
        """The questions in the order of the file."""
        columns = self._columns
        # A column that the user named must exist; a column with its default name may be absent.
        named = [column for name in OPTIONAL if (column := getattr(columns, name)) != name]
        tags = [tag for tag in columns.tags if tag != CONFIRMED_BY]  # drafts have it only where votes were cast
        required = (columns.id, columns.text, columns.document_ids, *tags, *named)
        for number, row in read_rows(self._file, required, separator=columns.separator):
            yield from defects.made("question", row[columns.id], partial(self._question, number, row))

    def _question(self, number: int, row: Row) -> Question:
        columns = self._columns
        document_ids = self._document_ids(number, row[columns.document_ids])
        question_id = filled_id(self._file, number, columns.id, row[columns.id])
        choices, reference = self._answers.of(question_id, number, row)
        return Question(
            id=question_id,
            text=filled_text(self._file, number, columns.text, row[columns.text]),
            document_ids=document_ids,
            reference=reference,
            evidence=self._evidence(number, row.get(columns.evidence), document_ids),
            split=self._split(number, row.get(columns.split)),
            tags=self._tags(number, row),
            choices=choices,
            origin=spelling_of(row.get(ORIGIN)) or None,
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
        return tuple(filled_id(file, number, column, one) for one in values)

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

    def _tags(self, number: int, row: Row) -> dict[str, str]:
        found = {}
        for column in self._columns.tags:
            value = row.get(column)
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
        document_id = document_ids[0] if owner is None else filled_id(self._file, number, column, owner)
        return Span(document_id, item["start"], item["end"])


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
