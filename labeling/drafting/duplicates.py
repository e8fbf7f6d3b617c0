"""Which drafts ask what an earlier draft asks already, by the tokens that both hold."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict

SIMILAR = 0.8  # share of the tokens of two questions that both hold, from which on one repeats the other
_NUMBER_OR_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+")


class Seen:
    """The questions that were seen so far."""

    def __init__(self) -> None:
        self._tokens: list[frozenset[str]] = []
        self._holding: dict[str, list[int]] = defaultdict(list)

    def repeats(self, text: str) -> bool:
        """Whether a question repeats one that was seen; if not, it is seen from now on.

        Two questions that differ in a number are two questions: "11 degrees?" has another answer than "20 degrees?".
        """
        tokens = tokens_of(text)
        shared: dict[int, int] = defaultdict(int)
        for token in tokens:
            for at in self._holding[token]:
                shared[at] += 1
        if any(self._is_repeated(tokens, self._tokens[at], n) for at, n in shared.items()):
            return True
        for token in tokens:
            self._holding[token].append(len(self._tokens))
        self._tokens.append(tokens)
        return False

    @staticmethod
    def _is_repeated(one: frozenset[str], other: frozenset[str], n_shared: int) -> bool:
        if {token for token in one ^ other if token[0].isdigit()}:
            return False
        return n_shared >= SIMILAR * len(one | other)


def tokens_of(text: str) -> frozenset[str]:
    """Words and numbers without case; in scripts without spaces, pairs of neighbouring characters."""
    tokens: set[str] = set()
    for word in _NUMBER_OR_WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if any(unicodedata.east_asian_width(one) == "W" for one in word) and len(word) > 1:
            tokens |= {word[at : at + 2] for at in range(len(word) - 1)}
        else:
            tokens.add(word)
    return frozenset(tokens)
