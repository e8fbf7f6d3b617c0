"""The embedder's own tokenizer: the unit in which sizes, overlaps and budgets are counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from corpora.digest import sha256_file
from corpora.errors import InputError


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
