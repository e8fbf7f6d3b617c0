"""Whether a server has read a whole prompt: it may cut what does not fit its context, and answer all the same.

No tokenizer is known here, so what a server counts is held against a bound that no tokenizer in use falls below over a
whole document. A word in letters or digits takes at least one token in a tokenizer that splits at blanks, as nearly all
do; those with tokens of several words (SuperBPE, arXiv 2503.13423) need 1.1 words a token on average, and 2 are allowed
here. Without blanks the longest tokens bound it: an ideograph or kana takes 1/4 token at least,
any other sign 1/16. Blanks, and a sign or word that repeats the one before, count nothing: one token may hold 128 of
them. This sees cuts that leave less than about a third of an English prompt, less of other scripts; `Ceiling` sees what
leaves more, once there are several prompts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

WORDS_PER_TOKEN, IDEOGRAPHS_PER_TOKEN, SIGNS_PER_TOKEN = 2, 4, 16
LEAST_CHECKED = 256  # tokens; no server's context is shorter
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_REPEATED = re.compile(r"(.)\1+", re.DOTALL)


def least_tokens(body: Mapping[str, Any]) -> int:
    """The fewest tokens that the messages of a request can be; 0 for a prompt too short to be checked."""
    least = sum(_least(str(message["content"])) for message in body["messages"])
    return least if least >= LEAST_CHECKED else 0


def is_cut(n_prompt_tokens: int, least: int) -> bool:
    """Whether a server counts fewer tokens than a prompt has; 0 tokens mean that it does not say."""
    return 0 < n_prompt_tokens < least


def _least(text: str) -> int:
    ideographs, rest = len(_IDEOGRAPH.findall(text)), _IDEOGRAPH.sub(" ", text)
    # Without neighbours that repeat: "the the the" may be fewer tokens than words.
    words = [word for word, _ in groupby(rest.split())]
    n_words = sum(any(map(str.isalnum, word)) for word in words)
    n_signs = len(_REPEATED.sub(r"\1", "".join(words)))
    return math.floor(ideographs / IDEOGRAPHS_PER_TOKEN + max(n_words / WORDS_PER_TOKEN, n_signs / SIGNS_PER_TOKEN))


class Ceiling:
    """Notices a server that counts the same number of tokens for prompts of clearly different lengths.

    It sees the cuts that leave too much for `least_tokens`: whatever is cut has the length of the context. Three
    lengths, each a tenth above the one before, with the largest count so far are no coincidence.
    """

    N_LENGTHS, STEP = 3, 1.1

    def __init__(self) -> None:
        self._highest = 0
        self._lengths: list[float] = []  # of prompts with the highest count, each clearly above the one before

    def is_hit(self, n_prompt_tokens: int, length: int) -> bool:
        """Note what a server counts and the prompt's `least_tokens`, and say whether the highest count is a ceiling."""
        if n_prompt_tokens > self._highest:
            self._highest, self._lengths = n_prompt_tokens, []
        if length and n_prompt_tokens == self._highest >= LEAST_CHECKED:
            self._lengths = self._apart([*self._lengths, length])
        return len(self._lengths) >= self.N_LENGTHS

    def _apart(self, lengths: list[float]) -> list[float]:
        """The lengths that are clearly above the one before, the shortest first."""
        kept: list[float] = []
        for length in sorted(lengths):
            if not kept or length >= self.STEP * kept[-1]:
                kept.append(length)
        return kept
