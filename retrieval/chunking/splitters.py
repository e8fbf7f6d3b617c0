"""Splitters: they cut a document's text into chunks, always exact slices of it.

Sizes and overlaps are counted in the embedder's tokens. A size is all that the embedder reads, special tokens
([CLS] and [SEP]) included, so a chunk of size 256 just fits an embedder that stops reading at 256.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from corpora.errors import InputError
from retrieval.chunking.blocks import Slice
from retrieval.chunking.markdown import markdown
from retrieval.chunking.recursive import recursive
from retrieval.chunking.semantic import Embed, semantic_slices
from retrieval.chunking.sentences import ENGLISH, packed_sentences
from retrieval.chunking.token_windows import token_windows
from retrieval.tokens import EmbedderTokenizer

__all__ = ["BY_SENTENCES", "Chunking", "Embed", "Slice", "Splitter", "check_chunking", "split_text", "split_texts"]

Splitter = Literal["tokens", "sentences", "recursive", "semantic", "markdown"]


class Chunking(NamedTuple):
    """How documents are split: a splitter with a size and an overlap, in the embedder's tokens."""

    splitter: Splitter
    size: int
    overlap: int

    @property
    def name(self) -> str:
        """Name with its parameters, such as `tokens(size=64,overlap=0)`."""
        return f"{self.splitter}(size={self.size},overlap={self.overlap})"


def check_chunking(chunking: Chunking, limit: int | None, n_special: int) -> None:
    """Reject sizes that the embedder would cut short or that leave no room for text.

    Args:
        chunking: the splitter with its size and overlap.
        limit: maximum tokens that the embedder reads, special tokens included; None if it reads chunks of any length.
        n_special: how many of them are special.

    Raises:
        InputError: the size or the overlap is out of range; the message gives the numbers.
    """
    if limit is not None and chunking.size > limit:
        raise InputError(
            f"chunk size {chunking.size}",
            f"at most {limit} tokens, where this embedder stops reading (special tokens included)",
            "choose smaller sizes, or an embedder with a longer window",
        )
    if chunking.size <= n_special:
        raise InputError(
            f"chunk size {chunking.size}",
            f"a size of more than {n_special}, the number of the embedder's special tokens",
            "choose a larger size",
        )
    if not 0 <= chunking.overlap < chunking.size - n_special:
        raise InputError(
            f"overlap {chunking.overlap} with chunk size {chunking.size}",
            f"an overlap from 0 to below {chunking.size - n_special}, the size without {n_special} special tokens",
            "lower the overlap or raise the size",
        )


BY_SENTENCES: frozenset[Splitter] = frozenset(["sentences", "semantic"])  # where sentences end depends on the language


def split_text(text: str, chunking: Chunking, tokenizer: EmbedderTokenizer, embed: Embed | None = None) -> list[Slice]:
    """Split one text, as `split_texts` does."""
    return split_texts([text], chunking, tokenizer, embed)[0]


def split_texts(
    texts: Sequence[str], chunking: Chunking, tokenizer: EmbedderTokenizer, embed: Embed | None = None,
    languages: Sequence[str] | None = None,
) -> list[list[Slice]]:  # fmt: skip
    """Split texts.

    Args:
        texts: any texts.
        chunking: how to split them.
        tokenizer: the embedder's.
        embed: embeds sentences, called once for all texts; only the semantic splitter needs it.
        languages: of each text, for the splitters that look for sentences, see `find_sentences`; None for English.

    Returns:
        For each text, its character slices (start, end) in order, none empty, each of at most `size` tokens, special
        tokens included.

    Raises:
        ValueError: the semantic splitter was given no `embed`.
    """
    room = chunking.size - tokenizer.n_special
    languages = languages or [ENGLISH] * len(texts)
    if chunking.splitter == "semantic":
        if embed is None:
            raise ValueError("the semantic splitter needs `embed`")
        return semantic_slices(texts, room, chunking.overlap, tokenizer, embed, languages)
    if chunking.splitter == "sentences":
        pairs = zip(texts, languages, strict=True)
        return [list(packed_sentences(text, room, chunking.overlap, tokenizer, of_text)) for text, of_text in pairs]
    split: Callable[[str, int, int, EmbedderTokenizer], Iterator[Slice]] = {
        "tokens": token_windows,
        "recursive": recursive,
        "markdown": markdown,
    }[chunking.splitter]
    return [list(split(text, room, chunking.overlap, tokenizer)) for text in texts]
