"""How much of a text an embedder cannot read: the words that its tokenizer replaces by one and the same unknown token.

A tokenizer that was made for English gives a Thai sentence, or a Chinese character that it does not know, as `[UNK]`.
The vectors of such texts say nothing, and a chunk of a few tokens can hold a thousand characters.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from corpora.errors import InputError
from retrieval.tokens import EmbedderTokenizer

What = Literal["documents", "questions"]
REFUSED = 0.5  # share of the characters; above it, most of what is embedded is the same token
WARNED = 0.05
MULTILINGUAL = "multilingual-e5-small or paraphrase-multilingual-minilm-l12-v2 (`tercet models fetch` fetches them)"
_TEXTS_AT_ONCE = 256
_SCRIPTS = {"CJK": "Chinese characters", "HANGUL": "Korean", "HIRAGANA": "Japanese", "KATAKANA": "Japanese"}
_MOST_SCRIPTS = 3  # named in a message


class Unread(NamedTuple):
    """How much of some texts an embedder cannot read.

    Attributes:
        what: which texts these are.
        n_texts: how many.
        n_mostly: texts that it cannot read more than half of.
        n_tokens: tokens of all texts, special tokens not counted.
        n_unknown: how many of them are the unknown token.
        n_characters: characters of all texts, without blanks.
        n_unread: how many of them are in an unknown token.
        scripts: these by script, the most frequent first.
    """

    what: What
    n_texts: int
    n_mostly: int
    n_tokens: int
    n_unknown: int
    n_characters: int
    n_unread: int
    scripts: dict[str, int]

    @property
    def share(self) -> float:
        """Share of the characters that are in an unknown token: one such token can hold a whole sentence."""
        return self.n_unread / self.n_characters if self.n_characters else 0.0

    @property
    def share_mostly(self) -> float:
        """Share of the texts that the embedder cannot read more than half of."""
        return self.n_mostly / self.n_texts if self.n_texts else 0.0

    @property
    def line(self) -> str:
        """The measure in words, as in "97.1% of the text of the documents (Thai 99%)"."""
        named = list(self.scripts.items())[:_MOST_SCRIPTS]
        scripts = ", ".join(f"{name} {n / self.n_unread:.0%}" for name, n in named)
        return f"{self.share:.1%} of the text of the {self.what}{f' ({scripts})' if scripts else ''}"

    def described(self) -> dict[str, Any]:
        """The counts and the shares, as JSON types."""
        counts = {name: value for name, value in self._asdict().items() if name != "what"}
        return counts | {"share": round(self.share, 6), "share_mostly": round(self.share_mostly, 6)}


def count_unread(tokenizer: EmbedderTokenizer, texts: Sequence[str], what: What) -> Unread:
    """Count what a tokenizer does not know in some texts.

    Args:
        tokenizer: of the embedder.
        texts: any number.
        what: which texts these are.
    """
    n_mostly = n_tokens = n_unknown = n_characters = 0
    unread: Counter[str] = Counter()
    for at in range(0, len(texts), _TEXTS_AT_ONCE):
        batch = texts[at : at + _TEXTS_AT_ONCE]
        for text, (of_text, unknown) in zip(batch, tokenizer.count_unknown(batch), strict=True):
            n_tokens, n_unknown = n_tokens + of_text, n_unknown + unknown
            n_visible = _visible(text)
            n_characters += n_visible
            if unknown:
                hidden = Counter(c for place in tokenizer.unknown_places(text) for c in text[place[0] : place[1]])
                n_hidden = sum(n for character, n in hidden.items() if not character.isspace())
                n_mostly += 2 * n_hidden > n_visible
                unread.update(hidden)
    by_script: Counter[str] = Counter()
    for character, n in unread.items():
        if not character.isspace():
            by_script[_script(character)] += n
    scripts = dict(by_script.most_common())
    return Unread(what, len(texts), n_mostly, n_tokens, n_unknown, n_characters, sum(scripts.values()), scripts)


def refuse_unread(embedder: str, measured: Sequence[Unread]) -> None:
    """Refuse an embedder that cannot read most of the documents or questions.

    Args:
        embedder: its name.
        measured: what it cannot read of the documents, and of the questions.

    Raises:
        InputError: as said; the message names embedders that read most languages.
    """
    for one in measured:
        if one.share > REFUSED:
            raise InputError(
                f"embedder {embedder!r} does not know {one.line}, and sees one and the same token there",
                f"an embedder that knows at least {1 - REFUSED:.0%} of the text",
                f"choose a multilingual embedder, such as {MULTILINGUAL}",
            )


def unread_warnings(embedder: str, measured: Sequence[Unread]) -> list[str]:
    """One line for the documents, and one for the questions, where the embedder cannot read a good part.

    Args:
        embedder: its name.
        measured: as in `refuse_unread`.
    """
    return [
        f"{embedder}: it does not know {one.line}, and sees one and the same token there; {one.n_mostly} of "
        f"{one.n_texts} {one.what} are mostly such text. Consider a multilingual embedder, such as {MULTILINGUAL}."
        for one in measured
        if max(one.share, one.share_mostly) > WARNED
    ]


def _visible(text: str) -> int:
    return len("".join(text.split()))


def _script(character: str) -> str:
    """The script of a letter by its Unicode name; "other signs" for what is no letter."""
    if not unicodedata.category(character).startswith(("L", "M")):
        return "other signs"
    first = unicodedata.name(character, "OTHER").split()[0]
    return _SCRIPTS.get(first, first.capitalize())
