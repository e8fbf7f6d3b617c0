"""Lexical retrieval: BM25, ties broken by chunk id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from retrieval.ranking.hits import (
    DECIMALS,
    Ranking,
    Scores,
    blocks,
    empty_ranking,
    first_keys,
    read_keys,
    sort_keys,
    top_chunks,
)
from retrieval.ranking.postings import Postings, Small, tokenize

__all__ = ["BM25Index", "tokenize"]

QUESTIONS_A_BLOCK = 64  # whose words are held at once
SHARE = 32  # to find more than one chunk in this many, all are scored
MARGIN = 2 * 10**-DECIMALS  # between scores that differ for certain, however they are summed and rounded


class BM25Index:
    """Chunks of one chunking, scored by BM25 as Lucene defines it, with k1 = 1.5 and b = .75.

    The score of a chunk is the sum over the question's tokens t (repeated ones count again) of
    ln(1 + (N - df + .5) / (df + .5)) * tf / (tf + k1 * (1 - b + b * length / mean length)), where N is the number of
    chunks, df the number of those with t, tf how often the chunk has t, and lengths are in tokens. Lucene rounds
    lengths, which is not done here: this is the variant "Lucene (accurate)" of Kamphuis et al., "Which BM25 do you
    mean?", ECIR 2020.

    Args:
        chunks: frame of schema `CHUNKS` with texts.

    Attributes:
        chunks: chunking and chunk_id, sorted by chunk_id; rankings number the chunks in this order.
    """

    def __init__(self, chunks: pl.DataFrame) -> None:
        in_order = chunks.select("chunking", "chunk_id", "text").sort("chunk_id")
        self.chunks = in_order.drop("text")
        self._postings = Postings(in_order["text"])
        self._partial = np.zeros(len(self.chunks))  # all 0 between questions

    def top(self, texts: Sequence[str], depth: int) -> Ranking:
        """Rank the chunks for each question; those that share no token with it score 0, in the order of their ids.

        Args:
            texts: questions in the user's words.
            depth: how many chunks, at least 1; all of them if there are fewer.
        """
        depth = min(depth, len(self.chunks))
        ranking, left = empty_ranking(len(texts), depth), np.ones(len(texts), dtype=bool)
        if SHARE * depth <= len(self.chunks):
            for first in range(0, len(texts), QUESTIONS_A_BLOCK):
                for at, words in enumerate(self._known(texts[first : first + QUESTIONS_A_BLOCK]), first):
                    best = self._best(words, depth)
                    if best is not None:
                        ranking.chunks[at], ranking.scores[at], left[at] = best.chunks[0], best.scores[0], False
        for some in blocks(np.flatnonzero(left), len(self.chunks)):
            scores = self.scores([texts[at] for at in some])
            ranking.chunks[some], ranking.scores[some] = top_chunks(scores, depth)
        return ranking

    def scores(self, texts: Sequence[str]) -> Scores:
        """The score of every question and chunk: shape (questions, chunks), chunks in the order of their ids."""
        scores = np.zeros((len(texts), len(self.chunks)))
        for row, words in zip(scores, self._known(texts), strict=True):
            for word in words:
                chunks, added = self._postings.of(word)
                np.add.at(row, chunks, added)  # much faster than row[chunks] += added
        return scores

    def _known(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._postings.known(words) for words in tokenize(texts)]

    def _best(self, words: list[int], depth: int) -> Ranking | None:
        """The best chunks for a question's words, without scoring all: MaxScore (Turtle and Flood 1995).

        Words are looked up from the rarest on. Once the words that are left cannot lift a chunk that has none of those
        looked up to the last rank, only chunks seen so far can be ranked, and they are dropped as soon as the words
        that are left cannot lift them to it.

        Returns:
            One row; None if fewer than `depth` chunks have any of the words.
        """
        distinct, times = np.unique(np.array(words, np.int64), return_counts=True)
        rarest = np.argsort(self._postings.frequencies[distinct], kind="stable")
        terms = [(int(distinct[at]), int(times[at])) for at in rarest]
        most = [n * float(self._postings.most[word]) for word, n in terms]
        left = [*np.cumsum(most[::-1])[::-1].tolist()[1:], 0.0]  # what the words after each can still add
        for n_looked_up, seen, partial in self._widening(terms):
            if len(seen) < depth:
                continue
            last = _last(partial, depth)
            if last > left[n_looked_up - 1] + MARGIN:
                can = partial + left[n_looked_up - 1] > last - MARGIN
                in_order = np.argsort(seen[can])
                seen, partial = seen[can][in_order], partial[can][in_order]
                for (word, n), after in zip(terms[n_looked_up:], left[n_looked_up:], strict=True):
                    partial += n * self._added(word, seen)
                    can = partial + after > _last(partial, depth) - MARGIN
                    seen, partial = seen[can], partial[can]
                return self._rank(words, seen, depth)
        return None

    def _widening(self, terms: list[tuple[int, int]]) -> Iterator[tuple[int, Small, Scores]]:
        """After each term: how many were looked up, the chunks that have any of them, and their scores so far."""
        seen: Small = np.zeros(0, np.int32)
        try:
            for at, (word, n) in enumerate(terms, 1):
                chunks, added = self._postings.of(word)
                seen = np.concatenate([seen, chunks[self._partial[chunks] == 0]])
                np.add.at(self._partial, chunks, n * added)
                yield at, seen, self._partial[seen]
        finally:
            self._partial[seen] = 0.0

    def _rank(self, words: list[int], chunks: Small, depth: int) -> Ranking:
        """Rank some chunks, in ascending order; each score is summed in the order of the question's words."""
        scores = np.zeros(len(chunks))
        for word in words:
            scores += self._added(word, chunks)
        keys = sort_keys(scores[None, :], chunks.astype(np.int64), len(self.chunks))
        return read_keys(first_keys(keys, depth), len(self.chunks))

    def _added(self, word: int, chunks: Small) -> Scores:
        """What a word adds to the scores of some chunks, in ascending order; 0 where they do not have it."""
        of_word, added = self._postings.of(word)
        places = np.minimum(np.searchsorted(of_word, chunks), len(of_word) - 1)
        return np.where(of_word[places] == chunks, added[places], 0.0)


def _last(scores: Scores, depth: int) -> float:
    """The score at the last rank."""
    return -float(np.partition(-scores, depth - 1)[depth - 1])
