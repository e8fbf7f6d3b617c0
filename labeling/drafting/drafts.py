"""A drafted question with its evidence."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from corpora.schema import DRAFTED, Question, Span
from labeling.drafting.kinds import Kind
from labeling.drafting.passages import Answer, Attempt


class Draft(NamedTuple):
    """What a reader drafted.

    Attributes:
        attempt: what was wanted.
        quotes: the texts of the sentences that it is about.
        text: the question; empty if the reader wrote none.
        answer: the answer that the reader gave when it had written the question; None if it gave none. Where it is not
            the one that was wanted, the reader did not manage that, and the question may be a good one all the same.
    """

    attempt: Attempt
    quotes: tuple[str, ...]
    text: str
    answer: Answer | None

    @property
    def id(self) -> str:
        """Names the question: another text or another document has another id."""
        digest = hashlib.sha256(f"{self.attempt.document_id}\x1f{self.text}".encode()).hexdigest()[:10]
        return f"{self.attempt.kind}-{self.answer}-{digest}"

    @property
    def evidence(self) -> tuple[Span, ...]:
        """The sentences that it is about."""
        return self.attempt.evidence

    @property
    def kind(self) -> Kind:
        """The kind of question."""
        return self.attempt.kind

    @property
    def question(self) -> Question:
        """As a question of a corpus, with the drafted answer as its reference."""
        return Question(
            self.id,
            self.text,
            (self.attempt.document_id,),
            self.answer,
            self.evidence,
            tags={"kind": self.kind},
            origin=DRAFTED,
        )
