"""The embedder's own tokenizer: the unit in which sizes, overlaps and budgets are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tokenizers import Tokenizer

from corpora.errors import InputError
from corpora.storage import sha256_file

Item = TypeVar("Item")


def minibatches(items: Iterable[Item], size: Callable[[Item], int], budget: int) -> Iterator[list[Item]]:
    """Cut a stream into batches whose widest item, padding counted, stays within a budget.

    Args:
        items: kept in their order; sorted by size, they need little padding.
        size: tokens of an item.
        budget: most tokens of a batch; an item that alone has more makes a batch of its own.

    Yields:
        Batches, none of them empty.
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
        ends: character offset behind each token's last character.
        words: number of the word that each token belongs to; a slice between two words tokenizes as it does in place.
    """

    starts: list[int]
    ends: list[int]
    words: list[int | None]


class EmbedderTokenizer:
    """Counts and places tokens as the embedder sees them, without truncation; `digest` tells two of them apart.

    Raises:
        InputError: the folder holds no `tokenizer.json`.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise InputError(f"no {file}", "a sentence-transformers model folder", "check the embedder's path")
        self.raw = Tokenizer.from_file(str(file))
        self.raw.no_truncation()
        self.raw.no_padding()
        self.digest = sha256_file(file)
        # [CLS] and [SEP] take room in the embedder's window as text does.
        self.n_special = int(self.raw.num_special_tokens_to_add(is_pair=False))

    def count(self, text: str) -> int:
        """Number of tokens of a text, special tokens left out."""
        return len(self.raw.encode(text, add_special_tokens=False))

    def count_all(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text, special tokens left out."""
        return [len(one) for one in self.raw.encode_batch_fast(list(texts), add_special_tokens=False)]

    def spans(self, text: str) -> TokenSpans:
        """Where each token of a text stands in it."""
        encoded = self.raw.encode(text, add_special_tokens=False)
        offsets = encoded.offsets
        return TokenSpans([start for start, _ in offsets], [end for _, end in offsets], list(encoded.word_ids))
