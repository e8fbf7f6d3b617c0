"""SQuAD's format: questions about paragraphs, with the answers marked in the text.

Rajpurkar et al. 2016, https://aclanthology.org/D16-1264; version 2.0, which adds questions that the paragraph does not
answer: Rajpurkar et al. 2018, https://aclanthology.org/P18-2124. Many other corpora come in the same format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora.errors import InputError, RowError
from corpora.reading.strict_json import read_json
from corpora.reading.text import is_file
from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from corpora.sources.fields import REMEDY, id_of, of_kind, span_of, text_of
from corpora.storage import sha256_file

IMPOSSIBLE = "impossible"


def read_squad(path: Path) -> Corpus:
    """Read a file in the format of SQuAD 1.1 or 2.0.

    A document is the context of a paragraph; its id is the article's title (the file's name if it has none) and the
    number of the paragraph, counted through all articles of that title. A paragraph without questions stays, as a
    distractor. A question's evidence is the distinct places of its answers, in the order of the file; the
    `plausible_answers` of an unanswerable question do not count. Such a question carries the tag `impossible`. No
    question has a reference label, because the answers are free text.

    Raises:
        InputError: there is no such file, or it is not JSON of that format.
        RowError: a field is missing or of the wrong kind, an answer is not at its offset, or a question is marked as
            unanswerable and has an answer.
    """
    documents, questions = [], []
    for document, asked in _paragraphs(path, _load(path)):
        documents.append(document)
        questions += [_question(path, document, number, item) for number, item in enumerate(asked, 1)]
    inputs = {path.name: sha256_file(path)}
    return Corpus(path.stem, documents_frame(documents), questions_frame(questions), LabelSet(), inputs)


def _load(file: Path) -> list[Any]:
    if not is_file(file):
        raise InputError(f"no file {file}", "a JSON file in SQuAD's format", "give the file as `path`")
    content = read_json(file)
    articles = content.get("data") if isinstance(content, dict) else None
    if not isinstance(articles, list):
        raise InputError(
            f"{file} has no list `data`", "an object whose `data` lists articles, as in SQuAD", "convert the file"
        )
    return articles


def _paragraphs(file: Path, articles: list[Any]) -> Iterator[tuple[Document, list[Any]]]:
    """Each paragraph as a document, with the questions about it."""
    counts: Counter[str] = Counter()
    for number, article in enumerate(articles, 1):
        place = f"article {number}"
        fields = of_kind(file, place, "data", article, dict)
        title = text_of(file, place, "title", fields.get("title", "")) or file.stem
        for item in of_kind(file, place, "paragraphs", fields.get("paragraphs"), list):
            counts[title] += 1
            document_id = f"{title}-{counts[title]}"
            paragraph = of_kind(file, document_id, "paragraphs", item, dict)
            context = text_of(file, document_id, "context", paragraph.get("context"))
            yield Document(document_id, context), of_kind(file, document_id, "qas", paragraph.get("qas"), list)


def _question(file: Path, document: Document, number: int, item: object) -> Question:
    place = f"{document.id}, question {number}"
    fields = of_kind(file, place, "qas", item, dict)
    question_id = id_of(file, place, "id", fields.get("id"))
    impossible = of_kind(file, question_id, "is_impossible", fields.get("is_impossible", False), bool)
    answers = of_kind(file, question_id, "answers", fields.get("answers"), list)
    if impossible and answers:
        raise RowError(
            str(file),
            question_id,
            "is_impossible",
            f"true for a question with {len(answers)} answers",
            "no answers to an unanswerable question",
            REMEDY,
        )
    return Question(
        id=question_id,
        text=text_of(file, question_id, "question", fields.get("question")),
        document_ids=(document.id,),
        evidence=tuple(dict.fromkeys(_span(file, document, question_id, answer) for answer in answers)),
        tags={IMPOSSIBLE: "true"} if impossible else {},
    )


def _span(file: Path, document: Document, question_id: str, answer: object) -> Span:
    fields = of_kind(file, question_id, "answers", answer, dict)
    quote = of_kind(file, question_id, "text", fields.get("text"), str)
    start = of_kind(file, question_id, "answer_start", fields.get("answer_start"), int)
    return Span(document.id, *span_of(file, question_id, "answers", document.text, start, quote))
