"""Damaged files of a store: how they are named, and how they are set aside without being deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from corpora.errors import InputError
from corpora.storage import StorePath, move

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
