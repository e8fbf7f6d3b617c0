"""JSON and JSON Lines as RFC 8259 has them: every key once, no NaN, and one line for whatever cannot be read.

Python's own parser keeps the last of two equal keys, so a field would vanish without a word.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora.errors import InputError, one_line, shown
from corpora.reading.text import read_lines, read_text

_NAMES = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", int: "a number", float: "a number"}
_SPACE = " \t\r\n"


class _RepeatedKeyError(Exception):
    """Two keys of one object are equal; the argument is the key."""


class _ConstantError(Exception):
    """NaN, Infinity or -Infinity; the argument is its name."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return found


def _refuse(constant: str) -> Any:
    raise _ConstantError(constant)


# Made once: a decoder takes longer to make than a line of JSON to read.
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
_NAN_AS_NULL = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=lambda _: None)


def parse_json(text: str, where: str, *, nan_is_null: bool = False) -> Any:
    """The value that a JSON text holds.

    Args:
        text: the JSON text.
        where: its place, with which an error begins: a file, or a file and a line.
        nan_is_null: read NaN and Infinity, which JSON does not have but some programs write, as null.

    Raises:
        InputError: it is not JSON, a key is repeated in one object, or a value is too large for Python.
    """
    decoder = _NAN_AS_NULL if nan_is_null else _STRICT
    with one_line(f"{where} cannot be read", "valid JSON"):
        return _decode(decoder, text, where)


def _decode(decoder: json.JSONDecoder, text: str, where: str) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        reason = f"{error.msg} at {line}column {error.colno}" if text.strip(_SPACE) else "there is nothing in it"
        raise InputError(f"{where} does not parse ({reason})", "valid JSON", "correct it there") from error
    except _RepeatedKeyError as error:
        found = f"{where} has the key {shown(error.args[0])} twice in one object"
        raise InputError(found, "each key once", "remove or rename one of the two") from error
    except _ConstantError as error:
        found = f"{where} holds {error}, which is not JSON"
        raise InputError(found, "a number, or null for a missing value", "write null instead") from error
    except RecursionError as error:
        found, most = f"{where} is nested too deeply", sys.getrecursionlimit()
        raise InputError(found, f"fewer than {most} levels", "remove or flatten that field") from error
    except ValueError as error:  # all that is left: Python does not convert so many digits
        most = sys.get_int_max_str_digits()
        found = f"{where} holds a whole number of more than {most} digits"
        raise InputError(found, f"numbers of at most {most} digits", "write the number as a text, in quotes") from error


def read_json(file: Path, *, nan_is_null: bool = False) -> Any:
    """The value that a JSON file holds.

    Raises:
        InputError: as in `parse_json`, or the file is not text.
    """
    return parse_json(read_text(file), str(file), nan_is_null=nan_is_null)


def read_json_lines(file: Path, *, nan_is_null: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file, each with the number of its line; blank lines are passed over.

    Raises:
        InputError: as in `parse_json`; also if a line holds anything but an object.
    """
    is_first = True
    # newline="\n": line ends within a text stay as they are, and U+2028 does not end a line of JSON.
    for number, line in enumerate(read_lines(file, newline="\n"), 1):
        text = line.strip(_SPACE)
        if not text:
            continue
        if is_first and text.startswith("["):
            raise InputError(
                f"{file}, line {number} begins a JSON array",
                "JSON Lines, with one object on each line",
                "write each element of the array on a line of its own",
            )
        is_first = False
        row = parse_json(line, f"{file}, line {number}", nan_is_null=nan_is_null)
        if not isinstance(row, dict):
            raise InputError(f"{file}, line {number} holds {json_name(row)}", "a JSON object on each line")
        yield number, row


def json_name(value: object) -> str:
    """What JSON calls a value: "an object", "a list", "a text", "a number", "a truth value" or "null"."""
    return _NAMES.get(type(value), "null")
