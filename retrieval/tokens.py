"""The embedder's own tokenizer: sizes, overlaps and budgets are counted in its tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tokenizers import Tokenizer

from corpora.errors import InputError
from corpora.storage import sha256_file

Item = TypeVar("Item")


def minibatches(items: Iterable[Item], size: Callable[[Item], int], budget: int) -> Iterator[list[Item]]:
    """Cut a stream into minibatches that stay within a token budget, padding included.

    Args:
        items: their order is kept; sorted by size, they need little padding.
        size: gives the number of tokens of an item.
        budget: maximum tokens per minibatch; an item with more makes one of its own.

    Yields:
        Minibatches, none of them empty.
    """
    held: list[Item] = []
    widest = 0
    for item in items:
        widest = max(widest, size(item))
        if held and widest * (len(held) + 1) > budget:
            yield held
            held, widest = [], size(item)
        held.append(item)
    if held:
        yield held


class TokenSpans(NamedTuple):
    """The tokens of a text as character spans.

    Attributes:
        starts: character offset of each token's first character.
        ends: character offset just past each token's last character.
        words: number of the word each token belongs to; a slice cut between words tokenizes as it does in the text.
    """

    starts: list[int]
    ends: list[int]
    words: list[int | None]


class EmbedderTokenizer:
    """Counts and locates tokens as the embedder sees them, without truncation; `digest` identifies the tokenizer.

    Raises:
        InputError: the folder has no `tokenizer.json`.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise InputError(f"no file {file}", "a sentence-transformers model folder", "check the embedder's path")
        self.raw = Tokenizer.from_file(str(file))
        self.raw.no_truncation()
        self.raw.no_padding()
        self.digest = sha256_file(file)
        # [CLS] and [SEP] take up room in the embedder's window, as text does.
        self.n_special = int(self.raw.num_special_tokens_to_add(is_pair=False))

    def count(self, text: str) -> int:
        """Number of tokens in a text, not counting special tokens."""
        return len(self.raw.encode(text, add_special_tokens=False))

    def count_all(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens in each text, not counting special tokens."""
        return [len(one) for one in self.raw.encode_batch_fast(list(texts), add_special_tokens=False)]

    def spans(self, text: str) -> TokenSpans:
        """Where each token is in a text."""
        encoded = self.raw.encode(text, add_special_tokens=False)
        offsets = encoded.offsets
        return TokenSpans([start for start, _ in offsets], [end for _, end in offsets], list(encoded.word_ids))
