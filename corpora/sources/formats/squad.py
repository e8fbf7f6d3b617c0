"""SQuAD's format: questions about paragraphs, with the answers marked in the text.

Rajpurkar et al. 2016, https://aclanthology.org/D16-1264; version 2.0, which adds questions that the paragraph does not
answer: Rajpurkar et al. 2018, https://aclanthology.org/P18-2124. Many other corpora come in the same format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from corpora.defects import Defects
from corpora.errors import InputError, RowError
from corpora.reading.exports import Row, exported_rows, is_export, shards_in, split_of
from corpora.reading.strict_json import read_json
from corpora.reading.text import is_file
from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from corpora.sources.fields import REMEDY, id_of, of_kind, span_of, text_of
from corpora.storage import sha256_file

IMPOSSIBLE = "impossible"
EXPORTED = frozenset({"id", "context", "question", "answers"})  # the columns of an export that must be there


def read_squad(path: Path, defects: Defects | None = None, not_stated: str | None = None) -> Corpus:
    """Read a file in the format of SQuAD 1.1 or 2.0, or the same as the hub's `datasets` exports it.

    A document is the context of a paragraph; its id is the article's title (the file's name if it has none) and the
    number of the paragraph, counted through all articles of that title. A paragraph without questions stays, as a
    distractor. A question's evidence is the distinct places of its answers, in the order of the file; the
    `plausible_answers` of an unanswerable question do not count, nor does an empty answer to it. Such a question
    carries the tag `impossible`; in an export it is one without answers. Its reference label is `not_stated`. No other
    question has a reference label, because the answers are free text.

    Where something may be left out, an answer that is not at its offset is, and the others stay; a question that loses
    all of its answers is left out too.

    Args:
        path: the JSON file; or a Parquet file, a folder of such files, or lines of JSON.
        defects: what to do with what cannot be used; by default the first such row is refused.
        not_stated: the label that says that the answer is not stated; None if there is none.

    Raises:
        InputError: there is no such file, or it is not JSON of that format.
        RowError: a field is missing or of the wrong kind, an answer is not at its offset, or a question is marked as
            unanswerable and has an answer; and nothing may be left out.
    """
    defects = defects or Defects()
    files = [path] if is_file(path) else shards_in(path)
    if not files:
        raise InputError(f"no file {path}", "a JSON file in SQuAD's format", "give the file as `path`")
    labels = LabelSet().with_label(not_stated)
    documents: list[Document] = []
    questions: list[Question] = []
    for document, asked in _contexts(files, defects):
        documents.append(document)
        for number, item in enumerate(asked, 1):
            make = partial(_question, files[0], document, number, item, defects)
            made = defects.made("question", item.get("id") if isinstance(item, dict) else "", make)
            questions += (replace(one, reference=not_stated) if IMPOSSIBLE in one.tags else one for one in made)
    inputs = {file.name: sha256_file(file) for file in files}
    name = split_of(path) if path.suffix else path.name
    return Corpus(name, documents_frame(documents), questions_frame(questions), labels, inputs)


def _contexts(files: list[Path], defects: Defects) -> Iterator[tuple[Document, list[Any]]]:
    """Each paragraph as a document, with the questions about it."""
    if is_export(files[0], EXPORTED):
        return _exported(files, defects)
    return _paragraphs(files[0], _load(files[0]), defects)


def _load(file: Path) -> list[Any]:
    content = read_json(file)
    articles = content.get("data") if isinstance(content, dict) else None
    if not isinstance(articles, list):
        raise InputError(f"{file} has no list `data`", "an object whose `data` lists articles, as in SQuAD")
    return articles


def _paragraphs(file: Path, articles: list[Any], defects: Defects) -> Iterator[tuple[Document, list[Any]]]:
    counts: Counter[str] = Counter()
    for number, article in enumerate(articles, 1):
        for title, paragraphs in defects.made("document", "", partial(_article, file, f"article {number}", article)):
            for item in paragraphs:
                counts[title] += 1
                document_id = f"{title}-{counts[title]}"
                yield from defects.made("document", document_id, partial(_paragraph, file, document_id, item))


def _article(file: Path, place: str, article: object) -> tuple[str, list[Any]]:
    fields = of_kind(file, place, "data", article, dict)
    title = text_of(file, place, "title", fields.get("title", "")) or file.stem
    return title, of_kind(file, place, "paragraphs", fields.get("paragraphs"), list)


def _paragraph(file: Path, document_id: str, item: object) -> tuple[Document, list[Any]]:
    paragraph = of_kind(file, document_id, "paragraphs", item, dict)
    context = text_of(file, document_id, "context", paragraph.get("context"))
    return Document(document_id, context), of_kind(file, document_id, "qas", paragraph.get("qas"), list)


def _exported(files: list[Path], defects: Defects) -> Iterator[tuple[Document, list[Any]]]:
    """The same from an export, which repeats the title and the context in the row of every question."""
    asked: dict[tuple[str, str], list[Row]] = {}
    for file in files:
        for number, row in exported_rows(file, EXPORTED):
            for place, item in defects.made("question", row["id"], partial(_row, file, number, row)):
                asked.setdefault(place, []).append(item)
    counts: Counter[str] = Counter()
    for (title, context), items in asked.items():
        counts[title] += 1
        yield Document(f"{title}-{counts[title]}", context), items


def _row(file: Path, number: int, row: Row) -> tuple[tuple[str, str], Row]:
    """Title and context of a row, and its question in the layout of the official files."""
    title = "" if row.get("title") is None else text_of(file, number, "title", row["title"])
    answers = of_kind(file, number, "answers", row["answers"], dict)
    texts, starts = (of_kind(file, number, name, answers.get(name), list) for name in ("text", "answer_start"))
    if len(texts) != len(starts):
        found = f"{len(texts)} texts with {len(starts)} offsets"
        raise RowError(str(file), number, "answers", found, "one offset for each text", REMEDY)
    marked = [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    # The column is_impossible of version 2.0 is not exported: without an answer, the question has none.
    item = {"id": row["id"], "question": row["question"], "answers": marked, "is_impossible": not marked}
    return (title or split_of(file), text_of(file, number, "context", row["context"])), item


def _question(file: Path, document: Document, number: int, item: object, defects: Defects) -> Question:
    place = f"{document.id}, question {number}"
    fields = of_kind(file, place, "qas", item, dict)
    question_id = id_of(file, place, "id", fields.get("id"))
    impossible = of_kind(file, question_id, "is_impossible", fields.get("is_impossible", False), bool)
    answers = of_kind(file, question_id, "answers", fields.get("answers"), list)
    if impossible and not all(map(_is_empty, answers)):
        raise RowError(
            str(file),
            question_id,
            "is_impossible",
            f"true for a question with {len(answers)} answers",
            "no answers to an unanswerable question",
            REMEDY,
        )
    text = text_of(file, question_id, "question", fields.get("question"))
    spans: dict[Span, None] = {}
    for answer in () if impossible else answers:
        made = defects.made("answer", question_id, partial(_span, file, document, question_id, answer))
        spans |= dict.fromkeys(made)
    if answers and not impossible and not spans:
        found = f"none of {len(answers)} answers is at its offset"
        raise RowError(str(file), question_id, "answers", found, "at least one answer that is", REMEDY)
    tags = {IMPOSSIBLE: "true"} if impossible else {}
    return Question(question_id, text, (document.id,), evidence=tuple(spans), tags=tags)


def _is_empty(answer: object) -> bool:
    """Whether an answer says nothing, as some programs write for a question that has none."""
    return isinstance(answer, dict) and answer.get("text") == ""


def _span(file: Path, document: Document, question_id: str, answer: object) -> Span:
    fields = of_kind(file, question_id, "answers", answer, dict)
    quote = of_kind(file, question_id, "text", fields.get("text"), str)
    start = of_kind(file, question_id, "answer_start", fields.get("answer_start"), int)
    return Span(document.id, *span_of(file, question_id, "answers", document.text, start, quote))
