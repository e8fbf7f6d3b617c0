"""What a review page shows and keeps: the items in their order, and what each reviewer has decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl

from corpora.schema import ACCEPTED, DRAFTED, REJECTED
from flows.run.review.highlights import Highlights
from flows.run.review.opened import Opened
from results.gold.review.reviews import REVIEWS, check_reviewer, check_spelling
from results.report.html.example_view import Segment, split_segments

ORIGIN = "page"


class Decision(NamedTuple):
    """A reviewer's last word on an item; `label` is None where it was skipped."""

    label: str | None
    note: str


class ShownText(NamedTuple):
    """A gold document, split wherever a highlight begins or ends."""

    document_id: str
    length: int
    segments: list[Segment]


class ShownItem(NamedTuple):
    """An item as the page needs it.

    Attributes:
        place: in the queue, from 1.
        digest: of the question and its documents.
        question: its text.
        documents: its gold documents.
        highlighted: what is highlighted, as a sentence; empty where nothing is.
        row: of the queue: votes, label, reference, reason.
        is_drafted: whether a reader drafted the question.
    """

    place: int
    digest: str
    question: str
    documents: list[ShownText]
    highlighted: str
    row: Mapping[str, Any]
    is_drafted: bool = False

    @property
    def is_marked(self) -> bool:
        """Whether anything in the documents is highlighted."""
        return any(part.is_evidence or part.ranks for document in self.documents for part in document.segments)


class Progress(NamedTuple):
    """How far a reviewer is: items reviewed, and skipped ones among them."""

    reviewer: str
    done: int
    skipped: int


class Desk:
    """The items of a run that are reviewed.

    Args:
        opened: the run.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._rows = opened.chosen.rows(named=True)
        self._questions = {row["question_id"]: row for row in opened.items.rows.iter_rows(named=True)}
        self._highlights = Highlights(opened.tables, opened.items.reader)

    @property
    def name(self) -> str:
        """Of the run."""
        return str(self._opened.manifest["name"])

    @property
    def reader(self) -> str:
        """Whose votes are looked at."""
        return self._opened.items.reader

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set."""
        return self._opened.items.labels

    def labels_at(self, place: int) -> tuple[str, ...]:
        """What the item at a place, from 1, can be labelled."""
        return self._opened.items.labels_of(self._rows[place - 1]["question_id"])

    def __len__(self) -> int:
        return len(self._rows)

    def digest(self, place: int) -> str:
        """Of the question at a place, from 1, and its documents."""
        return str(self._question(place)["text_digest"])

    def item(self, place: int) -> ShownItem:
        """The item at a place, from 1."""
        row, question = self._rows[place - 1], self._question(place)
        marked = self._highlights.of(question)
        texts = self._opened.items.texts or {}
        documents = [
            ShownText(
                one, len(texts[one]), split_segments(texts[one], 0, marked.evidence_in(one), marked.chunks_in(one))
            )
            for one in question["document_ids"]
        ]
        drafted = question["origin"] in (DRAFTED, ACCEPTED, REJECTED)
        return ShownItem(place, self.digest(place), question["question"], documents, marked.sentence, row, drafted)

    def decisions(self) -> dict[str, dict[int, Decision]]:
        """The last words of every reviewer, by place; also those that were given elsewhere meanwhile."""
        places = {row["question_id"]: place for place, row in enumerate(self._rows, 1)}
        found: dict[str, dict[int, Decision]] = {}
        for row in self._opened.reviews().reviews.iter_rows(named=True):
            mine = found.setdefault(row["reviewer"], {})
            if row["question_id"] in places:
                mine[places[row["question_id"]]] = Decision(row["label"], row["note"] or "")
        return found

    def progress(self) -> list[Progress]:
        """How far each reviewer is, by name."""
        return [progress_of(name, mine) for name, mine in sorted(self.decisions().items())]

    def reviewer(self, name: str) -> str:
        """A reviewer's name as it is kept.

        Raises:
            InputError: it cannot be kept, or is that of somebody else in other letters.
        """
        kept = check_reviewer(name)
        check_spelling(kept, self._opened.store.reviewers())
        return kept

    def keep(self, reviewer: str, place: int, label: str | None, note: str) -> None:
        """Keep a reviewer's word; it is on disk when this returns.

        Args:
            reviewer: their name.
            place: of the item, from 1.
            label: of the label set; None to skip.
            note: may be empty.

        Raises:
            InputError: the name cannot be kept, or the file cannot be written.
        """
        row = self._rows[place - 1]
        word = {
            "question_id": row["question_id"], "reviewer": check_reviewer(reviewer), "label": label,
            "note": note or None, "origin": ORIGIN, "reason": row["reason"], "text_digest": self.digest(place),
            "reviewed_at": datetime.now(UTC),
        }  # fmt: skip
        self._opened.store.append(pl.DataFrame([word], schema=REVIEWS))

    def _question(self, place: int) -> Mapping[str, Any]:
        question: Mapping[str, Any] = self._questions[self._rows[place - 1]["question_id"]]
        return question


def progress_of(reviewer: str, decisions: Mapping[int, Decision]) -> Progress:
    """How far a reviewer is."""
    return Progress(reviewer, len(decisions), sum(one.label is None for one in decisions.values()))


def next_place(decisions: Mapping[int, Decision], n: int, after: int = 0) -> int | None:
    """The first item that a reviewer has not decided on, after a place if there is one; None if all are decided."""
    left = [place for place in range(1, n + 1) if place not in decisions]
    return next((place for place in left if place > after), left[0] if left else None)
