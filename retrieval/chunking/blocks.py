"""Blocks: a long text in parts, so that tokenizing it takes memory for one part, not for all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from retrieval.tokens import EmbedderTokenizer

Slice = tuple[int, int]

# A tokenizer uses about 500 bytes per token while it works, and a character is at most a few tokens.
BLOCK = 1_000_000
# Where words end for every tokenizer in use: before white space, or else before what is neither a letter nor a digit.
_PLACES = (re.compile(r"\s"), re.compile(r"[^\w\s]"))


def blocks(text: str) -> Iterator[Slice]:
    """Blocks of at most `BLOCK` characters that cover a text, cut between words.

    Only a run of letters longer than half a block is itself cut.

    Returns:
        Character slices (start, end), each starting where the one before ends.
    """
    start = 0
    while len(text) - start > BLOCK:
        end = _cut(text, start + BLOCK // 2, start + BLOCK)
        yield start, end
        start = end
    yield start, len(text)


def _cut(text: str, earliest: int, latest: int) -> int:
    for place in _PLACES:
        last = max((match.start() for match in place.finditer(text, earliest, latest)), default=0)
        if last:
            return last
    return latest


def count_all(texts: Sequence[str], tokenizer: EmbedderTokenizer) -> list[int]:
    """Number of tokens in each text, not counting special tokens, with at most a few blocks in memory."""
    counts: list[int] = []
    batch: list[str] = []
    size = 0
    for text in texts:
        if size + len(text) > BLOCK:
            counts += tokenizer.count_all(batch)
            batch, size = [], 0
        if len(text) > BLOCK:
            counts.append(sum(tokenizer.count(text[start:end]) for start, end in blocks(text)))
        else:
            batch.append(text)
            size += len(text)
    return counts + tokenizer.count_all(batch)
