"""Where the rows of the user's own tables are, so that messages name them by file and row."""

from __future__ import annotations

from pathlib import Path

from corpora.sources.rows import read_rows
from corpora.sources.tables.columns import DocumentColumns, QuestionColumns


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
