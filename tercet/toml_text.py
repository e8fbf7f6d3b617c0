"""Settings as the text of a TOML file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(settings: Mapping[str, Any]) -> str:
    """A TOML document of texts, numbers, truth values, and lists and tables of them; None has no place in it."""
    return "\n".join(_table(settings, ())).strip() + "\n"


def _table(settings: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """A table's own values first: what follows a header belongs to that header."""
    inner = {name: value for name, value in settings.items() if _tables(value)}
    yield from (f"{_key(name)} = {_value(value)}" for name, value in settings.items() if name not in inner)
    for name, value in inner.items():
        header = ".".join(map(_key, (*path, name)))
        for one in _tables(value):
            yield ""
            yield f"[{header}]" if isinstance(value, Mapping) else f"[[{header}]]"
            yield from _table(one, (*path, name))


def _tables(value: Any) -> list[Mapping[str, Any]]:
    """The tables that a value stands for; an empty list if it is written in one line."""
    if isinstance(value, Mapping):
        return [value]
    return list(value) if isinstance(value, list) and value and isinstance(value[0], Mapping) else []


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's texts, numbers and truth values are TOML's, but that TOML escapes DEL too.
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)
