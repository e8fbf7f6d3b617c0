"""Sentences of a text, and the `sentences` splitter that packs them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sentencex

from retrieval.chunking.blocks import Slice, blocks, count_all
from retrieval.chunking.token_windows import token_windows
from retrieval.tokens import EmbedderTokenizer

ENGLISH = "en"
# Where a non-ASCII space, such as a no-break space, separates an initial or an abbreviation from its full stop
# ("vitamin D ."), sentencex panics, and a panic is not an Exception. It is shown a plain space instead, which is one
# character too, so offsets stay the same.
_SPACE_BEFORE_STOP, _UNUSUAL = re.compile(r"(?<!\s)\s+(?=\.)"), re.compile(r"[^\S\x00-\x7f]")


def packed_sentences(
    text: str, room: int, overlap: int, tokenizer: EmbedderTokenizer, language: str = ENGLISH
) -> Iterator[Slice]:
    """Whole sentences, as many as fit; a sentence too long to fit on its own is cut into token windows.

    Args:
        text: any text.
        room: maximum tokens per slice, not counting special tokens.
        overlap: maximum tokens of the whole sentences that are repeated.
        tokenizer: the embedder's.
        language: see `find_sentences`.

    Returns:
        Character slices (start, end), in order.
    """
    sentences = find_sentences(text, language)
    counts = count_all([text[start:end] for start, end in sentences], tokenizer)
    first = 0
    while first < len(sentences):
        last, total = first, 0
        while last < len(sentences) and total + counts[last] <= room:
            total += counts[last]
            last += 1
        if last == first:
            yield from sentence_windows(text, sentences[first], room, overlap, tokenizer)
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
        # The repeated sentences must leave room for a new one, or the slice would show nothing new.
        while back < last and kept + counts[last] > room:
            kept -= counts[back]
            back += 1
        first = back


def sentence_windows(
    text: str, sentence: Slice, room: int, overlap: int, tokenizer: EmbedderTokenizer
) -> Iterator[Slice]:
    """Token windows over one sentence of a text."""
    start, end = sentence
    for inner_start, inner_end in token_windows(text[start:end], room, overlap, tokenizer):
        yield start + inner_start, start + inner_end


def find_sentences(text: str, language: str = ENGLISH) -> list[Slice]:
    """Sentences as slices without surrounding white space, none empty; a very long text is read in blocks.

    Args:
        text: any text.
        language: an ISO 639-1 code. The stops of all scripts end a sentence in every language; what is an abbreviation,
            an ordinal number or a quotation depends on the language.
    """
    return [
        (block_start + start, block_start + end)
        for block_start, block_end in blocks(text)
        for start, end in _sentences(text[block_start:block_end], language)
    ]


def _sentences(text: str, language: str) -> Iterator[Slice]:
    shown = _SPACE_BEFORE_STOP.sub(lambda found: _UNUSUAL.sub(" ", found[0]), text)
    for boundary in sentencex.get_sentence_boundaries(language, shown):
        start, end = boundary["start_index"], boundary["end_index"]
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        end = start + len(piece.strip())
        if start < end:
            yield start, end
