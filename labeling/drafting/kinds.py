"""The kinds of questions that are drafted, and which sentences of a document each kind can be about."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, get_args

from labeling.drafting.phrases import ENGLISH, PHRASES

Kind = Literal["fact", "number", "negation", "apart"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LENGTHS = (12, 400)  # characters of a sentence that a question can be about
# What ends a sentence, in the scripts that have such a sign: headings and cells of tables do not have it.
# Latin, Chinese and Japanese, Devanagari, Arabic, Ethiopic.
_ENDS = tuple(".!?…。\uff01\uff1f।॥؟\u06d4።")
_CLOSING = "\"'”\u2019»)]\uff09」』"
_DIGIT = re.compile(r"\d")


def usable(kind: Kind, sentences: Sequence[str], language: str = ENGLISH) -> list[int]:
    """The places of the sentences that a question of a kind can be about.

    A sentence that leans on the one before it, as one that begins with "However" does, is taken only where a document
    has no others of the kind.

    Args:
        kind: of the question; `apart` takes any sentences, two of them.
        sentences: of one document, in order.
        language: of the document.
    """
    whole = [at for at, one in enumerate(sentences) if _is_sane(one) and _is_ended(one)]
    whole = whole or [at for at, one in enumerate(sentences) if _is_sane(one)]  # Thai has no full stop
    phrases = PHRASES.get(language)
    if kind == "number":
        whole = [at for at in whole if _DIGIT.search(sentences[at])]
    if kind == "negation":
        whole = [at for at in whole if phrases and phrases.negation.search(sentences[at])]
    return [at for at in whole if not (phrases and phrases.leans.search(sentences[at]))] or whole


def _is_sane(sentence: str) -> bool:
    low, high = LENGTHS
    return low <= len(sentence) <= high and any(unicodedata.category(one).startswith("L") for one in sentence)


def _is_ended(sentence: str) -> bool:
    return sentence.rstrip(_CLOSING).endswith(_ENDS)
