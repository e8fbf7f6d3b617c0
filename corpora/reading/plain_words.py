"""What is wrong with a setting, in plain words: pydantic's own speak of tuples, instances and patterns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from pydantic_core import ErrorDetails

from corpora.errors import InputError, counted, did_you_mean, listed, shown

# What pydantic expected, by the beginning of its name for the problem.
_KINDS = {
    "string_type": "a text",
    "path_": "a path",
    "int_": "a whole number",
    "float_": "a number",
    "finite_number": "a finite number",
    "date_": "a date, such as 2026-04-30",
    "bool_": "true or false",
    "dict_type": "a table of names and values, in { }",
    "tuple_type": "a list, in [ ]",
    "string_too_short": "a text that is not empty",
}
# The bounds of a number: pydantic's name for the problem, and the words before the bound.
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "a number above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "a number below"),
}
# The patterns of Tercet's settings, as one would say them.
_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "a name of letters, digits, '_', '.' and '-' that begins with a letter or digit",
    r'^[^"\r\n]$': "a single character that is neither a quote nor a line end",
    r"^[A-Z_][A-Z0-9_]*$": "the name of an environment variable, in capital letters",
    r"^(24|48|72|96|120|144|168)h$|^[1-7]d$": "whole days, such as '24h' or '7d', and at most 7 of them",
    r"^\d{4}-(0[1-9]|1[0-2])$": "a month, such as '2026-04'",
}
_TYPED = ("a number", "a whole number", "a date, such as 2026-04-30", "a date", "true or false")
_UNQUOTED = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}|true|false")


def wrong_value(problem: ErrorDetails, where: str) -> InputError:
    """The error for a value that pydantic refuses.

    Args:
        problem: one of `ValidationError.errors()`.
        where: the file, with which the error begins.
    """
    place, value = place_of(problem), problem["input"]
    if problem["type"] == "missing":
        return InputError(f"{where}: {place!r} is missing", "a value", "add it")
    expected, remedy = expected_for(problem), remedy_for(problem)
    return InputError(f"{where}: {place} is {_said(value)}", expected, remedy or "correct the value")


def expected_for(problem: ErrorDetails) -> str:
    """What was expected in the place of a value that pydantic refuses; the value itself is not repeated."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _BOUNDS and isinstance(problem["input"], bool):
        return "a number"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{words} {context[name]:.15g}"
    said: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "literal_error": lambda ctx: f"one of {listed(_choices(ctx))}",
        "string_pattern_mismatch": lambda ctx: _PATTERNS.get(ctx["pattern"], f"a text of the form {ctx['pattern']}"),
        "too_short": lambda ctx: f"at least {counted(ctx['min_length'], 'value')}",
        "model_type": lambda _: f"a section, which begins with {header(problem['loc'])}",
    }
    if kind in said:
        return said[kind](context)
    named = next((words for name, words in _KINDS.items() if kind.startswith(name)), "")
    return named or problem["msg"].removeprefix("Value error, ")


def remedy_for(problem: ErrorDetails) -> str:
    """What to do about a value that pydantic refuses; empty where only the user can know."""
    kind, value, loc = problem["type"], problem["input"], problem["loc"]
    if kind == "literal_error":
        near = did_you_mean(value, _choices(problem["ctx"]))
        return f"correct the value{near}"
    if kind == "too_short":
        return "add a value, or leave the key out to keep its default"
    if kind == "model_type" and isinstance(value, list):
        return f"write {header(loc)} with single brackets, and only once"
    if kind == "tuple_type":
        section = header((*loc, 0))
        if isinstance(value, dict):
            return f"write {section} with double brackets if these are the keys of a section"
        return f"write {loc[-1]} = [{value!r}]" if isinstance(value, str | int) and len(repr(value)) < 60 else ""
    return quotes(expected_for(problem), value)


def quotes(kind: str, value: object) -> str:
    """What to do about the quotes of a value, if they are what is wrong with it."""
    if kind == "a text" and isinstance(value, bool | int | float | date):
        return "write the value in quotes"
    return "remove the quotes" if isinstance(value, str) and _UNQUOTED.fullmatch(value) and kind in _TYPED else ""


def place_of(problem: ErrorDetails) -> str:
    """The place of a problem that pydantic found, such as `readers.0.seed`."""
    return f"{'.'.join(str(part) for part in problem['loc']):.100}"


def header(loc: tuple[int | str, ...]) -> str:
    """How the section at a place is begun in a TOML file: `[corpus]`, `[[readers]]`, `[readers.remote]`."""
    name = ".".join(part for part in loc if isinstance(part, str))
    return f"[[{name}]]" if loc and isinstance(loc[-1], int) else f"[{name}]"


def _choices(context: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", context["expected"])


def _said(value: object) -> str:
    """A value as an error shows it."""
    if isinstance(value, dict) and value:
        return "a section"
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return "a list of sections"
    return shown(value)
