"""The checks that every corpus must pass before anything is computed from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import polars as pl

from corpora.errors import InputError, RowError, counted, did_you_mean
from corpora.reading.text import Twins
from corpora.schema import QUESTIONS, Corpus, LabelSet, Question, iter_questions

Kind = Literal["document", "question"]


class Places(Protocol):
    """How messages name the rows and the fields of a corpus, where they are known by better names than its frames'."""

    def place(self, kind: Kind, identifier: str, nth: int) -> tuple[str, int] | None:
        """The file of a row and its number there, given its id and how many rows before it have that id too."""
        ...

    def column(self, kind: Kind, field: str) -> str:
        """The user's name for a field."""
        ...


def validate(corpus: Corpus, places: Places | None = None) -> Corpus:
    """Return the corpus unchanged if it is sound.

    Args:
        corpus: as its source gave it.
        places: how messages name its rows; by default by their place in its frames.

    Raises:
        InputError: the first problem, with the number of others.
    """
    problems = find_problems(corpus, places)
    first = next(problems, None)
    if first is None:
        return corpus
    others = sum(1 for _ in problems)
    if others:
        more = f"({counted(others, 'more problem')}: `tercet corpora check` lists them all)"
        raise InputError(
            first.found,
            f"{first.expected} {more}" if not first.remedy else first.expected,
            f"{first.remedy} {more}" if first.remedy else "",
        )
    raise first


def validate_documents(name: str, documents: pl.DataFrame) -> pl.DataFrame:
    """Return documents without any questions unchanged if they are sound.

    Raises:
        InputError: the first problem.
    """
    corpus = Corpus(name, documents, pl.DataFrame(schema=QUESTIONS), LabelSet())
    # The documents come first, so that the missing questions are not reached unless all of them are sound.
    first = next((one for kind, _, _, one in _problems(corpus, None) if kind == "document"), None)
    if documents.is_empty():
        first = InputError(f"{name}: no documents", "at least one document", "check the path")
    if first is not None:
        raise first
    return documents


def find_problems(corpus: Corpus, places: Places | None = None) -> Iterator[InputError]:
    """Yield every problem of a corpus, documents first, each naming the row, the field and the remedy."""
    for kind, identifier, nth, problem in _problems(corpus, places):
        yield _placed(problem, kind, identifier, nth, places)


def _placed(problem: InputError, kind: Kind | None, identifier: str, nth: int, places: Places | None) -> InputError:
    """The problem in the user's own file and column, where they are known."""
    if places is None or kind is None or not isinstance(problem, RowError):
        return problem
    found = places.place(kind, identifier, nth)
    if found is None:
        return problem
    file, row = found
    column = places.column(kind, problem.field)
    return RowError(file, f"{row} (id {identifier!r})", column, problem.what, problem.expected, problem.remedy)


def _problems(corpus: Corpus, places: Places | None) -> Iterator[tuple[Kind | None, str, int, InputError]]:
    """Every problem with the kind and the id of its row, and the number of rows before it with that id."""
    lost = corpus.left_out.too_much(corpus.name)
    if lost is not None:
        yield None, "", 0, lost
    for kind, frame in (("document", corpus.documents), ("question", corpus.questions)):
        if frame.is_empty():
            yield None, "", 0, InputError(f"{corpus.name}: no {kind}s", f"at least one {kind}", "check the path")
    yield from _duplicates(corpus.name, corpus.documents, "document", places)
    for row, (document_id, text) in enumerate(corpus.documents.select("document_id", "text").iter_rows(), 1):
        for problem in document_problems(corpus.name, row, document_id, text):
            yield "document", document_id, 0, problem
    yield from _duplicates(corpus.name, corpus.questions, "question", places)
    check = question_check(corpus)
    for question in iter_questions(corpus.questions):
        for problem in check(question):
            yield "question", question.id, 0, problem


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


def _duplicates(
    name: str, frame: pl.DataFrame, kind: Kind, places: Places | None
) -> Iterator[tuple[Kind, str, int, RowError]]:
    rows = frame.with_row_index("row", 1).group_by(f"{kind}_id", maintain_order=True).agg("row")
    for value, at in rows.filter(pl.col("row").list.len() > 1).iter_rows():
        known = places.place(kind, value, 0) if places else None
        found = f"duplicate id {value!r}, first seen in row {known[1] if known else at[0]}"
        problem = RowError(f"{name} {kind}s", at[1], "id", found, "unique ids", "rename or remove one of the two")
        yield kind, value, 1, problem


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
                f"label {label!r}{_but(label, labels) or did_you_mean(label, corpus.labels)}",
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
