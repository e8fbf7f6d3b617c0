"""The names of specialists: a name is that of one specialist, and a specialist has one name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from corpora.errors import InputError
from flows.run.gold.specialist.learning import Order
from flows.run.gold.specialist.source import Source
from labeling.specialist.folder import MANIFEST, SHOWN, SPECIALISTS, Manifest, Specialist, read_specialist

KEY = "key"  # of everything that a training depends on, in the manifest; older versions wrote none


def check_name(store: Path, order: Order, source: Source, key: str = "") -> bool:
    """Refuse a name that is taken by another training, and another name for the same training.

    Args:
        store: the store.
        order: what is to be trained, with its name.
        source: what on.
        key: of everything that the training depends on; empty where that is not known yet.

    Returns:
        Whether the same training is in the store already, as far as can be told.

    Raises:
        InputError: as said.
    """
    is_there = False
    for one in _kept(store):
        same_key = bool(key) and one.manifest.training.get(KEY) == key
        if one.manifest.name == order.name:
            other = _difference(one.manifest, order, source, key)
            if other:
                raise _taken(one, f"which was trained {other}")
            is_there = True
        elif same_key:
            raise _known(one)
    return is_there


def check_digest(store: Path, name: str, digest: str) -> None:
    """Refuse to keep a second specialist under a name, and one that has another name already.

    Raises:
        InputError: as said.
    """
    for one in _kept(store):
        if one.manifest.name == name and one.manifest.digest != digest:
            raise _taken(one, "which was trained differently")
        if one.manifest.name != name and one.manifest.digest == digest:
            raise _known(one)


def used_as(specialist: Specialist) -> str:
    """How an experiment makes it a reader."""
    return f'model = "specialist:{specialist.manifest.digest[:SHOWN]}" under [[readers]]'


def _difference(kept: Manifest, order: Order, source: Source, key: str) -> str:
    """How the training of a specialist differs from what is ordered; empty if that is the same."""
    teaching = kept.teaching
    compared = (
        ("with --kind", kept.kind, order.kind), ("on the run", teaching.run, source.run),
        ("with --reader", teaching.reader, source.reader.label), ("with --seed", teaching.seed, order.recipe.seed),
        ("with --passages", kept.n_passages, order.n_passages),
    )  # fmt: skip
    for what, theirs, ours in compared:
        if theirs != ours:
            return f"{what} {theirs}, not {ours}"
    known = kept.training.get(KEY)
    return "with other labels or settings" if key and known and known != key else ""


def _taken(one: Specialist, why: str) -> InputError:
    return InputError(
        f"the name {one.manifest.name!r} is that of the specialist {one.manifest.digest[:SHOWN]}, {why}",
        "a name that no specialist in the store has",
        f"give another --name, or use that one with {used_as(one)}",
    )


def _known(one: Specialist) -> InputError:
    return InputError(
        f"the store has this very specialist as {one.manifest.name!r}",
        "one name for a specialist",
        f"use it with {used_as(one)}, or give --name {one.manifest.name} to score it again",
    )


def _kept(store: Path) -> Iterator[Specialist]:
    """The specialists of a store; a damaged one has no name."""
    for file in sorted((store / SPECIALISTS).glob(f"*/{MANIFEST}")):
        try:
            yield read_specialist(file.parent)
        except InputError:
            continue
