"""All tokens of several documents on one axis, so that the tokens of thousands of ranges are counted without a loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from corpora.schema import Corpus
from retrieval.tokens import EmbedderTokenizer

Integers: TypeAlias = npt.NDArray[np.int64]


class Intervals(NamedTuple):
    """Half-open intervals of integers; both arrays have shape (intervals,)."""

    starts: Integers
    ends: Integers


def union(*parts: Intervals) -> Intervals:
    """The integers in any of the intervals, as disjoint intervals in ascending order; empty ones vanish."""
    starts, ends = (np.concatenate(one) for one in zip(*parts, strict=True))
    order = np.argsort(starts[starts < ends], kind="stable")
    starts, ends = starts[starts < ends][order], ends[starts < ends][order]
    reach = np.maximum.accumulate(ends)
    opens = np.ones(len(starts), dtype=bool)
    opens[1:] = starts[1:] > reach[:-1]
    closes = np.append(opens[1:], True)[: len(starts)]
    return Intervals(starts[opens], reach[closes])


def apart(intervals: Intervals) -> Intervals:
    """The intervals with those joined that share an integer; what only touches stays apart, and empty ones vanish.

    Two passages can touch although they are apart: in documents that stand one after another on the axis.
    """
    filled = intervals.starts < intervals.ends
    # At twice the scale, with each end one short, there is a gap where two intervals touch.
    joined = union(Intervals(2 * intervals.starts[filled], 2 * intervals.ends[filled] - 1))
    return Intervals(joined.starts // 2, (joined.ends + 1) // 2)


def count_shared(intervals: Intervals, within: Intervals) -> Integers:
    """How many integers of each interval are in `within`, which is a `union`."""
    before = np.concatenate([[0], np.cumsum(within.ends - within.starts)]).astype(np.int64)

    def below(limits: Integers) -> Integers:
        """How many integers of `within` are below each limit."""
        opened = np.searchsorted(within.starts, limits)
        last = np.maximum(opened - 1, 0)
        beyond = np.where(opened > 0, np.maximum(within.ends[last] - limits, 0), 0) if len(within.ends) else 0
        return np.asarray(before[opened] - beyond, dtype=np.int64)

    return below(intervals.ends) - below(intervals.starts)


class TokenAxis:
    """Lays out documents one after another, as they are asked for: their characters, and their tokens.

    Args:
        corpus: gives the texts.
        tokenizer: the embedder's.
        same: documents that share another one's place, by their id: `first_of_same_text`, or empty.
    """

    def __init__(self, corpus: Corpus, tokenizer: EmbedderTokenizer, same: Mapping[str, str]) -> None:
        self._texts, self._tokenizer, self._same = corpus.texts, tokenizer, same
        self.offsets: dict[str, int] = {}
        self.tokens = Intervals(np.empty(0, np.int64), np.empty(0, np.int64))
        self._length = 0

    def add(self, document_ids: Iterable[str]) -> None:
        """Lay out the documents that are new; `offsets` then gives each one's first character on the axis.

        Raises:
            KeyError: the corpus has no such document.
        """
        starts, ends = [self.tokens.starts], [self.tokens.ends]
        for document_id in document_ids:
            first = self._same.get(document_id, document_id)
            if first not in self.offsets:
                spans = self._tokenizer.spans(self._texts[first])
                starts.append(np.array(spans.starts, np.int64) + self._length)
                ends.append(np.array(spans.ends, np.int64) + self._length)
                self.offsets[first] = self._length
                self._length += len(self._texts[first]) + 1  # apart: the end of one is not the start of the next
            self.offsets[document_id] = self.offsets[first]
        if len(starts) > 1:
            self.tokens = Intervals(np.concatenate(starts), np.concatenate(ends))

    def locate(self, characters: Intervals) -> Intervals:
        """Numbers of the tokens that overlap each range of characters of the axis by at least one character."""
        firsts = np.searchsorted(self.tokens.ends, characters.starts, side="right")
        return Intervals(firsts, np.maximum(np.searchsorted(self.tokens.starts, characters.ends), firsts))
