"""The `semantic` splitter: cuts where neighbouring sentences are least alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieval.chunking.blocks import Slice, count_all
from retrieval.chunking.sentences import find_sentences, sentence_windows
from retrieval.embedding.embedder import Vectors
from retrieval.tokens import EmbedderTokenizer

Distances = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

NEIGHBOURS = 3  # sentences compared on either side of a gap
# Distances that agree to this many decimals are ties: below that, they depend on how the sums were ordered.
DECIMALS = 6
_BATCH = 4096  # gaps compared at once


def gap_distances(vectors: Vectors, rows: Counts) -> Distances:
    """Distance at each gap between neighbouring sentences.

    It is the cosine distance between the mean of the three sentences before the gap and that of the three after it,
    fewer at the ends, rounded. A mean of length 0 is at distance 1 from everything.

    Args:
        vectors: shape (distinct sentences, dimensions), unit length.
        rows: shape (sentences,), the row of each sentence in `vectors`.

    Returns:
        Shape (sentences - 1,), from 0 to 2.
    """
    n_gaps = max(len(rows) - 1, 0)
    parts = [_batch(vectors, rows, at, min(at + _BATCH, n_gaps)) for at in range(0, n_gaps, _BATCH)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _batch(vectors: Vectors, rows: Counts, first: int, last: int) -> Distances:
    """Distances of the gaps from `first` up to but not including `last`; gap g is between sentences g and g + 1."""
    before, after = (np.zeros((last - first, vectors.shape[1])) for _ in range(2))
    gaps = np.arange(first, last)
    # Sums instead of means, as the cosine ignores length; added one by one, so that equal sentences give equal sums.
    for step in range(NEIGHBOURS):
        there = gaps - step >= 0
        before[there] += vectors[rows[gaps[there] - step]]
        there = gaps + 1 + step < len(rows)
        after[there] += vectors[rows[gaps[there] + 1 + step]]
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    products = np.einsum("gd,gd->g", before, after)
    cosines = np.divide(products, lengths, out=np.zeros(last - first), where=lengths > 0)
    distances: Distances = np.round(1 - np.clip(cosines, -1, 1), DECIMALS)
    return distances


def best_cut(distances: Distances, totals: Counts, first: int, last: int, least: int) -> int:
    """Where to cut a stretch of sentences in two.

    Args:
        distances: shape (sentences - 1,), from `gap_distances`.
        totals: shape (sentences + 1,), tokens before each sentence and, at the end, of all.
        first: the stretch's first sentence.
        last: the sentence after its last one; at least `first` + 2.
        least: tokens to leave on either side, if any gap allows it.

    Returns:
        The sentence to cut before: at the greatest distance; among ties the nearest to the middle, then the first.
    """
    gaps = np.arange(first + 1, last)
    left, right = totals[gaps] - totals[first], totals[last] - totals[gaps]
    wide = gaps[(left >= least) & (right >= least)]
    gaps = wide if len(wide) else gaps
    at_gaps = distances[gaps - 1]
    greatest = gaps[at_gaps == at_gaps.max()]
    off_middle = np.abs(2 * totals[greatest] - totals[first] - totals[last])
    return int(greatest[np.argmin(off_middle)])


Embed = Callable[[Sequence[str]], Vectors]


def semantic_slices(
    texts: Sequence[str], room: int, overlap: int, tokenizer: EmbedderTokenizer, embed: Embed,
    languages: Sequence[str],
) -> list[list[Slice]]:  # fmt: skip
    """Split texts where neighbouring sentences are least alike.

    The distance at a gap between two sentences is the cosine distance between the mean vectors of the three sentences
    before it and of the three after it. A stretch of sentences that does not fit in the size is cut at its greatest
    distance, then its parts in the same way, until each fits. A cut leaves at least a quarter of the size on either
    side if there is such a gap; of equal distances, the one nearest the middle is taken. A sentence longer than the
    size is cut into token windows; it is on its own, so it needs no vector. Before a piece, whole sentences of at most
    `overlap` tokens are repeated; room for them, up to half of the size, is left free when cutting.

    After Greg Kamradt's semantic chunking ("5 Levels of Text Splitting", level 4, 2024), which embeds each sentence
    together with its neighbours; comparing the blocks on both sides of a gap is Hearst's (TextTiling, Computational
    Linguistics 23(1), 1997). Both cut wherever the distance passes a threshold taken from the document (a
    percentile; a mean minus a deviation), so that a chunk can have any length. Here cutting is top-down: the size is a
    maximum and decides how many cuts there are. Means of sentence vectors stand in for the vector of the combined text,
    so that a sentence is embedded once for all sizes and overlaps.

    Args:
        texts: any texts.
        room: maximum tokens per slice, not counting special tokens.
        overlap: maximum tokens that a slice repeats from the one before.
        tokenizer: the embedder's.
        embed: embeds distinct texts of at most `room` tokens; called once, or not at all.
        languages: of each text, see `find_sentences`.

    Returns:
        For each text, its character slices (start, end), in order.
    """
    cutter = _Cutter(room, overlap, tokenizer)
    outlines = [list(cutter.runs(*one)) for one in zip(texts, languages, strict=True)]
    rows: dict[str, int] = {}  # row of each distinct sentence, where there is a choice to make
    for run in (run for runs in outlines for run in runs if run.fate == "cut"):
        for sentence in run.texts():
            rows.setdefault(sentence, len(rows))
    vectors = embed(list(rows)) if rows else np.zeros((0, 1), np.float32)
    return [[one for run in runs for one in cutter.slices(run, rows, vectors)] for runs in outlines]


class _Run(NamedTuple):
    """Neighbouring sentences that each fit in the size; or one that does not.

    Attributes:
        text: the whole text.
        sentences: the run's slices of it.
        totals: shape (sentences + 1,), tokens before each sentence and, at the end, of all.
        fate: the run stays whole, is cut between sentences, or is one sentence that is itself cut.
    """

    text: str
    sentences: list[Slice]
    totals: Counts
    fate: Literal["whole", "cut", "windows"]

    def texts(self) -> list[str]:
        return [self.text[start:end] for start, end in self.sentences]

    def span(self, first: int, last: int) -> Slice:
        return self.sentences[first][0], self.sentences[last - 1][1]

    def n_tokens(self, first: int, last: int) -> int:
        return int(self.totals[last] - self.totals[first])


@dataclass(frozen=True)
class _Cutter:
    """Cuts runs into pieces; a slice is a piece together with what it repeats."""

    room: int
    overlap: int
    tokenizer: EmbedderTokenizer

    @property
    def beside_overlap(self) -> int:
        """Maximum tokens of a piece that follows another."""
        return max(self.room - self.overlap, (self.room + 1) // 2)

    def runs(self, text: str, language: str) -> Iterator[_Run]:
        sentences = find_sentences(text, language)
        counts = count_all([text[start:end] for start, end in sentences], self.tokenizer)
        for fits, pairs in groupby(zip(sentences, counts, strict=True), lambda pair: pair[1] <= self.room):
            group = list(pairs)
            for part in [group] if fits else [[pair] for pair in group]:
                totals = np.array([0, *accumulate(count for _, count in part)], np.int64)
                run = _Run(text, [sentence for sentence, _ in part], totals, "cut" if fits else "windows")
                yield run._replace(fate="whole") if self._fits(run, 0, len(part)) else run

    def slices(self, run: _Run, rows: dict[str, int], vectors: Vectors) -> Iterator[Slice]:
        if run.fate == "windows":
            yield from sentence_windows(run.text, run.sentences[0], self.room, self.overlap, self.tokenizer)
        elif run.fate == "whole":
            yield run.span(0, len(run.sentences))
        else:
            before = 0  # first sentence of the previous piece
            for first, last in self._pieces(run, gap_distances(vectors, np.array([rows[one] for one in run.texts()]))):
                yield run.span(self._repeated_from(run, before, first, last), last)
                before = first

    def _pieces(self, run: _Run, distances: Distances) -> Iterator[Slice]:
        """Pieces (first sentence, the one after the last), in order."""
        stack = [(0, len(run.sentences))]
        while stack:
            first, last = stack.pop()
            if last == first + 1 or self._fits(run, first, last):
                yield first, last
            else:
                cut = best_cut(distances, run.totals, first, last, self.beside_overlap // 4)
                stack += [(cut, last), (first, cut)]

    def _fits(self, run: _Run, first: int, last: int) -> bool:
        room = self.beside_overlap if first else self.room  # nothing is repeated before the first piece
        return run.n_tokens(first, last) <= room and self._count(run, first, last) <= self.room

    def _repeated_from(self, run: _Run, before: int, first: int, last: int) -> int:
        """The sentence from which a piece repeats the previous piece, but never all of it."""
        space = min(self.overlap, self.room - run.n_tokens(first, last))
        back = first
        while back - 1 > before and run.n_tokens(back - 1, first) <= space:
            back -= 1
        while back < first and self._count(run, back, last) > self.room:
            back += 1
        return back

    def _count(self, run: _Run, first: int, last: int) -> int:
        """Tokens of a slice as one text; some tokenizers make more tokens of it than of its sentences one by one."""
        start, end = run.span(first, last)
        return self.tokenizer.count(run.text[start:end])
