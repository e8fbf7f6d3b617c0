"""Entries of a journal: each a line with its own length and checksum, whose votes come back bit by bit."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from labeling.votes.vote import Vote

_FIELDS = tuple(one.name for one in fields(Vote))
_DIGITS = 8  # of a checksum and of a length, both hexadecimal
_HEAD = 2 * _DIGITS + 2


class Entries(NamedTuple):
    """What a journal holds.

    Attributes:
        votes: of all entries that are whole, in the order in which they were given.
        n_damaged: lines that do not match their checksums. An entry that breaks off at the end is none: the process was
            killed while it wrote it.
    """

    votes: list[Vote]
    n_damaged: int


def encode(votes: Sequence[Vote]) -> bytes:
    """One entry; its votes are kept together or not at all.

    Raises:
        UnicodeEncodeError: a text is no Unicode text, and no shard could hold it either.
    """
    rows = [{name: getattr(vote, name) for name in _FIELDS} for vote in votes]
    # JSON writes the shortest digits that give the same float again.
    body = json.dumps(rows, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
    sized = b"%08x " % len(body) + body
    return b"%08x " % zlib.crc32(sized) + sized + b"\n"


def decode(content: bytes) -> Entries:
    """The votes of all whole entries."""
    votes: list[Vote] = []
    at = n_damaged = 0
    while at < len(content):
        body = _body(content, at)
        found = None if body is None else _votes(body)
        if body is not None and found is not None:
            votes += found
            at += _HEAD + len(body) + 1
            continue
        end = content.find(b"\n", at)
        if end < 0:
            break
        n_damaged += 1
        at = end + 1
    return Entries(votes, n_damaged)


def _body(content: bytes, at: int) -> bytes | None:
    """The votes of the entry that begins there, as JSON; None if it does not match its checksum."""
    try:
        checksum, length = int(content[at : at + _DIGITS], 16), int(content[at + _DIGITS + 1 : at + _HEAD - 1], 16)
    except ValueError:
        return None
    sized = content[at + _DIGITS + 1 : at + _HEAD + length]
    return sized[_DIGITS + 1 :] if zlib.crc32(sized) == checksum else None


def _votes(body: bytes) -> list[Vote] | None:
    """None if another version of Tercet has written them, with other fields."""
    try:
        return [Vote(**{**row, "probabilities": tuple(row["probabilities"])}) for row in json.loads(body)]
    except (ValueError, TypeError, KeyError):
        return None


def _plain(value: Any) -> Any:
    """A number of numpy as a number of Python, of the same value."""
    return value.item()
