"""Splitters: a document's text into chunks, always as exact slices of it.

Sizes and overlaps are counted in the embedder's tokens. A size is what the embedder reads, its special tokens ([CLS]
and [SEP]) included, so that size 256 just fits an embedder that stops at 256.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Literal, NamedTuple

import sentencex
from semantic_text_splitter import TextSplitter

from corpora.errors import InputError
from retrieval.tokens import EmbedderTokenizer, TokenSpans

Splitter = Literal["tokens", "sentences", "recursive"]
Slice = tuple[int, int]


class Chunking(NamedTuple):
    """How documents are split: a splitter with a size and an overlap, in the embedder's tokens."""

    splitter: Splitter
    size: int
    overlap: int

    @property
    def name(self) -> str:
        """Name with its parameters, as in `tokens(size=64,overlap=0)`."""
        return f"{self.splitter}(size={self.size},overlap={self.overlap})"


def check_chunking(chunking: Chunking, limit: int, n_special: int) -> None:
    """Refuse sizes that the embedder would cut short or that leave no room.

    Args:
        chunking: the splitter with its size and overlap.
        limit: most tokens that the embedder reads, special tokens included.
        n_special: how many of them are special.

    Raises:
        InputError: with the numbers.
    """
    if chunking.size > limit:
        raise InputError(
            f"chunk size {chunking.size}",
            f"at most {limit}, where this embedder stops reading (special tokens included)",
            "choose smaller sizes or an embedder with a longer window",
        )
    if chunking.size <= n_special:
        raise InputError(
            f"chunk size {chunking.size}",
            f"more than {n_special}, the embedder's special tokens",
            "choose a larger size",
        )
    if not 0 <= chunking.overlap < chunking.size - n_special:
        raise InputError(
            f"overlap {chunking.overlap} with chunk size {chunking.size}",
            f"0 <= overlap < {chunking.size - n_special} (the size without {n_special} special tokens)",
            "lower the overlap or raise the size",
        )


def split_text(text: str, chunking: Chunking, tokenizer: EmbedderTokenizer) -> list[Slice]:
    """Split a text.

    Returns:
        Character slices (start, end), in order, not empty, each of at most `size` tokens with the special ones.
    """
    room = chunking.size - tokenizer.n_special
    split: Callable[[str, int, int, EmbedderTokenizer], Iterator[Slice]] = {
        "tokens": _token_windows,
        "sentences": _packed_sentences,
        "recursive": _recursive,
    }[chunking.splitter]
    return list(split(text, room, chunking.overlap, tokenizer))


def _token_windows(text: str, room: int, overlap: int, tokenizer: EmbedderTokenizer) -> Iterator[Slice]:
    """Windows of as many tokens as fit, cut between words where a word is shorter than the window."""
    spans = tokenizer.spans(text)
    n_tokens = len(spans.starts)
    first = shown = 0  # tokens before `shown` are in an earlier window
    while shown < n_tokens:
        last = min(first + room, n_tokens)
        if last < n_tokens:
            last = _word_start(spans.words, last, shown)
        # A slice within a word may tokenize into more pieces than it had in place: drop new tokens, then repeated ones.
        while tokenizer.count(text[spans.starts[first] : spans.ends[last - 1]]) > room:
            if last > shown + 1:
                last -= 1
            elif first < shown:
                first += 1
            else:
                break
        while last < n_tokens and spans.starts[last] < spans.ends[last - 1]:
            last += 1  # one character of several tokens is not torn apart
        start = spans.starts[first] if first else len(text) - len(text.lstrip())
        # Up to the next token: what makes no token (a combining mark) stays with what it belongs to.
        shown_text = text[start : spans.starts[last] if last < n_tokens else None]
        yield start, start + len(shown_text.rstrip())
        first, shown = _repeated_from(spans, first, last, overlap), last


def _repeated_from(spans: TokenSpans, first: int, last: int, overlap: int) -> int:
    """Where the next window starts: at most `overlap` tokens back, at a word where there is one."""
    earliest = max(last - overlap, first + 1)
    for place in range(earliest, last):
        if spans.words[place] is None or spans.words[place] != spans.words[place - 1]:
            return place
    while 0 < earliest < last and spans.starts[earliest] < spans.ends[earliest - 1]:
        earliest += 1  # not within a character
    return earliest


def _word_start(words: list[int | None], at: int, above: int) -> int:
    """The last place not after `at` where a word starts; `at` itself when there is none after `above`."""
    place = at
    while place > above and words[place] is not None and words[place] == words[place - 1]:
        place -= 1
    return place if place > above else at


def _packed_sentences(text: str, room: int, overlap: int, tokenizer: EmbedderTokenizer) -> Iterator[Slice]:
    """Whole sentences, as many as fit; a sentence that does not fit alone is cut into token windows."""
    sentences = _sentences(text)
    counts = tokenizer.count_all([text[start:end] for start, end in sentences])
    first = 0
    while first < len(sentences):
        last, total = first, 0
        while last < len(sentences) and total + counts[last] <= room:
            total += counts[last]
            last += 1
        if last == first:
            start, end = sentences[first]
            for inner_start, inner_end in _token_windows(text[start:end], room, overlap, tokenizer):
                yield start + inner_start, start + inner_end
            first += 1
            continue
        while last > first + 1 and tokenizer.count(text[sentences[first][0] : sentences[last - 1][1]]) > room:
            last -= 1
        yield sentences[first][0], sentences[last - 1][1]
        if last == len(sentences):
            return
        back, kept = last, 0
        while back - 1 > first and kept + counts[back - 1] <= overlap:
            back -= 1
            kept += counts[back]
        # The repeated sentences must leave room for a new one, or nothing would be gained.
        while back < last and kept + counts[last] > room:
            kept -= counts[back]
            back += 1
        first = back


def _sentences(text: str) -> list[Slice]:
    """Sentences as slices without surrounding white space, none empty."""
    slices = []
    for boundary in sentencex.get_sentence_boundaries("en", text):
        start, end = boundary["start_index"], boundary["end_index"]
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        end = start + len(piece.strip())
        if start < end:
            slices.append((start, end))
    return slices


def _recursive(text: str, room: int, overlap: int, tokenizer: EmbedderTokenizer) -> Iterator[Slice]:
    """Largest structural units that fit: paragraphs, then sentences, words, characters."""
    for start, chunk in _recursive_splitter(tokenizer, room, overlap).chunk_indices(text):
        yield start, start + len(chunk)


@cache  # building one copies the tokenizer, which takes longer than splitting an abstract
def _recursive_splitter(tokenizer: EmbedderTokenizer, room: int, overlap: int) -> TextSplitter:
    return TextSplitter.from_huggingface_tokenizer(tokenizer.raw, room, overlap=overlap)
