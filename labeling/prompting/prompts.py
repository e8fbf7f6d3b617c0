"""Prompts as text files, and the three prompts behind three votes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from corpora.errors import InputError, did_you_mean
from corpora.reading.text import is_file, read_text

FOLDER = Path(__file__).with_name("prompts")
SEPARATOR = re.compile(r"^===[ \t]*$", re.MULTILINE)
FIELDS = ("context", "question", "options")
# A field; {options:oder} says which word stands before the last of the options, {options:} that none does.
_FIELD = re.compile(r"\{(?:(?P<name>\w+)|options:(?P<word>[^{}\n]*))\}")


class PromptTemplate(NamedTuple):
    """A prompt file: system message, user message with {context}, {question}, {options}, and how the answer starts."""

    name: str
    system: str
    message: str
    start: str

    def fill(self, context: str, question: str, options: Sequence[str], *, as_list: bool = False) -> str:
        """The user message; what is filled in is never read as a placeholder.

        Args:
            context: what the reader sees.
            question: the question.
            options: what it may answer, in the order in which they are shown.
            as_list: whether each option is on a line of its own, as choices are, which may be whole sentences.
        """
        values = {"context": context, "question": question, "options": spell_options(options)}
        if as_list:
            values["options"] = list_options(options)

        def filled(found: re.Match[str]) -> str:
            if found["name"] or as_list:
                return values[found["name"] or "options"]
            return spell_options(options, found["word"].strip())

        return _FIELD.sub(filled, self.message)

    @property
    def words(self) -> str:
        """Its own text, without what is filled in."""
        return _FIELD.sub("", f"{self.system}\n{self.message}\n{self.start}")

    def before_question(self, context: str, options: Sequence[str], *, as_list: bool = False) -> str:
        """What of the message comes before the question, arguments as for `fill`; empty where the context does not."""
        before = self.message.partition("{question}")[0]
        shown = self._replace(message=before).fill(context, "", options, as_list=as_list)
        return shown if "{context}" in before else ""


def load_prompt(name: str) -> PromptTemplate:
    """Load a bundled prompt by name, or a prompt file by path.

    Raises:
        InputError: there is no such prompt, or it lacks a separator or a placeholder, or has an unknown placeholder.
    """
    path = Path(name) if name.endswith(".txt") else FOLDER / f"{name}.txt"
    if not is_file(path):
        bundled = sorted(file.stem for file in FOLDER.glob("*.txt"))
        missing = f"no prompt {name!r}{did_you_mean(name, bundled)}"
        raise InputError(missing, f"one of {', '.join(bundled)}, or the path of a .txt file", "correct the name")
    parts = SEPARATOR.split(read_text(path).replace("\r\n", "\n").replace("\r", "\n"))
    if len(parts) != 3:
        raise InputError(
            f"prompt {path} has {len(parts)} parts",
            "3 parts between lines '===': system message, user message, start of the answer (may be empty)",
            "correct the file",
        )
    system, message, start = (part.strip("\n") for part in parts)
    found, misplaced = _fields(message), _fields(system + start)
    if misplaced:
        raise InputError(
            f"prompt {path} has the placeholders {misplaced} outside the user message",
            "placeholders in the second part only",
            "move them to the user message",
        )
    if sorted(found) != sorted(FIELDS):
        raise InputError(
            f"prompt {path} has the placeholders {found}",
            f"each of {list(FIELDS)} exactly once",
            "correct the placeholders",
        )
    return PromptTemplate(name, system, message, start)


def _fields(text: str) -> list[str]:
    return [found["name"] or "options" for found in _FIELD.finditer(text)]


def spell_options(options: Sequence[str], word: str = "or") -> str:
    """`yes, no or maybe`, with another word in another language; without a word, `yes, no, maybe`."""
    return f"{', '.join(options[:-1])} {word} {options[-1]}" if word else ", ".join(options)


def list_options(options: Sequence[str]) -> str:
    """A line for each, behind a dash."""
    return "\n".join(f"- {option}" for option in options)


def rotations(labels: Iterable[str], n: int) -> list[tuple[str, ...]]:
    """The first `n` rotations of the options: with three labels, each takes each place once."""
    order = tuple(labels)
    return [order[shift % len(order) :] + order[: shift % len(order)] for shift in range(n)]
