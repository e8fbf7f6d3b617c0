"""The prompts that a question is drafted with, as text files: one for each kind, and two for choosing a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from corpora.schema import Span
from labeling.drafting.kinds import Kind
from labeling.drafting.passages import ANSWERS, WINDOW, Attempt
from labeling.prompting.prompts import SEPARATOR, spell_options
from labeling.votes.vote import Prompt

FOLDER = Path(__file__).with_name("prompts")
YEARS = (1000, 2100)
_NUMBER = re.compile(r"(?P<head>\d+)(?P<rest>(?:[.,:]\d+)*)")
NUMBERS = tuple(str(number) for number in range(1, WINDOW + 1))  # the label set of a choice


def choosing_prompt(attempt: Attempt, texts: Mapping[str, str], first: Span | None = None) -> Prompt:
    """Asks which sentence of a passage the question is to be about.

    Args:
        attempt: what is drafted.
        texts: document text by document id.
        first: the sentence that was chosen from the other passage, for the second of two.
    """
    choices = attempt.passages[1 if first else 0].choices
    lines = [f"{number}. {one_line(_text(texts, one))}" for number, one in zip(NUMBERS, choices, strict=False)]
    system, message, start = _parts("choose_second" if first else "choose")
    values = {
        "title": attempt.title, "sentences": "\n".join(lines),
        "options": spell_options(NUMBERS[: len(choices)]), "sentence": one_line(_text(texts, first)) if first else "",
    }  # fmt: skip
    return Prompt(attempt.id, "document", 1 if first else 0, 0, system, _filled(message, values), start)


def writing_prompt(attempt: Attempt, quotes: Sequence[str]) -> Prompt:
    """Asks for the question.

    Args:
        attempt: what is drafted.
        quotes: the sentences that it is about: one, or two for `apart`.
    """
    system, *messages, start = _parts(attempt.kind)
    sentence, number = one_line(quotes[0]), ""
    if attempt.kind == "number" and attempt.wanted == "no":
        sentence, number = with_another_number(sentence)
    values = {
        "title": attempt.title, "passage": " [...] ".join(one_line(passage.text) for passage in attempt.passages),
        "sentence": sentence, "second": one_line(quotes[-1]), "number": number,
    }  # fmt: skip
    message = _filled(messages[ANSWERS.index(attempt.wanted)], values)
    return Prompt(attempt.id, "document", 0, 0, system, message, start)


def example_questions(kind: Kind) -> list[str]:
    """The questions that the prompt of a kind has as its examples."""
    return re.findall(r"^Question: (.+)$", "\n".join(_parts(kind)[1:-1]), re.MULTILINE)


def with_another_number(sentence: str) -> tuple[str, str]:
    """A sentence with another number in place of its last one, and that number; the sentence must have one.

    A reader that is asked to change a number often repeats the right one; what arithmetic can do is left to it.
    """
    found = list(_NUMBER.finditer(sentence))[-1]
    value, digits, rest = int(found["head"]), found["head"], found["rest"]
    if rest.startswith(":"):  # the time of day
        other = (value + 3) % 24
    else:
        other = value - 9 if YEARS[0] <= value <= YEARS[1] else value + max(1, value // 2)
    number = str(other).zfill(len(digits) if digits.startswith("0") or rest.startswith(":") else 0) + rest
    return f"{sentence[: found.start()]}{number}{sentence[found.end() :]}", number


def one_line(text: str) -> str:
    """A sentence as a prompt shows it, on one line; the quote that is kept as evidence is never changed."""
    return " ".join(text.split())


def _text(texts: Mapping[str, str], span: Span) -> str:
    return texts[span.document_id][span.start : span.end]


@cache
def _parts(name: str) -> tuple[str, ...]:
    """The parts of a bundled prompt: system message, user message, and how the answer starts.

    A prompt for writing has two user messages: for the answer yes, and for the answer no.
    """
    return tuple(part.strip("\n") for part in SEPARATOR.split((FOLDER / f"{name}.txt").read_text(encoding="utf-8")))


def _filled(message: str, values: Mapping[str, str]) -> str:
    """What is filled in is never read as a placeholder."""
    return re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], message)
