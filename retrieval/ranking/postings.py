"""An inverted index in arrays: for each word the chunks that have it, and what it adds to their scores there.

It is built from one block of texts at a time, so that only the arrays grow with the corpus: 12 bytes for each distinct
word of each chunk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from retrieval.ranking.hits import Integers, Scores

K1, B = 1.5, 0.75
# Words of letters, marks, digits and underscores; Han and Hiragana by character, as they have no spaces.
# This is what Lucene's standard tokenizer does with them. Thai, Lao, Khmer and Burmese remain whole phrases.
WORD = r"[\p{Han}\p{Hiragana}]|[\w--\p{Han}--\p{Hiragana}]+"
TEXTS_A_BLOCK = 32_768

Small = npt.NDArray[np.int32]


def words_of(texts: pl.Series) -> pl.Series:
    """Lower-case words of texts in any script, after compatibility composition (NFKC); no stop words, no stemming.

    Neither of the two suits every language, and BM25 gives frequent words little weight anyway.
    """
    return texts.str.to_lowercase().str.normalize("NFKC").str.extract_all(WORD)


def tokenize(texts: Sequence[str]) -> list[list[str]]:
    """As `words_of`, as lists."""
    return words_of(pl.Series(texts, dtype=pl.String())).to_list()


class _Counted(NamedTuple):
    """How often words occur in the chunks of a block; sorted by word, then by chunk."""

    words: Small
    chunks: Small
    counts: Small


class Postings:
    """BM25's part of each word in the score of each chunk that has it, as Lucene defines it.

    Args:
        texts: of the chunks, in their order.

    Attributes:
        vocabulary: number of each word.
        frequencies: shape (words,); how many chunks have each word.
        starts: shape (words + 1,); the chunks of word w are those from `starts[w]` up to `starts[w + 1]`.
        chunks: the chunks that have a word, in ascending order.
        scores: what the word adds to the score of each.
        most: shape (words,); the most that a word adds to the score of any chunk.
    """

    def __init__(self, texts: pl.Series) -> None:
        self.vocabulary: dict[str, int] = {}
        lengths = np.zeros(len(texts), np.int64)
        blocks = list(self._count(texts, lengths))
        n_words = len(self.vocabulary)
        self.frequencies: Integers = np.zeros(n_words, np.int64)
        for block in blocks:
            self.frequencies += np.bincount(block.words, minlength=n_words)
        self.starts: Integers = np.concatenate([[0], np.cumsum(self.frequencies)]).astype(np.int64)
        self.chunks: Small = np.empty(self.starts[-1], np.int32)
        self.scores: Scores = np.empty(self.starts[-1], np.float64)
        self._fill(blocks, lengths)
        filled = self.starts[:-1]
        self.most: Scores = np.maximum.reduceat(self.scores, filled) if len(filled) else np.zeros(0)

    def of(self, word: int) -> tuple[Small, Scores]:
        """The chunks that have a word, and what it adds to the score of each."""
        part = slice(self.starts[word], self.starts[word + 1])
        return self.chunks[part], self.scores[part]

    def known(self, words: Sequence[str]) -> list[int]:
        """The numbers of those words that some chunk has, repeated ones too."""
        return [self.vocabulary[word] for word in words if word in self.vocabulary]

    def _count(self, texts: pl.Series, lengths: Integers) -> Iterator[_Counted]:
        """Count block by block; fills in the chunks' lengths in words, and the vocabulary."""
        for at in range(0, len(texts), TEXTS_A_BLOCK):
            words = words_of(texts[at : at + TEXTS_A_BLOCK])
            lengths[at : at + TEXTS_A_BLOCK] = words.list.len().to_numpy()
            frame = pl.DataFrame({"word": words, "chunk": np.arange(at, at + len(words), dtype=np.int32)})
            counted = frame.explode("word").drop_nulls().group_by("word", "chunk").len("count")
            distinct = counted["word"].unique().sort()
            numbers = [self.vocabulary.setdefault(word, len(self.vocabulary)) for word in distinct]
            known = pl.DataFrame({"word": distinct, "number": pl.Series(numbers, dtype=pl.Int32())})
            numbered = counted.join(known, on="word").select("number", "chunk", pl.col("count").cast(pl.Int32()))
            yield _Counted(*(column.to_numpy() for column in numbered.sort("number", "chunk")))

    def _fill(self, blocks: list[_Counted], lengths: Integers) -> None:
        """Put the postings of all blocks behind one another, word by word, and score them; empties the list."""
        n_chunks, mean = len(lengths), lengths.mean() if len(lengths) else 0.0
        idf = np.array([math.log(1 + (n_chunks - df + 0.5) / (df + 0.5)) for df in self.frequencies.tolist()])
        free = self.starts[:-1].copy()
        while blocks:
            block = blocks.pop(0)
            words, firsts, counts = np.unique(block.words, return_index=True, return_counts=True)
            # A word's postings lie together in the block, and go together to where the word's next ones belong.
            places = np.arange(len(block.words)) + np.repeat(free[words] - firsts, counts)
            free[words] += counts
            self.chunks[places] = block.chunks
            n = block.counts.astype(np.float64)
            self.scores[places] = idf[block.words] * (n / (K1 * ((1 - B) + B * lengths[block.chunks] / mean) + n))
