"""TOML files: experiments, price tables.

A setting is of the type that its field declares: pydantic would read `true` as the number 1 and "5" as 5.
"""

from __future__ import annotations

import json
import math
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from corpora.errors import InputError, one_line, shown
from corpora.reading.plain_words import quotes
from corpora.reading.text import read_text

_WHOLE = range(-(2**63), 2**63)  # what TOML's definition asks a reader to hold
_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "a text", date: "a date"}


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        InputError: it is not text or not TOML, or a number is infinite, not a number, or beyond 64 bits.
    """
    text = read_text(file)
    with one_line(f"{file} cannot be read", "a TOML file"):
        content = _parse(text, file)
        for place, value in _leaves(content):
            is_infinite = isinstance(value, float) and not math.isfinite(value)
            if is_infinite or (isinstance(value, int) and value not in _WHOLE):
                raise InputError(f"{file}: {place} = {shown(value)}", "a finite number of 64 bits", "correct the value")
    return content


def check_types(content: dict[str, Any], model: BaseModel, where: str) -> None:
    """Refuse values that became a setting of another type when they were checked, such as `true` as the number 1.

    Args:
        content: what a TOML file holds.
        model: what pydantic made of it.
        where: the file, with which an error begins.

    Raises:
        InputError: a number, a text or a truth value stands in the place of another of them.
    """
    for mistake in mistyped(content, model, where):
        raise mistake


def mistyped(content: dict[str, Any], model: BaseModel, where: str) -> Iterator[InputError]:
    """Every error that `check_types` raises the first of."""
    made = dict(_leaves(model.model_dump(include=set(content))))
    for place, value in _leaves(content):
        kind, given = _KINDS.get(type(made.get(place))), _KINDS.get(type(value))
        if kind is not None and given is not None and kind != given:
            yield InputError(f"{where}: {place} is {shown(value)}", kind, quotes(kind, value))


def as_toml(value: object) -> str:
    """A text, a number or a list as TOML, which writes them as JSON does; an object is a table on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{as_toml(str(key))} = {as_toml(one)}' for key, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file} is not valid TOML ({error})", "a TOML file", "correct it there") from error
    except RecursionError as error:
        found, most = f"{file} is nested too deeply", sys.getrecursionlimit()
        raise InputError(found, f"fewer than {most} levels", "remove or flatten that value") from error
    except ValueError as error:  # all that is left: Python does not convert so many digits
        most = sys.get_int_max_str_digits()
        found = f"{file} holds a whole number of more than {most} digits"
        raise InputError(found, f"numbers of at most {most} digits", "shorten the number") from error


def _leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """Every value that is neither a table nor an array, with its place, such as `readers.0.seed`."""
    items: Iterator[tuple[object, object]]
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list | tuple):
        items = iter(enumerate(value))
    else:
        yield place, value
        return
    for key, one in items:
        yield from _leaves(one, f"{place}.{key}".removeprefix("."))
