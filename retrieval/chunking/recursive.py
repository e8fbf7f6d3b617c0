"""The `recursive` splitter: the largest structural units that fit."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Protocol

from semantic_text_splitter import TextSplitter

from retrieval.chunking.blocks import Slice
from retrieval.tokens import EmbedderTokenizer

_LONG = 20_000  # characters; longer texts are split in windows
_BLANK_LINES = 100  # with more of them in a row, what follows is split separately
_SHORTEST = 2_000  # characters in a window
_CHARACTERS_A_TOKEN = 32  # in a window, per token of the size: a chunk fills about an eighth of it
_SPACE = re.compile(r"\s+")


class _Library(Protocol):
    """A splitter of the library, for plain text or for Markdown."""

    def chunk_indices(self, text: str) -> list[tuple[int, str]]: ...


def recursive(text: str, room: int, overlap: int, tokenizer: EmbedderTokenizer) -> Iterator[Slice]:
    """Largest structural units that fit: paragraphs, then sentences, words, characters.

    For each chunk, the library tokenizes everything up to the next boundary of each kind. Where one is far away
    (Chinese without spaces, a single blank line at the end), its time grows with the square of the length, so a long
    text is split in windows. The text before a chunk decides only where the chunk starts, and the text after it matters
    only as far as it could fit into the chunk. So a window's last chunks are dropped, and the next window starts with
    the last chunk that was kept. The slices are the ones that the library makes of the whole text, with one exception:
    no slice reaches across more than a hundred blank lines in a row, where its time grows in the same way.

    Args:
        text: any text.
        room: maximum tokens per slice, not counting special tokens.
        overlap: maximum tokens that a slice repeats from the one before.
        tokenizer: the embedder's.

    Returns:
        Character slices (start, end), in order.
    """
    splitter = _splitter(tokenizer, room, overlap)
    for part_start, part_end in without_long_gaps(text, 0, len(text)):
        for start, end in in_windows(text[part_start:part_end], room, splitter, tokenizer):
            yield part_start + start, part_start + end


def without_long_gaps(text: str, start: int, end: int) -> Iterator[Slice]:
    """The stretch between runs of blank lines too long for the library; nearly always the whole stretch."""
    if text.count("\n", start, end) + text.count("\r", start, end) > _BLANK_LINES:
        for space in _SPACE.finditer(text, start, end):
            if space.group().count("\n") + space.group().count("\r") > _BLANK_LINES:
                yield start, space.start()
                start = space.end()
    yield start, end


def in_windows(
    text: str, room: int, splitter: _Library, tokenizer: EmbedderTokenizer, whole: Sequence[Slice] = ()
) -> Iterator[Slice]:
    """The library's slices of a text, computed window by window.

    Args:
        text: any text.
        room: maximum tokens per slice, not counting special tokens.
        splitter: the library's.
        tokenizer: the embedder's.
        whole: stretches in which no window may start, because what follows would be read otherwise; in order.

    Returns:
        Character slices (start, end), in order.
    """
    start = 0
    last: Slice | None = None
    while True:
        found, is_rest = _window(text, start, room, splitter, tokenizer, whole)
        if last is not None and found[0] != last:
            start, last = last[1], None  # this chunk would have come out differently: continue after it
            continue
        yield from found if last is None else found[1:]
        if is_rest:
            return
        last = found[-1]
        start = last[0]


def _window(
    text: str, start: int, room: int, splitter: _Library, tokenizer: EmbedderTokenizer, whole: Sequence[Slice]
) -> tuple[list[Slice], bool]:
    """The next chunks of a text, at least two or all that are left, and whether they are all that are left."""
    width = max(_SHORTEST, _CHARACTERS_A_TOKEN * room)
    while len(text) - start > max(_LONG, width):
        end = start + width
        dropped = end - width // 4
        # After the last chunk kept there is more text than fits into one, as there is in the whole text.
        if tokenizer.count(text[dropped:end]) > room:
            found = [one for one in _split(text, start, end, splitter) if one[0] < dropped]
            while len(found) > 1 and _is_inside(found[-1][0], whole):
                found.pop()
            if len(found) > 1:
                return found, False
        width *= 2
    return _split(text, start, len(text), splitter), True


def _is_inside(at: int, stretches: Sequence[Slice]) -> bool:
    before = bisect_left(stretches, (at, 0)) - 1
    return before >= 0 and at < stretches[before][1]


def _split(text: str, start: int, end: int, splitter: _Library) -> list[Slice]:
    return [(start + at, start + at + len(chunk)) for at, chunk in splitter.chunk_indices(text[start:end])]


@cache  # building one copies the tokenizer, which takes longer than splitting an abstract
def _splitter(tokenizer: EmbedderTokenizer, room: int, overlap: int) -> TextSplitter:
    return TextSplitter.from_huggingface_tokenizer(tokenizer.raw, room, overlap=overlap)
