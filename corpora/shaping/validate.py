"""The checks that every corpus must pass before anything is computed from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from corpora.errors import InputError, RowError
from corpora.reading.text import Twins
from corpora.schema import Corpus, Question, iter_questions


def validate(corpus: Corpus) -> Corpus:
    """Return the corpus unchanged if it is sound.

    Raises:
        InputError: the first problem, with the number of others.
    """
    problems = find_problems(corpus)
    first = next(problems, None)
    if first is None:
        return corpus
    others = sum(1 for _ in problems)
    if others:
        more = f"({others} more problem{'s' * (others > 1)}: `tercet corpora check` lists them all)"
        raise InputError(
            first.found,
            f"{first.expected} {more}" if not first.remedy else first.expected,
            f"{first.remedy} {more}" if first.remedy else "",
        )
    raise first


def find_problems(corpus: Corpus) -> Iterator[InputError]:
    """Yield every problem of a corpus, documents first, each naming the row, the field and the remedy."""
    lost = corpus.left_out.too_much(corpus.name)
    if lost is not None:
        yield lost
    if corpus.documents.is_empty():
        yield InputError(f"{corpus.name}: no documents", "at least one document", "check the path")
    if corpus.questions.is_empty():
        yield InputError(f"{corpus.name}: no questions", "at least one question", "check the path")
    yield from _duplicates(corpus.name, corpus.documents, "document_id")
    for row, (document_id, text) in enumerate(corpus.documents.select("document_id", "text").iter_rows(), 1):
        yield from document_problems(corpus.name, row, document_id, text)
    yield from _duplicates(corpus.name, corpus.questions, "question_id")
    check = question_check(corpus)
    for question in iter_questions(corpus.questions):
        yield from check(question)


def document_problems(name: str, row: int, document_id: str, text: str) -> Iterator[RowError]:
    """Yield every problem of one document.

    Args:
        name: of the corpus.
        row: of the document, counted from 1.
        document_id: its id.
        text: its text.
    """
    where = f"{name} documents"
    if not document_id:
        yield RowError(where, row, "id", "empty id", "an id that is not empty", "give the document an id")
    if not text or text.isspace():
        place, expected = f"{row} (id {document_id!r})", "a text that is not empty"
        yield RowError(where, place, "text", "empty text", expected, "remove the document or fill in its text")


def question_check(corpus: Corpus) -> Callable[[Question], Iterator[RowError]]:
    """A check that yields every problem of one question of a corpus."""
    documents, labels = Twins(corpus.texts), Twins(corpus.labels)

    def check(question: Question) -> Iterator[RowError]:
        yield from _question_problems(corpus, question, documents)
        yield from _label_problems(corpus, question, labels)
        yield from _span_problems(corpus, question)

    return check


def _duplicates(name: str, frame: pl.DataFrame, column: str) -> Iterator[InputError]:
    kind = column.removesuffix("_id") + "s"
    rows = frame.with_row_index("row", 1).group_by(column, maintain_order=True).agg("row")
    for value, at in rows.filter(pl.col("row").list.len() > 1).iter_rows():
        yield RowError(
            f"{name} {kind}",
            at[1],
            "id",
            f"duplicate id {value!r}, first seen in row {at[0]}",
            "unique ids",
            "rename or remove one of the two",
        )


def _question_problems(corpus: Corpus, question: Question, documents: Twins) -> Iterator[RowError]:
    where, row = _place(corpus, question)
    if not question.id:
        yield RowError(where, row, "id", "empty id", "an id that is not empty", "give the question an id")
    if not question.text or question.text.isspace():
        yield RowError(where, row, "text", "empty text", "the text of a question", "remove the row or fill in its text")
    if not question.document_ids:
        yield RowError(
            where,
            row,
            "document_ids",
            "no gold document",
            "at least one document id",
            "name the document that answers it",
        )
    twice = {one for one in question.document_ids if question.document_ids.count(one) > 1}
    if twice:
        found = f"document {min(twice)!r} is named twice"
        yield RowError(where, row, "document_ids", found, "each gold document only once", "remove the repetition")
    for document_id in question.document_ids:
        if document_id not in corpus.texts:
            yield RowError(
                where,
                row,
                "document_ids",
                f"document {document_id!r} is not in the corpus{_but(document_id, documents)}",
                f"a document id of the corpus ({len(corpus.texts)} in all)",
                "add the document or correct the id",
            )


def _label_problems(corpus: Corpus, question: Question, labels: Twins) -> Iterator[RowError]:
    where, row = _place(corpus, question)
    given = {"reference": question.reference} | {f"annotator {n}": v for n, v in question.annotators.items()}
    for name, label in given.items():
        if label is not None and label not in corpus.labels.labels:
            yield RowError(
                where,
                row,
                name,
                f"label {label!r}{_but(label, labels)}",
                f"one of {', '.join(corpus.labels)}",
                "correct the label, or add it to the `labels` of your own tables",
            )


def _span_problems(corpus: Corpus, question: Question) -> Iterator[RowError]:
    where, row = _place(corpus, question)
    for span in question.evidence:
        text = corpus.texts.get(span.document_id)
        if text is None or span.document_id not in question.document_ids:
            yield RowError(
                where,
                row,
                "evidence",
                f"a span in document {span.document_id!r}",
                "spans in the question's own documents",
                "correct the span's document_id",
            )
        elif not 0 <= span.start < span.end <= len(text):
            yield RowError(
                where,
                row,
                "evidence",
                f"span {span.start}:{span.end} outside its document {span.document_id!r}",
                f"offsets with 0 <= start < end <= {len(text)}",
                "correct the offsets (characters, end-exclusive)",
            )


def _but(name: str, names: Twins) -> str:
    """How a name differs from one that looks the same, with the code points that tell them apart."""
    twin = names.of(name)
    return "" if twin is None else f", but {twin!a} is, which looks the same as {name!a}"


def _place(corpus: Corpus, question: Question) -> tuple[str, str]:
    return f"{corpus.name} questions", f"id {question.id!r}"
