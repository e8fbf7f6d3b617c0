"""TOML files: experiments, price tables.

A setting is of the type that its field declares: pydantic would read `true` as the number 1 and "5" as 5.
"""

from __future__ import annotations

import math
import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from corpora.errors import InputError, one_line, shown
from corpora.reading.text import read_text

_WHOLE = range(-(2**63), 2**63)  # what TOML's definition asks a reader to hold
_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "a text", date: "a date"}
_TYPED = ("a number", "a whole number", "a date", "true or false")
_UNQUOTED = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}|true|false")
# What pydantic expected, by the beginning of its name for the problem.
_EXPECTED = {
    "string_type": "a text",
    "path_": "a path",
    "int_": "a whole number",
    "float_": "a number",
    "date_": "a date",
    "bool_": "true or false",
}


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
    made = dict(_leaves(model.model_dump(include=set(content))))
    for place, value in _leaves(content):
        kind, given = _KINDS.get(type(made.get(place))), _KINDS.get(type(value))
        if kind is not None and given is not None and kind != given:
            raise InputError(f"{where}: {place} is {shown(value)}", kind, _quotes(kind, value))


def wrong_value(problem: ErrorDetails, where: str) -> InputError:
    """The error for a value that pydantic refuses.

    Args:
        problem: one of `ValidationError.errors()`.
        where: the file, with which the error begins.
    """
    place, value = place_of(problem), problem["input"]
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    named = next((words for name, words in _EXPECTED.items() if problem["type"].startswith(name)), "")
    if problem["type"] == "string_pattern_mismatch":
        named = f"a text of the form {problem['ctx']['pattern']}"
    if not named:
        return InputError(f"{where}: {place} = {shown(value)}", message, "correct the value")
    return InputError(f"{where}: {place} is {shown(value)}", named, _quotes(named, value) or "correct the value")


def place_of(problem: ErrorDetails) -> str:
    """The place of a problem that pydantic found, such as `readers.0.seed`."""
    return f"{'.'.join(str(part) for part in problem['loc']):.100}"


def _quotes(kind: str, value: object) -> str:
    """What to do about the quotes of a value, if they are what is wrong with it."""
    if kind == "a text" and isinstance(value, bool | int | float | date):
        return "write the value in quotes"
    return "remove the quotes" if isinstance(value, str) and _UNQUOTED.fullmatch(value) and kind in _TYPED else ""


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
