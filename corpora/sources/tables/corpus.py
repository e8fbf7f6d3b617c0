"""A corpus of two tables: one of documents, one of questions."""

from __future__ import annotations

from pathlib import Path

from corpora.choices import labels_for
from corpora.defects import Defects
from corpora.schema import Corpus, LabelSet
from corpora.sources.tables.answers import check_meanings, labels_in
from corpora.sources.tables.columns import DocumentColumns, QuestionColumns
from corpora.sources.tables.documents import read_documents
from corpora.sources.tables.questions import read_questions
from corpora.storage import sha256_file


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
        check_meanings(columns, labels_in(questions, columns, labels, not_stated))
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


def _digests(documents: Path, questions: Path) -> dict[str, str]:
    """Digest by file name, or by role and name if both files have the same name."""
    if documents.name == questions.name:
        return {
            f"documents/{documents.name}": sha256_file(documents),
            f"questions/{questions.name}": sha256_file(questions),
        }
    return {file.name: sha256_file(file) for file in (documents, questions)}
