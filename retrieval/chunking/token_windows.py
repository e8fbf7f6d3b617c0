"""The `tokens` splitter: windows of as many tokens as fit."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

import regex

from retrieval.chunking.blocks import Slice, blocks
from retrieval.tokens import EmbedderTokenizer

_CLUSTER, _SPACE = regex.compile(r"\X"), regex.compile(r"\s")
_FIRST_MARK = "\u0300"  # below it, every character stands by itself
_LONGEST = 64  # characters in which to look for where a cluster begins


class _Places(NamedTuple):
    """Where the tokens of a text are: first character, character after the last, and whether a word starts there."""

    starts: array[int]
    ends: array[int]
    opens: array[int]


def token_windows(text: str, room: int, overlap: int, tokenizer: EmbedderTokenizer) -> Iterator[Slice]:
    """Windows of as many tokens as fit, cut between words where a word is shorter than the window.

    Args:
        text: any text.
        room: maximum tokens per window, not counting special tokens.
        overlap: maximum tokens that a window repeats from the one before.
        tokenizer: the embedder's.

    Returns:
        Character slices (start, end), in order.
    """
    places = _places(text, tokenizer)
    n_tokens = len(places.starts)
    first = shown = 0  # tokens before `shown` are in an earlier window
    while shown < n_tokens:
        last = min(first + room, n_tokens)
        if last < n_tokens:
            last = _word_start(places.opens, last, shown)
        # A slice that cuts a word may have more tokens than it had in the text: drop new tokens, then repeated ones.
        cuts_no_word = places.opens[first] and (last == n_tokens or places.opens[last])
        is_sure = cuts_no_word and tokenizer.reads_words_alone
        while not is_sure and tokenizer.count(text[places.starts[first] : places.ends[last - 1]]) > room:
            if last > shown + 1:
                last -= 1
            elif first < shown:
                first += 1
            else:
                break
        while last < n_tokens and places.starts[last] < places.ends[last - 1]:
            last += 1  # a character made of several tokens is not split
        whole = _before_character(text, places, last, shown)
        if whole < last and tokenizer.count(text[places.starts[first] : places.ends[whole - 1]]) <= room:
            last = whole
        start = places.starts[first] if first else len(text) - len(text.lstrip())
        # Up to the next token: a character without a token (a combining mark) stays with the one it belongs to.
        shown_text = text[start : places.starts[last] if last < n_tokens else None]
        yield start, start + len(shown_text.rstrip())
        first, shown = _repeated_from(text, places, first, last, overlap), last


def _places(text: str, tokenizer: EmbedderTokenizer) -> _Places:
    """The tokens of a text, read block by block: ten million of them as Python objects would take gigabytes."""
    places = _Places(array("q"), array("q"), array("b"))
    for start, end in blocks(text):
        spans = tokenizer.spans(text[start:end])
        places.starts.extend(start + at for at in spans.starts)
        places.ends.extend(start + at for at in spans.ends)
        before = [None, *spans.words]
        places.opens.extend(word is None or word != last for last, word in zip(before, spans.words, strict=False))
    return places


def _repeated_from(text: str, places: _Places, first: int, last: int, overlap: int) -> int:
    """Where the next window starts: at most `overlap` tokens back, at the start of a word if possible."""
    earliest = max(last - overlap, first + 1)
    for place in range(earliest, last):
        if places.opens[place]:
            return place
    while 0 < earliest < last and _is_inside(text, places, earliest):
        earliest += 1
    return earliest


def _before_character(text: str, places: _Places, at: int, above: int) -> int:
    """The last place up to `at` that is not inside a character as readers see it; `at` if there is none after `above`.

    Such a character, a grapheme cluster, may be many: a letter with its marks, a Hindi syllable, a family of emoji.
    """
    if at == len(places.starts):
        return at
    place = at
    while place > above and _is_inside(text, places, place):
        place -= 1
    return place if place > above else at


def _is_inside(text: str, places: _Places, place: int) -> bool:
    """Whether a token starts inside a grapheme cluster that the token before it has begun."""
    at = places.starts[place]
    if at < places.ends[place - 1]:
        return True
    if max(text[at - 1], text[at]) < _FIRST_MARK:
        return False
    spaces = [found.start() for found in _SPACE.finditer(text, max(0, at - _LONGEST), at)]
    start = spaces[-1] if spaces else max(0, at - _LONGEST)
    return any(found.start() < at < found.end() for found in _CLUSTER.finditer(text, start, at + 1))


def _word_start(opens: array[int], at: int, above: int) -> int:
    """The last place up to `at` where a word starts; `at` itself if there is none after `above`."""
    place = at
    while place > above and not opens[place]:
        place -= 1
    return place if place > above else at
