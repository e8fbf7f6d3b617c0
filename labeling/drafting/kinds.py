"""The kinds of questions that are drafted, and which sentences of a document each kind can be about."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, get_args

from labeling.drafting.phrases import ENGLISH, PHRASES

Kind = Literal["fact", "number", "negation", "apart"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# Drafted unless others are asked for. A small reader writes no question that needs two sentences: of thirteen by
# qwen2.5-coder-1.5b on documents in six languages, none did.
USUAL: tuple[Kind, ...] = ("fact", "number", "negation")

LENGTHS = (12, 400)  # characters of a sentence that a question can be about
LEAST_LETTERS = 12  # of a sentence: "Chapter 15." states nothing
# What ends a sentence that states something, in the scripts that have such a sign: headings do not have it, and a
# question or a call, as in the contents of a page of questions, states nothing. Latin, Chinese and Japanese,
# Devanagari, Arabic, Ethiopic.
_ENDS = tuple(".…。।॥\u06d4።")
_NO_PROSE = re.compile(r"^\s*[|#]|\|.*\|")  # headings and rows of tables in Markdown, as converted files hold them
_CLOSING = "\"'”\u2019»)]\uff09」』"
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
# Numbers that state nothing: of a list, of a footnote, of a paper that is cited.
_APPARATUS = re.compile(r"^\W*\d+(?:\.\d+)*[.)\]]\s|^\W*\d+\s+[A-Z]\.|\[[^\]]*\]?|\d+\]|\([^)]*\d{4}[^)]*\)")


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
        whole = [at for at in whole if stated_numbers(sentences[at])]
    if kind == "negation":
        whole = [at for at in whole if phrases and phrases.negation.search(sentences[at])]
    return [at for at in whole if not (phrases and phrases.leans.search(sentences[at]))] or whole


def stated_numbers(sentence: str) -> list[re.Match[str]]:
    """The numbers that a sentence states: not those of a list, of a footnote or of a paper that is cited."""
    apparatus = [found.span() for found in _APPARATUS.finditer(sentence)]
    return [
        one for one in _NUMBER.finditer(sentence)
        if not any(start <= one.start() and one.end() <= end for start, end in apparatus)
    ]  # fmt: skip


def _is_sane(sentence: str) -> bool:
    low, high = LENGTHS
    # A character of Chinese or Japanese says as much as three letters.
    letters = sum(3 if unicodedata.east_asian_width(one) == "W" else 1 for one in sentence if one.isalpha())
    return low <= len(sentence) <= high and letters >= LEAST_LETTERS and not _NO_PROSE.search(sentence)


def _is_ended(sentence: str) -> bool:
    return sentence.rstrip(_CLOSING).endswith(_ENDS)
