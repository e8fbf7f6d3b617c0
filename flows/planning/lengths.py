"""How long documents are against the chunk sizes: where most documents are one chunk, the size cannot matter."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from corpora.errors import counted, listed
from retrieval.tokens import EmbedderTokenizer

CHARACTERS_A_TOKEN = 4.2  # of English prose, where there is no tokenizer to count
SPECIAL = 2  # that most embedders add to a text, where there is no tokenizer to ask
CUTS = 1.5  # a document of so many times a size is cut into chunks that are worth comparing
FEWEST = 4  # documents that are left after joining, or there is nothing to retrieve from
MOST_COUNTED = 1000  # documents, spread over the corpus


class Lengths(NamedTuple):
    """How long the documents of a corpus are, counted as chunk sizes are: special tokens included.

    Attributes:
        middle: the median.
        longest: the largest number.
        is_counted: whether a tokenizer was there to count; otherwise the numbers are estimates.
        n_documents: how many documents there are.
    """

    middle: int
    longest: int
    is_counted: bool
    n_documents: int

    @property
    def about(self) -> str:
        """What comes before a number of tokens."""
        return "" if self.is_counted else "about "


def measure_lengths(documents: pl.DataFrame, tokenizer: EmbedderTokenizer | None, most: int | None = None) -> Lengths:
    """How long documents are.

    Args:
        documents: frame of schema `DOCUMENTS`.
        tokenizer: the embedder's; None if it is not here.
        most: count no more documents than about so many, spread over all; by default all of them.
    """
    texts = documents["text"].gather_every(max(1, len(documents) // most) if most else 1)
    if tokenizer is None:
        tokens = [round(n / CHARACTERS_A_TOKEN) + SPECIAL for n in texts.str.len_chars()]
    else:
        tokens = [n + tokenizer.n_special for n in tokenizer.count_all(texts.to_list())]
    return Lengths(round(statistics.median(tokens)), max(tokens), tokenizer is not None, len(documents))


def say_too_long(sizes: Sequence[int], lengths: Lengths, stitch: int = 1) -> str:
    """That chunk sizes leave half of the documents whole, and what to do; empty if the sizes can matter.

    Args:
        sizes: the chunk sizes.
        lengths: of the documents.
        stitch: how many documents are joined into one already.
    """
    tried = sorted(set(sizes))
    whole = [size for size in tried if size >= lengths.middle]
    if len(whole) < min(2, len(tried)):
        return ""
    leave = "chunk size {} leaves" if len(whole) == 1 else "chunk sizes {} leave"
    return (
        f"half of the documents have at most {lengths.about}{counted(lengths.middle, 'token')}, so "
        f"{leave.format(listed([str(size) for size in whole], 'and'))} them whole, and the size cannot matter there: "
        f"use smaller sizes, or {_longer(tried[-1], lengths, stitch)}"
    )


def say_too_short(least: int, lengths: Lengths) -> str:
    """That documents are too short to compare chunk sizes on, and what to do; empty if they are long enough.

    Args:
        least: the second smallest size that is worth trying.
        lengths: of the documents.
    """
    if lengths.middle >= CUTS * least:
        return ""
    return (
        f"the documents are too short to compare chunk sizes, as half of them have at most {lengths.about}"
        f"{counted(lengths.middle, 'token')}: {_longer(4 * least, lengths, 1)}"
    )


def _longer(size: int, lengths: Lengths, stitch: int) -> str:
    """How to make documents so long that a size cuts them."""
    factor = min(math.ceil(CUTS * size / max(1, lengths.middle)), lengths.n_documents // FEWEST)
    if factor < 2:  # nothing is left to join
        return "use longer documents"
    return f"set `stitch = {stitch * factor}` in [corpus], which joins every {stitch * factor} documents into one"
