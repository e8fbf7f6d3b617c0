"""The prompts that a question is drafted with, as text files: one for each kind, in the languages of `LANGUAGES`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from corpora.languages import NAMES
from labeling.drafting.kinds import Kind, stated_numbers
from labeling.drafting.passages import ANSWERS, Attempt
from labeling.drafting.phrases import ENGLISH
from labeling.prompting.prompts import SEPARATOR
from labeling.votes.vote import Prompt

FOLDER = Path(__file__).with_name("prompts")
YEARS = (1000, 2100)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
LANGUAGES = (ENGLISH, "de", "fr", "es")  # of the prompts; documents in another one are asked about by the English ones


def writing_prompt(attempt: Attempt, quotes: Sequence[str]) -> Prompt:
    """Asks for the question.

    Args:
        attempt: what is drafted.
        quotes: the sentences that it is about: one, or two for `apart`.
    """
    system, *messages, start = _parts(attempt.kind, attempt.language)
    sentence, number = shown_sentence(attempt, quotes[0])
    values = {
        "title": attempt.title, "passage": " [...] ".join(one_line(passage.text) for passage in attempt.passages),
        "sentence": sentence, "second": one_line(quotes[-1]), "number": number,
    }  # fmt: skip
    message = _filled(messages[ANSWERS.index(attempt.wanted)], values)
    # Where the output starts like this, a small reader follows; asked in the message, it writes English all the same.
    language = "" if attempt.language in LANGUAGES else f" in {NAMES[attempt.language]}"
    return Prompt(attempt.id, "document", 0, 0, system, message, _filled(start, {"in_language": language}))


def shown_sentence(attempt: Attempt, quote: str) -> tuple[str, str]:
    """The sentence as the prompt shows it, and the number in it that was changed; empty where none was."""
    sentence = one_line(quote)
    changes = attempt.kind == "number" and attempt.wanted == "no"
    return with_another_number(sentence) if changes else (sentence, "")


def example_questions(kind: Kind, language: str = ENGLISH) -> list[str]:
    """The questions that the prompt of a kind has as its examples."""
    *messages, start = _parts(kind, language)[1:]
    start = _filled(start, {"in_language": ""})
    return re.findall(rf"^{re.escape(start)} (.+)$", "\n".join(messages), re.MULTILINE)


def numbers_in(text: str) -> frozenset[str]:
    """The numbers of a text, as they are written, but in the digits 0 to 9 whatever the script."""
    return frozenset(re.sub(r"\d", lambda digit: str(int(digit.group())), one) for one in _NUMBER.findall(text))


def with_another_number(sentence: str) -> tuple[str, str]:
    """A sentence with another number in place of the last that it states, and that number; it must state one.

    A reader that is asked to change a number often repeats the right one; what arithmetic can do is left to it.
    """
    found = stated_numbers(sentence)[-1]
    digits = re.match(r"\d+", found.group()).group()  # type: ignore[union-attr]  # a number begins with a digit
    value, rest = int(digits), found.group()[len(digits) :]
    if rest.startswith(":"):  # the time of day
        other = (value + 3) % 24
    else:
        other = value - 9 if YEARS[0] <= value <= YEARS[1] else value + max(1, value // 2)
    filled = str(other).zfill(len(digits) if int(digits[0]) == 0 or rest.startswith(":") else 0)
    zero = ord(digits[0]) - int(digits[0])  # Arabic, Hindi, Thai and others have digits of their own
    number = "".join(chr(zero + int(digit)) for digit in filled) + rest
    return f"{sentence[: found.start()]}{number}{sentence[found.end() :]}", number


def one_line(text: str) -> str:
    """A sentence as a prompt shows it, on one line; the quote that is kept as evidence is never changed."""
    return " ".join(text.split())


@cache
def _parts(kind: Kind, language: str) -> tuple[str, ...]:
    """The parts of a bundled prompt: system message, a user message for each answer, and how the output starts."""
    name = kind if language == ENGLISH or language not in LANGUAGES else f"{kind}_{language}"
    return tuple(part.strip("\n") for part in SEPARATOR.split((FOLDER / f"{name}.txt").read_text(encoding="utf-8")))


def _filled(message: str, values: Mapping[str, str]) -> str:
    """What is filled in is never read as a placeholder."""
    return re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], message)
