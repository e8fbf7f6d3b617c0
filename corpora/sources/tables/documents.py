"""The documents of a table."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl

from corpora.defects import Defects
from corpora.schema import Document, documents_frame
from corpora.sources.fields import filled_id, filled_text
from corpora.sources.rows import Row, read_rows
from corpora.sources.tables.columns import DocumentColumns


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


def _documents(file: Path, columns: DocumentColumns, defects: Defects) -> Iterator[Document]:
    for number, row in read_rows(file, (columns.id, columns.text), separator=columns.separator):
        yield from defects.made("document", row[columns.id], partial(_document, file, number, row, columns))


def _document(file: Path, number: int, row: Row, columns: DocumentColumns) -> Document:
    document_id = filled_id(file, number, columns.id, row[columns.id])
    return Document(document_id, filled_text(file, number, columns.text, row[columns.text]))
