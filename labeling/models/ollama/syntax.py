"""The syntax of Ollama's Modelfile: from text to instructions.

Reads what Ollama's parser/parser.go reads: instructions in any case, comments on lines of their own, and values without
quotes, in double quotes or in triple double quotes. Quoted values may span several lines and have no escapes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpora.errors import InputError
from corpora.reading.text import is_file, read_text

# A frame is plain text in which these two stand for the messages. Every other brace is literal: a frame is filled by
# replacing these two in one pass over the frame (a message may hold the same words), never by str.format.
SYSTEM_SLOT, MESSAGE_SLOT = "{system}", "{message}"

SLOTS = {".System": SYSTEM_SLOT, ".Prompt": MESSAGE_SLOT}
CONDITIONS = ("if .System", "if .Prompt")
# `{{- ` trims the white space before an action, and ` -}}` the white space after it.
ACTION = re.compile(r"\{\{(?P<trim>-(?=[ \t\r\n]))?(?P<body>.*?)(?P<trim_next>(?<=[ \t\r\n])-)?\}\}", re.DOTALL)
SPACE = " \t\r\n"


class UntranslatableError(ValueError):
    """A template does something that a frame cannot; the message says what, and follows the word TEMPLATE."""


def frame_of(template: str) -> str:
    """The frame that a template puts around the messages.

    Args:
        template: literal text, `.System`, `.Prompt`, `.Response`, `if` on the first two with `else`, comments, trim
            markers.

    Returns:
        Text with exactly one `{message}` and at most one `{system}`; without `{system}`, no system message is shown.

    Raises:
        UntranslatableError: the template uses anything else, or does not show the user's message exactly once.
    """
    parts: list[str] = []
    branches: list[bool] = []  # for every open condition, whether the current branch is rendered
    answering = False
    for literal, action in _pieces(template):
        if all(branches) and not answering:
            parts += [literal, SLOTS.get(action or "", "")]
        if action in CONDITIONS:
            branches.append(True)
        elif action in ("else", "end") and branches:
            rendered = branches.pop()
            branches += [not rendered] if action == "else" else []
        elif action == ".Response" and all(branches):
            answering = True
        elif action is not None and action not in SLOTS:
            raise UntranslatableError(f"uses {{{{ {action} }}}}")
    if branches:
        raise UntranslatableError("has an if without its end")
    return _checked(parts)


def _pieces(template: str) -> Iterator[tuple[str, str | None]]:
    """Each stretch of literal text with the action after it, trimmed; None for a comment and at the end."""
    at, trim = 0, False
    for match in ACTION.finditer(template):
        literal = _literal(template[at : match.start()], trim)
        body = " ".join(match["body"].split())
        is_comment = body.startswith("/*") and body.endswith("*/")
        yield literal.rstrip(SPACE) if match["trim"] else literal, None if is_comment else body
        at, trim = match.end(), match["trim_next"] is not None
    yield _literal(template[at:], trim), None


def _literal(text: str, trim: bool) -> str:
    if "{{" in text:
        raise UntranslatableError("has a {{ without its }}")
    return text.lstrip(SPACE) if trim else text


def _checked(parts: list[str]) -> str:
    frame = "".join(parts)
    for slot, name in ((MESSAGE_SLOT, ".Prompt"), (SYSTEM_SLOT, ".System")):
        shown = parts[1::2].count(slot)
        if frame.count(slot) != shown:
            raise UntranslatableError(f"has the literal text {slot}")
        if shown > 1 or (shown == 0 and slot == MESSAGE_SLOT):
            raise UntranslatableError(f"shows {name} {shown} times")
    return frame


INSTRUCTIONS = (
    "from", "parameter", "template", "system", "adapter", "license", "message",
    "renderer", "parser", "requires", "capability", "draft",
)  # fmt: skip
KEYED = ("parameter", "message")


class Instruction(NamedTuple):
    """One instruction: its lower-case name, a parameter's name or a message's role, its value, its line from 1."""

    name: str
    key: str
    value: str
    line: int


def parse_modelfile(path: Path) -> list[Instruction]:
    """The instructions of a Modelfile in order.

    Raises:
        InputError: there is no such file, it is not UTF-8, an instruction is unknown or has no value, or a quote is not
            closed.
    """
    return list(_instructions(_read(path), path))


def _read(path: Path) -> str:
    if not is_file(path):
        raise InputError(f"no Modelfile {path}", "an existing file", "check the path")
    text = read_text(path)
    # Ollama drops characters that cannot be printed, by the same definition, such as a byte order mark.
    return "".join(char for char in text if char.isprintable() or char in "\t\r\n")


def _instructions(text: str, path: Path) -> Iterator[Instruction]:
    numbered = iter(enumerate(re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text), 1))
    for number, line in numbered:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{path}, line {number}"
        word, value = _first_word(line)
        name, key = _known(word, where), ""
        if name in KEYED:
            key, value = _first_word(value)
        if not value.rstrip("\r\n"):
            found = f"{where}: {line.strip()!r:.60} has no value"
            raise InputError(found, "a value at the end of the line", "add the value, or remove the line")
        while not _is_closed(value.strip()):
            _, following = next(numbered, (0, ""))
            if not following:
                raise InputError(
                    f"{where}: {word} opens a quote that is never closed",
                    "the same quote at the end",
                    "close the quote",
                )
            value += following
        yield Instruction(name, key, _unquoted(value.strip()), number)


def _first_word(text: str) -> tuple[str, str]:
    """The first word, and what follows it from the white space on."""
    word = (text.split(maxsplit=1) or [""])[0]
    return word, text.lstrip()[len(word) :]


def _known(word: str, where: str) -> str:
    if word.lower() in INSTRUCTIONS:
        return word.lower()
    near = difflib.get_close_matches(word.lower(), INSTRUCTIONS, 1)
    hint = f" (did you mean {near[0].upper()}?)" if near else ""
    known = ", ".join(INSTRUCTIONS).upper()
    raise InputError(f"{where}: unknown instruction {word!r:.60}", f"one of {known}", f"correct or remove it{hint}")


def _quote(value: str) -> str:
    return '"""' if value.startswith('"""') else '"' if value.startswith('"') else ""


def _is_closed(value: str) -> bool:
    quote = _quote(value)
    return len(value) >= 2 * len(quote) and value.endswith(quote)


def _unquoted(value: str) -> str:
    return value[len(_quote(value)) : len(value) - len(_quote(value))]
