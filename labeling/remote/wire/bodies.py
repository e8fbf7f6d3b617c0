"""Reads the body of a reply as JSON, within the policy's bounds on nesting and on the length of numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from labeling.remote.wire.policy import Policy, UnboundedError, show_bytes


def read_json(content: bytes | str, policy: Policy) -> Any:
    """The value that a body holds.

    Raises:
        UnboundedError: it nests deeper, or holds a longer whole number, than the policy allows.
        ValueError: it is not JSON.
    """

    def whole_number(digits: str) -> int:
        if len(digits.lstrip("-")) > policy.digits:
            found = f"a reply with a number of {len(digits.lstrip('-'))} digits"
            raise UnboundedError(found, f"a reply with numbers of at most {policy.digits} digits")
        return int(digits)

    too_deep = UnboundedError(
        f"a reply that nests more than {policy.depth} deep", f"a reply that nests at most {policy.depth} deep"
    )
    try:
        value = json.loads(content, parse_int=whole_number)
    except RecursionError:
        raise too_deep from None
    if _depth(value, policy.depth) > policy.depth:
        raise too_deep
    return value


def read_line(line: bytes, policy: Policy) -> dict[str, Any] | None:
    """The JSON object on a line of a result file; None for a line that holds none within the policy's bounds."""
    try:
        value = read_json(line, policy)
    except (ValueError, UnboundedError):
        return None
    return value if isinstance(value, dict) else None


def _depth(value: Any, most: int) -> int:
    """How deep a value nests, counted no further than one above `most`; without recursion, level by level."""
    level, depth = [value], 0
    while level and depth <= most:
        depth += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return depth


def _inside(value: Any) -> Iterable[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (one for one in inner if isinstance(one, dict | list))


def split_lines(pieces: Iterable[bytes], policy: Policy) -> Iterator[bytes]:
    """The lines of a file that comes in pieces, each with its line end; the last may lack one.

    Raises:
        UnboundedError: a line is longer than a reply may be.
    """
    held: list[bytes] = []
    n_held = 0
    for piece in pieces:
        for part in io.BytesIO(piece):  # splits at "\n" alone
            held.append(part)
            n_held += len(part)
            if n_held > policy.reply_bytes:
                most = show_bytes(policy.reply_bytes)
                raise UnboundedError(f"a result file with a line of more than {most}", f"lines of at most {most}")
            if part.endswith(b"\n"):
                yield b"".join(held)
                held, n_held = [], 0
    if held:
        yield b"".join(held)
