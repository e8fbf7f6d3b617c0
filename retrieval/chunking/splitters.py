"""Splitters: a document's text into chunks, always as exact slices of it.

Sizes and overlaps are counted in the embedder's tokens. A size is what the embedder reads, its special tokens ([CLS]
and [SEP]) included, so that size 256 just fits an embedder that stops at 256.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from corpora.errors import InputError
from retrieval.chunking.blocks import Slice
from retrieval.chunking.recursive import recursive
from retrieval.chunking.semantic import Embed, semantic_slices
from retrieval.chunking.sentences import packed_sentences
from retrieval.chunking.token_windows import token_windows
from retrieval.tokens import EmbedderTokenizer

__all__ = ["Chunking", "Embed", "Slice", "Splitter", "check_chunking", "split_text", "split_texts"]

Splitter = Literal["tokens", "sentences", "recursive", "semantic"]


class Chunking(NamedTuple):
    """How documents are split: a splitter with a size and an overlap, in the embedder's tokens."""

    splitter: Splitter
    size: int
    overlap: int

    @property
    def name(self) -> str:
        """Name with its parameters, as in `tokens(size=64,overlap=0)`."""
        return f"{self.splitter}(size={self.size},overlap={self.overlap})"


def check_chunking(chunking: Chunking, limit: int | None, n_special: int) -> None:
    """Refuse sizes that the embedder would cut short or that leave no room.

    Args:
        chunking: the splitter with its size and overlap.
        limit: most tokens that the embedder reads, special tokens included; None where it reads chunks of any length.
        n_special: how many of them are special.

    Raises:
        InputError: with the numbers.
    """
    if limit is not None and chunking.size > limit:
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


def split_text(text: str, chunking: Chunking, tokenizer: EmbedderTokenizer, embed: Embed | None = None) -> list[Slice]:
    """Split a text; as `split_texts` of it alone."""
    return split_texts([text], chunking, tokenizer, embed)[0]


def split_texts(
    texts: Sequence[str], chunking: Chunking, tokenizer: EmbedderTokenizer, embed: Embed | None = None
) -> list[list[Slice]]:
    """Split texts.

    Args:
        texts: any texts.
        chunking: how.
        tokenizer: the embedder's.
        embed: gives sentences their vectors, asked once for all texts; only the semantic splitter needs it.

    Returns:
        For each text its character slices (start, end), in order, not empty, each of at most `size` tokens with the
        special ones.

    Raises:
        ValueError: the semantic splitter without `embed`.
    """
    room = chunking.size - tokenizer.n_special
    if chunking.splitter == "semantic":
        if embed is None:
            raise ValueError("the semantic splitter needs `embed`")
        return semantic_slices(texts, room, chunking.overlap, tokenizer, embed)
    split: Callable[[str, int, int, EmbedderTokenizer], Iterator[Slice]] = {
        "tokens": token_windows,
        "sentences": packed_sentences,
        "recursive": recursive,
    }[chunking.splitter]
    return [list(split(text, room, chunking.overlap, tokenizer)) for text in texts]
