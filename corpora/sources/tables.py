"""The user's own documents and questions, as JSONL, CSV or Parquet, with a column mapping."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from corpora.errors import InputError, RowError
from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from corpora.storage import read_frame, sha256_file

FORMATS = (".jsonl", ".ndjson", ".csv", ".parquet")
SPLITS = ("tune", "held_out")
OPTIONAL = ("reference", "evidence", "split")
_MAP_COLUMNS = "rename the column, or map it in the experiment's corpus section"
csv.field_size_limit(sys.maxsize)  # a document may be longer than the default limit of 128 kB


class DocumentColumns(BaseModel):
    """The column names of the documents file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field("id", description="unique id of the document (text or integer)")
    text: str = Field("text", description="the document's text, kept exactly as it is")


class QuestionColumns(BaseModel):
    """The column names of the questions file; the optional columns may be absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field("id", description="unique id of the question (text or integer)")
    text: str = Field("text", description="the question")
    document_ids: str = Field("document_ids", description="id of the gold document, or a (JSON) list of ids")
    reference: str = Field("reference", description="optional: the label known to be right")
    evidence: str = Field("evidence", description="optional: (JSON) list of {document_id, start, end}, characters")
    split: str = Field("split", description="optional: tune or held_out")
    tags: tuple[str, ...] = Field((), description="columns to keep as tags, for tables by slice")


def read_tables(
    documents: Path,
    questions: Path,
    labels: LabelSet,
    document_columns: DocumentColumns | None = None,
    question_columns: QuestionColumns | None = None,
) -> Corpus:
    """Read documents and questions from two files; each file's ending gives its format.

    Raises:
        InputError: a file is missing, of unknown format or does not parse, or a column is missing.
        RowError: a field is of the wrong kind.
    """
    return Corpus(
        name=documents.resolve().parent.name,
        documents=read_documents(documents, document_columns or DocumentColumns()),
        questions=questions_frame(_questions(questions, question_columns or QuestionColumns())),
        labels=labels,
        inputs=_digests(documents, questions),
    )


def read_documents(file: Path, columns: DocumentColumns) -> pl.DataFrame:
    """The documents of a table; frame of schema `DOCUMENTS`.

    Raises:
        InputError: the file does not exist or cannot be read.
        RowError: a row is bad.
    """
    return documents_frame(_documents(file, columns))


def _digests(documents: Path, questions: Path) -> dict[str, str]:
    """Digest by file name, or by role and name if both files have the same name."""
    if documents.name == questions.name:
        return {
            f"documents/{documents.name}": sha256_file(documents),
            f"questions/{questions.name}": sha256_file(questions),
        }
    return {file.name: sha256_file(file) for file in (documents, questions)}


def find_table(folder: Path, stem: str) -> Path | None:
    """The file `stem` with a known ending in a folder, or None."""
    candidates = [folder / f"{stem}{ending}" for ending in FORMATS]
    return next((file for file in candidates if file.is_file()), None)


def _documents(file: Path, columns: DocumentColumns) -> Iterator[Document]:
    for number, row in read_rows(file, (columns.id, columns.text)):
        yield Document(_id(file, number, row, columns.id), _text(file, number, row, columns.text))


def _questions(file: Path, columns: QuestionColumns) -> Iterator[Question]:
    # A column that the user named must exist; a column with its default name may be absent.
    named = [column for name in OPTIONAL if (column := getattr(columns, name)) != name]
    for number, row in read_rows(file, (columns.id, columns.text, columns.document_ids, *columns.tags, *named)):
        split = _optional_text(file, number, row, columns.split)
        if split is not None and split not in SPLITS:
            raise RowError(
                str(file), number, columns.split, repr(split), "tune or held_out", "correct it or leave it empty"
            )
        document_ids = _document_ids(file, number, row, columns.document_ids)
        yield Question(
            id=_id(file, number, row, columns.id),
            text=_text(file, number, row, columns.text),
            document_ids=document_ids,
            reference=_optional_text(file, number, row, columns.reference),
            evidence=_evidence(file, number, row, columns.evidence, document_ids),
            split="tune" if split == "tune" else "held_out" if split else None,
            tags=_tags(file, number, row, columns.tags),
        )


def read_rows(
    file: Path, required: tuple[str, ...], remedy: str = _MAP_COLUMNS
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows with their numbers in the file (JSONL: the line), after checking that the required columns exist.

    Args:
        file: JSONL, CSV (where an empty field is None) or Parquet, by its ending.
        required: columns that every row must have.
        remedy: what to do about a missing column.

    Raises:
        InputError: the file is missing, of unknown format or does not parse, or a column is missing.
    """
    if not file.is_file():
        raise InputError(f"no file {file}", "an existing file", "check the path")
    readers = {".jsonl": _jsonl, ".ndjson": _jsonl, ".csv": _csv, ".parquet": _parquet}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise InputError(
            f"{file} ends in {file.suffix!r}", f"a file ending in {', '.join(FORMATS)}", "convert the file"
        )
    try:
        for number, row in reader(file):
            missing = [column for column in required if column not in row]
            if missing:
                raise InputError(
                    f"{file}, row {number} has no column {missing[0]!r} (it has {', '.join(map(repr, row)) or 'none'})",
                    f"the columns {', '.join(map(repr, required))}",
                    remedy,
                )
            yield number, row
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 ({error})", "UTF-8 text", "convert the file to UTF-8") from error


def _jsonl(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # newline="\n": line ends within a text stay as they are, and U+2028 does not end a line of JSON.
    with file.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(
                    f"{file}, line {number} does not parse ({error.msg} at column {error.colno})",
                    "one JSON object per line",
                    "correct the line",
                ) from error
            if not isinstance(row, dict):
                raise InputError(
                    f"{file}, line {number} holds a JSON {type(row).__name__}", "a JSON object", "correct the line"
                )
            yield number, row


def _csv(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            for number, row in enumerate(reader, 1):
                if None in row or None in row.values():
                    raise InputError(
                        f"{file}, row {number} does not have as many fields as the header",
                        f"{len(reader.fieldnames or ())} fields",
                        "quote fields that hold commas or line ends",
                    )
                yield number, {column: value if value else None for column, value in row.items()}
        except csv.Error as error:
            raise InputError(
                f"{file}, line {reader.line_num} does not parse ({error})", "RFC 4180 CSV", "correct the quoting"
            ) from error


def _parquet(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        frame = read_frame(file)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{file} cannot be read as Parquet ({error})", "a Parquet file", "write the file again"
        ) from error
    yield from enumerate(frame.iter_rows(named=True), 1)


def _id(file: Path, number: int, row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(file, number, row, column)


def _text(file: Path, number: int, row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str) or not value.strip():
        shown = "an empty field" if value is None or isinstance(value, str) else f"{value!r:.60}"
        raise RowError(str(file), number, column, shown, "a text that is not empty", "fill it in or remove the row")
    return _valid_unicode(file, number, column, value)


def _valid_unicode(file: Path, number: int, column: str, value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(
            str(file),
            number,
            column,
            f"a lone surrogate at character {error.start}",
            "valid Unicode",
            "correct the text",
        ) from error
    return value


def _optional_text(file: Path, number: int, row: Mapping[str, Any], column: str) -> str | None:
    if row.get(column) in (None, ""):
        return None
    return _text(file, number, row, column)


def _document_ids(file: Path, number: int, row: Mapping[str, Any], column: str) -> tuple[str, ...]:
    value = _parsed(file, number, row, column)
    values = value if isinstance(value, list) else [value]
    if not values:
        raise RowError(str(file), number, column, "an empty list", "at least one document id", "name the gold document")
    return tuple(_id(file, number, {column: item}, column) for item in values)


def _tags(file: Path, number: int, row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, str]:
    given = {column: str(row[column]) for column in columns if row[column] not in (None, "")}
    return {column: _valid_unicode(file, number, column, value) for column, value in given.items()}


def _evidence(
    file: Path, number: int, row: Mapping[str, Any], column: str, document_ids: tuple[str, ...]
) -> tuple[Span, ...]:
    value = _parsed(file, number, row, column)
    if value is None:
        return ()
    spans = []
    for item in value if isinstance(value, list) else [value]:
        if not (isinstance(item, dict) and _is_offset(item.get("start")) and _is_offset(item.get("end"))):
            raise RowError(
                str(file),
                number,
                column,
                f"{item!r:.80}",
                "an object {document_id, start, end} with integer offsets of at least 0",
                "correct the span",
            )
        # A question about one document need not repeat its id in every span.
        owner = item.get("document_id")
        document_id = document_ids[0] if owner is None else _id(file, number, {column: owner}, column)
        spans.append(Span(document_id, item["start"], item["end"]))
    return tuple(spans)


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _parsed(file: Path, number: int, row: Mapping[str, Any], column: str) -> Any:
    """A nested field, given as it is or written as JSON (the only way in CSV)."""
    value = row.get(column)
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise RowError(str(file), number, column, f"{value!r:.60}", "valid JSON", "correct the field") from error
