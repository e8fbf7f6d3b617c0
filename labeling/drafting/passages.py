"""Where each question is drafted from, document and place: fixed by a seed, so that all are covered evenly."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from corpora.schema import Span
from labeling.drafting.duplicates import tokens_of
from labeling.drafting.kinds import KINDS, Kind, usable
from labeling.drafting.phrases import ENGLISH

Answer = Literal["yes", "no"]
ANSWERS: tuple[Answer, ...] = ("yes", "no")

WINDOW = 4  # sentences that a reader sees at most
MOST_CHARACTERS = 1200  # of a passage
FEW = 0.2  # a word that at most so many of a document's sentences hold says what they are about
TITLE = 120  # characters of a document's title that a prompt shows


class Passage(NamedTuple):
    """A stretch of whole sentences, and the one of them that a question is about.

    Attributes:
        text: the stretch.
        sentence: the sentence, by its place in the document.
    """

    text: str
    sentence: Span


class Attempt(NamedTuple):
    """A question that is to be drafted.

    Attributes:
        id: names it in the ledger.
        kind: of the question.
        wanted: its answer.
        document_id: of the document.
        title: the document's first line with words.
        passages: one, or two for `apart`.
        language: of the document.
    """

    id: str
    kind: Kind
    wanted: Answer
    document_id: str
    title: str
    passages: tuple[Passage, ...]
    language: str = ENGLISH

    @property
    def evidence(self) -> tuple[Span, ...]:
        """The sentences that the question is about."""
        return tuple(passage.sentence for passage in self.passages)


class Places:
    """The places of a corpus, in the order in which questions are drafted from them.

    Questions with the answer yes and with the answer no are two sequences. Each goes through all documents before it
    comes to one again, and then to another place in it: places follow van der Corput's sequence, which halves the
    largest gap. The kinds take turns, shifted by one each time round. The sentence at a place is the one that is asked
    about: a reader that was let choose among four took the first one nearly always, and no better one where it did not.

    Args:
        texts: document text by document id.
        sentences: the sentences of each document, as slices.
        kinds: the kinds to draft, in order.
        seed: of the order of the documents.
        languages: of the documents; English where none is given.
    """

    def __init__(
        self, texts: Mapping[str, str], sentences: Mapping[str, Sequence[tuple[int, int]]],
        kinds: Sequence[Kind] = KINDS, seed: int = 0, languages: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._texts, self._sentences, self._kinds, self._languages = texts, sentences, kinds, languages or {}
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
                title = _title(self._texts[document_id])
                language = self._languages.get(document_id, ENGLISH)
                return Attempt(f"{wanted}-{number}", kind, wanted, document_id, title, passages, language)
        return None

    def _passages(self, document_id: str, kind: Kind, point: float) -> tuple[Passage, ...]:
        """The passage at a point of a document, and for `apart` one on the same subject; empty if there is none."""
        sentences = [self._texts[document_id][start:end] for start, end in self._sentences[document_id]]
        about = usable(kind, sentences, self._languages.get(document_id, ENGLISH))
        if not about:
            return ()
        first = about[int(point * len(about))]
        if kind != "apart":
            return (self._passage(document_id, first),)
        second = _partner(first, about, [tokens_of(one) for one in sentences])
        return () if second is None else tuple(self._passage(document_id, one) for one in sorted((first, second)))

    def _passage(self, document_id: str, middle: int) -> Passage:
        """The sentences around one, as many as a passage holds."""
        slices, window = self._sentences[document_id], [middle]
        # To both sides in turn, so that the sentence in the middle is not always the first or the last.
        for at in sorted(range(len(slices)), key=lambda one: (abs(one - middle), one)):
            wider = sorted({*window, at})
            is_short = slices[wider[-1]][1] - slices[wider[0]][0] <= MOST_CHARACTERS
            if wider[-1] - wider[0] == len(wider) - 1 and len(wider) <= WINDOW and is_short:
                window = wider
        text = self._texts[document_id][slices[window[0]][0] : slices[window[-1]][1]]
        return Passage(text, Span(document_id, *slices[middle]))


def _title(text: str) -> str:
    """A document's first line that holds a letter, without the signs of a heading or a table in Markdown."""
    lines = (line.strip("#|*_-= \t") for line in text.split("\n"))
    return next((line for line in lines if any(one.isalpha() for one in line)), "")[:TITLE]


def _partner(first: int, about: Sequence[int], words: Sequence[frozenset[str]]) -> int | None:
    """The sentence elsewhere in a document that shares the rarest words with one: it says more of the same thing.

    Args:
        first: the place of the one.
        about: the places of those that can be asked about.
        words: of each sentence of the document.

    Returns:
        Its place; None where no sentence a passage away shares a word that is rare in the document.
    """
    held = Counter(word for one in words for word in one)
    most = max(2, int(FEW * len(words)))
    shared = {
        at: sum(1 / held[word] for word in words[first] & words[at] if held[word] <= most)
        for at in about if abs(at - first) >= WINDOW
    }  # fmt: skip
    best = max(shared, key=lambda at: (shared[at], -at), default=None)
    return best if best is not None and shared[best] > 0 else None


def van_der_corput(number: int) -> float:
    """Term of van der Corput's sequence in base 2: 0, 1/2, 1/4, 3/4, 1/8, ..."""
    point, share = 0.0, 0.5
    while number:
        point += share * (number & 1)
        number, share = number >> 1, share / 2
    return point
