"""The `markdown` splitter: the largest parts of a Markdown text that fit, headings before paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

from markdown_it import MarkdownIt
from semantic_text_splitter import MarkdownSplitter

from retrieval.chunking.blocks import Slice
from retrieval.chunking.recursive import in_windows, recursive, without_long_gaps
from retrieval.tokens import EmbedderTokenizer

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")  # a line as CommonMark ends it; `str.splitlines` knows more ends
_CODE = ("fence", "code_block")


def markdown(text: str, room: int, overlap: int, tokenizer: EmbedderTokenizer) -> Iterator[Slice]:
    """Largest parts that fit: sections by the level of their headings, then blocks, rows of tables, lines, sentences.

    A code block or a table is cut only where it does not fit by itself. A code block that does not fit is split as the
    `recursive` splitter splits plain text, so that its end is never taken for the beginning of another one.

    Args:
        text: any text; one without Markdown is split at its paragraphs.
        room: maximum tokens per slice, not counting special tokens.
        overlap: maximum tokens that a slice repeats from the one before.
        tokenizer: the embedder's.

    Returns:
        Character slices (start, end), in order.
    """
    splitter = _splitter(tokenizer, room, overlap)
    blocks = code_blocks(text)
    long = [place for place in blocks if tokenizer.count(text[slice(*place)].strip()) > room]
    start = 0
    for block_start, block_end in [*long, (len(text), len(text))]:
        for part_start, part_end in without_long_gaps(text, start, block_start):
            inside = [(a - part_start, b - part_start) for a, b in blocks if part_start <= a and b <= part_end]
            for a, b in in_windows(text[part_start:part_end], room, splitter, tokenizer, inside):
                yield part_start + a, part_start + b
        for a, b in recursive(text[block_start:block_end], room, overlap, tokenizer):
            yield block_start + a, block_start + b
        start = block_end


def code_blocks(text: str) -> list[Slice]:
    """The code blocks that stand by themselves, not in a list or a quote, fences included: whole lines, in order."""
    tokens = [one for one in _parser().parse(text) if one.type in _CODE and one.level == 0 and one.map]
    if not tokens:
        return []
    ends = list(accumulate(len(line[0]) for line in _LINE.finditer(text)))
    starts = [0, *ends]
    return [(starts[one.map[0]], starts[one.map[1]]) for one in tokens if one.map]


@cache
def _parser() -> MarkdownIt:
    """A parser of blocks, which does not look inside paragraphs."""
    return MarkdownIt("commonmark").disable("inline")


@cache  # building one copies the tokenizer, which takes longer than splitting a short text
def _splitter(tokenizer: EmbedderTokenizer, room: int, overlap: int) -> MarkdownSplitter:
    return MarkdownSplitter.from_huggingface_tokenizer(tokenizer.raw, room, overlap=overlap)
