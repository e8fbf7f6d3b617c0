"""Where each question is drafted from, document and place: fixed by a seed, so that all are covered evenly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from corpora.schema import Span
from labeling.drafting.kinds import KINDS, Kind, usable

Answer = Literal["yes", "no"]
ANSWERS: tuple[Answer, ...] = ("yes", "no")

WINDOW = 4  # sentences that a reader chooses from
MOST_CHARACTERS = 1200  # of a passage
TITLE = 120  # characters of a document's first line that a prompt shows


class Passage(NamedTuple):
    """A stretch of whole sentences, and those of them that a question can be about.

    Attributes:
        text: the stretch.
        choices: the sentences to choose from, by their places in the document.
    """

    text: str
    choices: tuple[Span, ...]


class Attempt(NamedTuple):
    """A question that is to be drafted.

    Attributes:
        id: names it in the ledger.
        kind: of the question.
        wanted: its answer.
        document_id: of the document.
        title: the document's first line.
        passages: one, or two for `apart`.
    """

    id: str
    kind: Kind
    wanted: Answer
    document_id: str
    title: str
    passages: tuple[Passage, ...]


class Places:
    """The places of a corpus, in the order in which questions are drafted from them.

    Questions with the answer yes and with the answer no are two sequences. Each goes through all documents before it
    comes to one again, and then to another place in it: places follow van der Corput's sequence, which halves the
    largest gap. The kinds take turns, shifted by one each time round.

    Args:
        texts: document text by document id.
        sentences: the sentences of each document, as slices.
        kinds: the kinds to draft, in order.
        seed: of the order of the documents.
    """

    def __init__(
        self, texts: Mapping[str, str], sentences: Mapping[str, Sequence[tuple[int, int]]],
        kinds: Sequence[Kind] = KINDS, seed: int = 0,
    ) -> None:  # fmt: skip
        self._texts, self._sentences, self._kinds = texts, sentences, kinds
        self._order = sorted(texts, key=lambda one: hashlib.sha256(f"{seed}\x1f{one}".encode()).digest())

    def attempt(self, wanted: Answer, number: int) -> Attempt | None:
        """The attempt with this number among those with one answer; None where the document has no usable sentence."""
        stream, n = ANSWERS.index(wanted), len(self._order)
        turn = number // n
        document_id = self._order[(number + stream * (n // 2)) % n]
        first = (number % n + turn) % len(self._kinds)
        point = van_der_corput(2 * turn + stream)
        # A document without a number cannot be asked about one: then the next kind takes the turn.
        for kind in (*self._kinds[first:], *self._kinds[:first]):
            passages = self._passages(document_id, kind, point)
            if passages:
                title = self._texts[document_id].strip().split("\n", 1)[0].strip()[:TITLE]
                return Attempt(f"{wanted}-{number}", kind, wanted, document_id, title, passages)
        return None

    def _passages(self, document_id: str, kind: Kind, point: float) -> tuple[Passage, ...]:
        """The passage at a point of a document, and for `apart` the one half a document further; empty if none is."""
        slices = self._sentences[document_id]
        about = usable(kind, [self._texts[document_id][start:end] for start, end in slices])
        if not about:
            return ()
        first = self._window(document_id, about, point)
        if kind != "apart":
            return (self._passage(document_id, first, about),)
        second = self._window(document_id, about, (point + 0.5) % 1)
        if len(slices) < 2 * WINDOW or set(first) & set(second):
            return ()
        return tuple(self._passage(document_id, one, about) for one in sorted((first, second)))

    def _window(self, document_id: str, about: Sequence[int], point: float) -> list[int]:
        """The sentences around one that a question can be about, as many as a passage holds."""
        slices, middle = self._sentences[document_id], about[int(point * len(about))]
        window = [middle]
        # To both sides in turn, so that the sentence in the middle is not always the first or the last.
        for at in sorted(range(len(slices)), key=lambda one: (abs(one - middle), one)):
            wider = sorted({*window, at})
            is_short = slices[wider[-1]][1] - slices[wider[0]][0] <= MOST_CHARACTERS
            if wider[-1] - wider[0] == len(wider) - 1 and len(wider) <= WINDOW and is_short:
                window = wider
        return window

    def _passage(self, document_id: str, window: Sequence[int], about: Sequence[int]) -> Passage:
        slices = self._sentences[document_id]
        text = self._texts[document_id][slices[window[0]][0] : slices[window[-1]][1]]
        return Passage(text, tuple(Span(document_id, *slices[at]) for at in window if at in set(about)))


def van_der_corput(number: int) -> float:
    """Term of van der Corput's sequence in base 2: 0, 1/2, 1/4, 3/4, 1/8, ..."""
    point, share = 0.0, 0.5
    while number:
        point += share * (number & 1)
        number, share = number >> 1, share / 2
    return point
