"""The kinds of questions that are drafted, and which sentences of a document each kind can be about."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, get_args

Kind = Literal["fact", "number", "negation", "apart"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LENGTHS = (12, 400)  # characters of a sentence that a question can be about
# What ends a sentence, in the scripts that have such a sign: headings and cells of tables do not have it.
# Latin, Chinese and Japanese, Devanagari, Arabic, Ethiopic.
_ENDS = tuple(".!?…。\uff01\uff1f।॥؟\u06d4።")
_CLOSING = "\"'”\u2019»)]\uff09」』"
_DIGIT = re.compile(r"\d")
# English only: in other languages no sentence is of this kind, and the next kind takes its turn.
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|unless|except|cannot|\w+n['\u2019]t)\b", re.IGNORECASE
)


def usable(kind: Kind, sentences: Sequence[str]) -> list[int]:
    """The places of the sentences that a question of a kind can be about.

    Args:
        kind: of the question; `apart` takes any sentences, two of them.
        sentences: of one document, in order.
    """
    whole = [at for at, one in enumerate(sentences) if _is_sane(one) and _is_ended(one)]
    whole = whole or [at for at, one in enumerate(sentences) if _is_sane(one)]  # Thai has no full stop
    if kind == "number":
        return [at for at in whole if _DIGIT.search(sentences[at])]
    if kind == "negation":
        return [at for at in whole if _NEGATION.search(sentences[at])]
    return whole


def _is_sane(sentence: str) -> bool:
    low, high = LENGTHS
    return low <= len(sentence) <= high and any(unicodedata.category(one).startswith("L") for one in sentence)


def _is_ended(sentence: str) -> bool:
    return sentence.rstrip(_CLOSING).endswith(_ENDS)
