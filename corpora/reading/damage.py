"""Damaged files of a store: how they are noticed, how they are named, and how they are set aside without being deleted.

A file carries a digest of its bytes in its name, so that a flipped bit is noticed when it is read. Parquet's own page
checksums do not serve for this: Polars neither writes nor verifies them.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from corpora.errors import InputError
from corpora.storage import StorePath, move, written_whole

_SEALED = re.compile(r"-([0-9a-f]{32})\.[a-z]+")
ASIDE = "damaged"  # folder beside a damaged file that it is moved into


def _keep_nothing() -> None:
    """Nothing in the file is known to be intact."""


class Damage(NamedTuple):
    """A file or folder of a store that is not as Tercet wrote it.

    Attributes:
        path: the file or folder.
        found: what is wrong with it, as a clause about it ("its bytes do not match the digest in its name").
        effect: what happens once it is set aside, as a clause ("its votes are asked again").
        salvage: keeps what is intact in it elsewhere in the store; called before it is set aside.
    """

    path: StorePath
    found: str
    effect: str
    salvage: Callable[[], None] = _keep_nothing


class DamageError(InputError):
    """A damaged file was about to be read; its line says how to go on."""

    def __init__(self, damage: Damage) -> None:
        self.damage = damage
        super().__init__(
            f"{damage.path} is damaged ({damage.found})",
            "a file as Tercet wrote it",
            f"restore it from a backup, or run `tercet store check --set-aside` on this store: then {damage.effect}",
        )


def set_aside(damage: Damage) -> StorePath:
    """Keep what is intact, and move the rest into a folder beside it, where nothing reads it; returns where it is now.

    Raises:
        OSError: it cannot be moved.
    """
    damage.salvage()
    folder = damage.path.parent / ASIDE
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / damage.path.name
    if target.exists():
        target = folder / f"{damage.path.stem}-{uuid.uuid4().hex[:8]}{damage.path.suffix}"
    with suppress(FileNotFoundError):  # another process has just set it aside
        move(damage.path, target)
    return target


def digest_of(data: bytes) -> str:
    """The digest that a name carries: the first half of a sha256."""
    return hashlib.sha256(data).hexdigest()[:32]


def digest_in(name: str) -> str | None:
    """The digest that a file's name carries; None if it carries none, as in stores of older versions."""
    found = _SEALED.search(name)
    return found[1] if found and found.end() == len(name) else None


def write_sealed(folder: StorePath, stem: str, suffix: str, data: bytes) -> StorePath:
    """Write a file, whole or not at all, under a name that carries its digest.

    Args:
        folder: where; it is made if need be.
        stem: what the name begins with.
        suffix: what it ends with, such as `.parquet`.
        data: the content.

    Raises:
        OSError: the file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{stem}-{digest_of(data)}{suffix}"
    with written_whole(target) as file:
        file.write(data)
    return target


def read_sealed(path: StorePath, effect: str) -> bytes:
    """The content of a file; if its name carries a digest, the content has it.

    Args:
        path: the file.
        effect: what happens once it is set aside, as in `Damage`.

    Raises:
        DamageError: the content does not have the digest.
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    digest = digest_in(path.name)
    if digest is not None and digest != digest_of(data):
        raise DamageError(Damage(path, "its bytes do not have the digest in its name", effect))
    return data


def seal(path: StorePath, data: bytes) -> StorePath:
    """Give a file of an older version a name that carries its digest, so that it is safe from now on.

    Args:
        path: a file whose name carries no digest.
        data: its content.

    Raises:
        OSError: it cannot be renamed.
    """
    target = path.with_name(f"{path.stem}-{digest_of(data)}{path.suffix}")
    move(path, target)
    return target
