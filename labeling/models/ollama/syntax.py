"""The syntax of Ollama's Modelfile: from text to instructions.

Reads what Ollama's parser/parser.go reads: instructions in any case, comments on lines of their own, values in no,
single or triple double quotes, the latter two over several lines and without escapes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpora.errors import InputError

INSTRUCTIONS = (
    "from", "parameter", "template", "system", "adapter", "license", "message",
    "renderer", "parser", "requires", "capability", "draft",
)  # fmt: skip
KEYED = ("parameter", "message")


class Instruction(NamedTuple):
    """One instruction: its name in lower case, a parameter's name or a message's role, the value, the line from 1."""

    name: str
    key: str
    value: str
    line: int


def parse_modelfile(path: Path) -> list[Instruction]:
    """The instructions of a Modelfile in their order.

    Raises:
        InputError: no such file, not UTF-8, an unknown instruction, one without a value, or an unclosed quote.
    """
    return list(_instructions(_read(path), path))


def _read(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"no Modelfile {path}", "an existing file", "check the path")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error})", "UTF-8 text", "convert the file") from error
    # Ollama drops what cannot be printed, by the same definition; a byte order mark is among it.
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
            raise InputError(f"{where}: {line.strip()!r} has no value", "one after it", "add it, or remove the line")
        while not _is_closed(value.strip()):
            _, following = next(numbered, (0, ""))
            if not following:
                raise InputError(
                    f"{where}: {word} opens a quote that nothing closes", "the same quote at the end", "close it"
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
    hint = f"did you mean {near[0].upper()}? " if near else ""
    known = ", ".join(INSTRUCTIONS).upper()
    raise InputError(f"{where}: unknown instruction {word!r}", f"one of {known}", f"{hint}correct or remove it")


def _quote(value: str) -> str:
    return '"""' if value.startswith('"""') else '"' if value.startswith('"') else ""


def _is_closed(value: str) -> bool:
    quote = _quote(value)
    return len(value) >= 2 * len(quote) and value.endswith(quote)


def _unquoted(value: str) -> str:
    return value[len(_quote(value)) : len(value) - len(_quote(value))]
