"""The embedder's own tokenizer: sizes, overlaps and budgets are counted in its tokens."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tokenizers import Tokenizer

from corpora.errors import InputError, one_line
from corpora.storage import sha256_file

Item = TypeVar("Item")

_UNKNOWN = ("<unk>", "[UNK]")
# The files from which transformers makes a fast tokenizer.
_VOCABULARIES = ("vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model")


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
    """Counts and locates tokens as the embedder sees them, without truncation.

    Attributes:
        raw: the tokenizer itself.
        digest: identifies it.
        n_special: tokens that it adds to each text, such as [CLS] and [SEP].
        unknown_id: id of the token that stands for whatever is not in the vocabulary; None if it has no such token.
        reads_words_alone: whether each word has the same tokens wherever it stands, so that a slice cut between words
            need not be tokenized to know how many it has.

    Raises:
        InputError: the folder has no `tokenizer.json`, or that file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise no_fast_tokenizer(folder)
        with one_line(f"{file} is not a tokenizer", "the tokenizer.json of a model"):
            self.raw = Tokenizer.from_file(str(file))
        self.raw.no_truncation()
        self.raw.no_padding()
        self.digest = sha256_file(file)
        # [CLS] and [SEP] take up room in the embedder's window, as text does.
        self.n_special = int(self.raw.num_special_tokens_to_add(is_pair=False))
        # Unigram models do not say which token it is.
        named = getattr(self.raw.model, "unk_token", None)
        ids = [self.raw.token_to_id(token) for token in (named, *_UNKNOWN) if token]
        self.unknown_id: int | None = next((one for one in ids if one is not None), None)
        self.reads_words_alone = _reads_words_alone(self.raw)

    def count_unknown(self, texts: Sequence[str]) -> list[tuple[int, int]]:
        """Number of tokens in each text, not counting special tokens, and how many of them are the unknown token."""
        encoded = [one.ids for one in self.raw.encode_batch_fast(list(texts), add_special_tokens=False)]
        return [(len(ids), 0 if self.unknown_id is None else ids.count(self.unknown_id)) for ids in encoded]

    def unknown_places(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each unknown token of a text, in characters."""
        encoded = self.raw.encode(text, add_special_tokens=False)
        return [place for token, place in zip(encoded.ids, encoded.offsets, strict=True) if token == self.unknown_id]

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


def _reads_words_alone(tokenizer: Tokenizer) -> bool:
    """True for BERT's steps alone: others mark a text's first word, or make the blank before a word part of it."""
    steps = json.loads(tokenizer.to_str())
    kinds = [(steps[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    takes_blanks = any(token["lstrip"] or token["rstrip"] or token["single_word"] for token in steps["added_tokens"])
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and not takes_blanks


def no_fast_tokenizer(folder: Path) -> InputError:
    """The error for a model folder without tokenizer.json, with the command that makes it where that can work."""
    found = f"the embedder's folder {folder} has no tokenizer.json"
    expected = "a fast tokenizer, the file tokenizer.json"
    if not (folder / "config.json").is_file() or not any((folder / name).is_file() for name in _VOCABULARIES):
        return InputError(found, expected, "add it from the model's publisher, or check the path of the embedder")
    where = repr(str(folder))
    code = f"from transformers import AutoTokenizer as A; A.from_pretrained({where}).save_pretrained({where})"
    # In double quotes it can be read; they do not protect these characters from a shell.
    quoted = shlex.quote(code) if set(code) & set('"$`\\!') else f'"{code}"'
    return InputError(found, expected, f"make it from the vocabulary: {shlex.quote(sys.executable)} -c {quoted}")
