"""What only shows once a corpus is read whole is left out of it: repeated rows, empty texts, ids that name nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import polars as pl

from corpora.defects import Defects, Kind
from corpora.errors import RowError
from corpora.schema import Corpus, Question, iter_questions, questions_frame
from corpora.shaping.validate import document_problems, find_problems, question_check
from corpora.storage import sha256_text

ROW = "row"  # of a document or question in its frame, counted from 1


def leave_out_defective(corpus: Corpus, defects: Defects) -> Corpus:
    """The corpus without the rows that `validate` refuses one by one.

    A row that repeats an earlier one to the letter is left out. Rows with one id and different content stay, for
    `validate` to refuse: nothing says which of them is meant.

    Args:
        corpus: as its source gave it.
        defects: told what is left out; it must not refuse.
    """
    if next(find_problems(corpus), None) is None:
        return corpus
    documents = _kept_documents(corpus, defects)
    rest = replace(corpus, documents=documents)
    asked = _without_copies(corpus.name, _numbered(corpus.questions), "question", defects).drop(ROW)
    check = question_check(rest)
    kept = [one for question in iter_questions(asked) for one in _kept_question(question, rest, check, defects)]
    return replace(rest, questions=questions_frame(kept))


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.int_range(1, pl.len() + 1).alias(ROW))


def _without_copies(name: str, numbered: pl.DataFrame, kind: Kind, defects: Defects) -> pl.DataFrame:
    first: dict[str, int] = {}  # the row in which a content first appears, by digest
    kept = []
    for at, (*values, row) in enumerate(numbered.iter_rows()):
        earlier = first.setdefault(sha256_text(repr(values)), row)
        if earlier == row:
            kept.append(at)
            continue
        error = RowError(f"{name} {kind}s", row, "id", f"a copy of row {earlier}", "each row once", "remove the copy")
        defects.leave_out(kind, values[0], error)
    return numbered[kept]


def _kept_documents(corpus: Corpus, defects: Defects) -> pl.DataFrame:
    numbered = _without_copies(corpus.name, _numbered(corpus.documents), "document", defects)
    kept = []
    for at, (row, document_id, text) in enumerate(numbered.select(ROW, "document_id", "text").iter_rows()):
        problem = next(document_problems(corpus.name, row, document_id, text), None)
        if problem is None:
            kept.append(at)
        else:
            defects.leave_out("document", document_id, problem)
    return numbered[kept].drop(ROW)


def _kept_question(
    question: Question, corpus: Corpus, check: Callable[[Question], Iterator[RowError]], defects: Defects
) -> Iterator[Question]:
    """The question without gold documents that are not there; nothing if something else is wrong with it."""
    where, row = f"{corpus.name} questions", f"id {question.id!r}"
    there = []
    for document_id in dict.fromkeys(question.document_ids):
        defects.saw("gold document")
        if document_id in corpus.texts:
            there.append(document_id)
            continue
        found = f"document {document_id!r} is not in the corpus, or was left out"
        error = RowError(where, row, "document_ids", found, "a document id of the corpus", "add the document")
        defects.leave_out("gold document", f"{question.id} {document_id}", error)
    changed = replace(question, document_ids=tuple(there))
    problem = next(check(changed), None)
    if problem is None:
        yield changed
    else:
        defects.leave_out("question", question.id, problem)
