"""Lexical retrieval: BM25 with bm25s, ties broken by chunk id."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import polars as pl

from retrieval.ranking.hits import Ranking, Scores, blocks, empty_ranking, top_chunks

K1, B = 1.5, 0.75
# Words of letters, marks, digits and underscores; Han and Hiragana by character, as they have no spaces.
# This is what Lucene's standard tokenizer does with them. Thai, Lao, Khmer and Burmese remain whole phrases.
WORD = r"[\p{Han}\p{Hiragana}]|[\w--\p{Han}--\p{Hiragana}]+"


def tokenize(texts: Sequence[str]) -> list[list[str]]:
    """Lower-case words of texts in any script, after compatibility composition (NFKC); no stop words, no stemming.

    Neither of the two suits every language, and BM25 gives frequent words little weight anyway.
    """
    texts_normal = pl.Series(texts, dtype=pl.String()).str.to_lowercase().str.normalize("NFKC")
    return texts_normal.str.extract_all(WORD).to_list()


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
        chunks: sorted by chunk_id; rankings number them in this order.
    """

    def __init__(self, chunks: pl.DataFrame) -> None:
        # Imported here: it loads much of SciPy, and an experiment is checked and planned without.
        import bm25s

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it logs every index that it builds
        self.chunks = chunks.sort("chunk_id")
        tokens = tokenize(self.chunks["text"].to_list())
        words = sorted(set().union(*tokens))
        self._vocabulary = {word: number for number, word in enumerate(words)}
        self._index = bm25s.BM25(k1=K1, b=B, method="lucene", dtype="float64")
        if words:
            numbers = [[self._vocabulary[word] for word in one] for one in tokens]
            self._index.index((numbers, self._vocabulary), create_empty_token=False, show_progress=False)

    def top(self, texts: Sequence[str], depth: int) -> Ranking:
        """Rank the chunks for each question; those that share no token with it score 0, in the order of their ids.

        Args:
            texts: questions in the user's words.
            depth: how many chunks, at least 1; all of them if there are fewer.
        """
        ranking = empty_ranking(len(texts), min(depth, len(self.chunks)))
        for some in blocks(np.arange(len(texts)), len(self.chunks)):
            scores = self.scores([texts[at] for at in some])
            ranking.chunks[some], ranking.scores[some] = top_chunks(scores, ranking.chunks.shape[1])
        return ranking

    def scores(self, texts: Sequence[str]) -> Scores:
        """The score of every question and chunk: shape (questions, chunks), chunks in the order of their ids."""
        scores = np.zeros((len(texts), len(self.chunks)))
        for row, tokens in zip(scores, tokenize(texts), strict=True):
            known = [self._vocabulary[token] for token in tokens if token in self._vocabulary]
            if known:
                row[:] = self._index.get_scores_from_ids(known)
        return scores
