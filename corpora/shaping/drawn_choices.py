"""Short answers as choices: wrong ones are drawn from the question's own document, so that all of them occur in it.

A question whose answer is marked in its document becomes one with choices: its answer, and others that are wrong. They
are taken, as long as it takes, from

1. answers to other questions on the document that have the same shape (a date, a number, a name, other words),
2. passages of the document of that shape,
3. answers of another shape,
4. dates, numbers and names of the document of another shape,

each in an order drawn by the question's id. None of them stands in the question, and none is a right answer, or
contains one, or is part of one; two are compared as SQuAD compares answers: in lower case, without punctuation and
English articles.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from corpora.choices import PLACES, check_choices, in_drawn_order, places
from corpora.defects import Defects, Kind
from corpora.errors import InputError, RowError, counted
from corpora.schema import Corpus, Question, iter_questions, questions_frame

Shape = Literal["date", "number", "name", "words"]
MADE = (
    "Wrong choices are drawn from the question's document: answers to its other questions first, of the same shape (a "
    "date, a number, a name, other words) where there are any, then other passages of it."
)
LONGEST = 120  # characters of a passage that may be a wrong choice

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.)"
)
_YEAR = r"(?:1[0-9]{3}|20[0-9]{2})"
_DATE = rf"(?:[0-9]{{1,2}} )?{_MONTH}(?: [0-9]{{1,2}})?(?:,? {_YEAR})?|(?<![\d.,]){_YEAR}(?![\d%]|[.,]\d)"
_NUMBER = r"(?<![\w.,])[$€£]?[0-9]+(?:[.,][0-9]+)*(?: ?%| percent)?"
_NAME = r"[^\W\d_a-z][\w'\u2019-]+(?: (?:(?:of|the|de|van|von) )?[^\W\d_a-z][\w'\u2019-]+)*"
_PASSAGES: dict[Shape, re.Pattern[str]] = {
    "date": re.compile(_DATE), "number": re.compile(_NUMBER), "name": re.compile(_NAME)
}  # fmt: skip
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(r"[^\w\s]|_")


class _Document(NamedTuple):
    """Answers and passages of a document, each distinct one once, with its shape."""

    answers: tuple[tuple[str, Shape], ...]
    passages: tuple[tuple[str, Shape], ...]


def draw_choices(corpus: Corpus, n: int, not_stated: str | None, defects: Defects) -> Corpus:
    """The corpus with choices for every question.

    Args:
        corpus: as its source gave it; the evidence of a question are its right answers, the first of which is shown.
        n: how many choices each question has; of one without an answer all are wrong.
        not_stated: the label of a question without an answer; if it is None, such questions are left
            out.
        defects: told of the questions that are left out: unanswerable ones, and those whose document has too few
            wrong answers.

    Raises:
        RowError: such a question, where nothing may be left out.
    """
    labels, made = places(n, not_stated), list[Question]()
    texts, documents = corpus.texts, _documents(corpus)
    for question in iter_questions(corpus.questions):
        right = [texts[span.document_id][span.start : span.end] for span in question.evidence]
        kind: Kind = "short-answer question" if right else "unanswerable question"
        defects.saw(kind)
        try:
            made.append(_with_choices(corpus.name, question, right, documents[question.document_ids[0]], n, not_stated))
        except RowError as error:
            defects.leave_out(kind, question.id, error)
    return replace(corpus, questions=questions_frame(made), labels=labels, choices_made=MADE)


def _documents(corpus: Corpus) -> dict[str, _Document]:
    """What wrong choices can be drawn from, by document."""
    texts = corpus.texts
    answers: dict[str, dict[str, None]] = {}
    for question in iter_questions(corpus.questions):
        for span in question.evidence:
            answers.setdefault(span.document_id, {})[texts[span.document_id][span.start : span.end]] = None
    return {
        name: _Document(tuple((one, shape_of(one)) for one in answers.get(name, ())), tuple(_passages(text)))
        for name, text in texts.items()
    }


def shape_of(answer: str) -> Shape:
    """What an answer looks like: all of it is a date, a number or a name; words otherwise."""
    for shape, pattern in _PASSAGES.items():
        if pattern.fullmatch(answer.strip()) and _fits(answer.strip(), shape):
            return shape
    return "words"


def _passages(text: str) -> Iterator[tuple[str, Shape]]:
    """Dates, numbers and names of a text, without the capitalised word that only begins a sentence."""
    seen = set()
    taken: list[tuple[int, int]] = []
    for shape, pattern in _PASSAGES.items():
        for match in pattern.finditer(text):
            start, end = match.span()
            begins = shape == "name" and " " not in match.group() and _begins_sentence(text, start)
            if begins or not _fits(match.group(), shape) or any(start < stop and first < end for first, stop in taken):
                continue
            taken.append((start, end))
            if match.group() not in seen:
                seen.add(match.group())
                yield match.group(), shape


def _fits(text: str, shape: Shape) -> bool:
    """Whether a name is capitalised: the pattern takes letters of scripts without capitals too."""
    return shape != "name" or text[0].isupper()


def _begins_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip()
    return not before or before[-1] in ".!?:\"'\u201c\u2018("


def _with_choices(
    name: str, question: Question, right: Sequence[str], document: _Document, n: int, not_stated: str | None
) -> Question:
    where, row = f"{name} questions", f"id {question.id!r}"
    if not right and not_stated is None:
        expected = "a label for what is not stated"
        raise RowError(where, row, "answers", "none, as it is unanswerable", expected, "set `not_stated` in the corpus")
    wrong = _wrong(question, right, document)[: n - bool(right)]
    chosen = (*right[:1], *wrong)
    if len(chosen) < n:
        found = f"{counted(len(wrong), 'wrong answer')} in its document"
        raise RowError(where, row, "choices", found, f"{n - bool(right)} of them", "lower `choices`")
    try:
        check_choices(chosen, not_stated)
    except InputError as error:
        raise RowError(where, row, "choices", error.found, error.expected, error.remedy) from error
    shown = in_drawn_order(question.id, chosen)
    reference = PLACES[shown.index(right[0])] if right else not_stated
    return replace(question, choices=shown, reference=reference)


def _wrong(question: Question, right: Sequence[str], document: _Document) -> list[str]:
    """The wrong answers that a document has, the likeliest to be taken for right first; none stands in the question."""
    shape = shape_of(right[0]) if right else None
    alike = [one for one, of in document.answers if of == shape]
    alike_passages = [one for one, of in document.passages if of == shape]
    tiers: tuple[Iterable[str], ...] = (
        alike, alike_passages, (one for one, _ in document.answers), (one for one, _ in document.passages)
    )  # fmt: skip
    taken = {normalised(one) for one in right}
    found: dict[str, str] = {}
    for tier in tiers:
        for one in sorted(tier, key=lambda text: (_drawn(question.id, text), text)):
            plain = normalised(one)
            is_known = plain in found or one in question.text
            if is_known or not _is_usable(one, plain) or any(plain in it or it in plain for it in taken):
                continue
            found[plain] = one
    return list(found.values())


def _is_usable(text: str, plain: str) -> bool:
    return bool(plain) and len(text) <= LONGEST and text.isprintable()


def _drawn(question_id: str, text: str) -> bytes:
    return hashlib.blake2b(f"{question_id}\x1fwrong\x1f{text}".encode(), digest_size=8).digest()


def normalised(answer: str) -> str:
    """An answer as SQuAD's evaluation compares it: lower case, no punctuation, no English articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub("", answer.lower())).split())
