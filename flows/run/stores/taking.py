"""Taking over the answers of another store, so that what was asked there is not asked again here."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError
from corpora.storage import StorePath, entries
from flows.session.kernel_choices import FILE, KernelChoices
from flows.session.workspace import LEDGER, Workspace
from labeling.votes.ledger import Ledger

_FINGERPRINT = re.compile("[0-9a-f]{32}")


class Taken(NamedTuple):
    """What was taken over.

    Attributes:
        n_new: answers that were not here.
        n_known: answers that were.
        is_silent: whether the other store does not say how its models were run, though models gave answers.
    """

    n_new: int
    n_known: int
    is_silent: bool


def take_answers(workspace: Workspace, other: StorePath) -> Taken:
    """Take over the answers of all readers of another store; nothing in it changes but journals of killed runs.

    Args:
        workspace: the store that takes them.
        other: the other one, or any folder that holds its `ledger`, such as that of a published run.

    Nothing is taken before all of it is known to be sound.

    Raises:
        InputError: it has no answers, an answer is damaged, or the two stores run a model in different ways or may do.
    """
    readers = _readers(other)
    if not readers:
        raise InputError(
            f"{other} has no folder `{LEDGER}` with answers", "a store, or a published run that has its answers",
            "check the path",
        )  # fmt: skip
    is_silent = _is_local(other) and not KernelChoices(other).all()
    _take_choices(workspace, other, is_silent=is_silent)
    n_new = n_all = 0
    for name in readers:
        votes = Ledger(other / LEDGER, name).votes()
        n_all += len(votes)
        with Ledger(workspace.ledger, name, spool=workspace.spool) as ledger:
            n_new += ledger.take(votes)
    return Taken(n_new, n_all - n_new, is_silent=is_silent)


def _take_choices(workspace: Workspace, other: StorePath, *, is_silent: bool) -> None:
    """How the other store runs its models, which this one has to do in the same way."""
    here, there = KernelChoices(workspace.root), KernelChoices(other).all()
    strange = {one for one, repack in here.all().items() if there.get(one, repack) != repack}
    if strange:
        raise _mixed(
            f"{other} and {workspace.root} run a model in different ways ({FILE}, sha256 {min(strange)[:12]}...)"
        )
    # Without the file, nobody knows which weights were rearranged. That they were is what a store takes it for.
    if is_silent and "off" in here.all().values():
        raise _mixed(f"{other} has no {FILE}, which says how its models were run, as {workspace.root} does", other)
    if "off" in there.values() and not here.all() and _is_local(workspace.root):
        raise _mixed(
            f"{workspace.root} has no {FILE}, which says how its models were run, as {other} does", workspace.root
        )
    for sha256, repack in there.items():
        here.put(sha256, repack)


def _mixed(found: str, silent: StorePath | None = None) -> InputError:
    copies = f"copy the {FILE} of the store that its answers come from into {silent}, or " if silent else ""
    return InputError(
        found, "answers that are rounded alike, so that a store holds no mixture", f"{copies}give a new --store"
    )


def _is_local(store: StorePath) -> bool:
    """Whether models on a machine gave answers of a store, not only servers; all its answers are read.

    Raises:
        InputError: an answer is damaged.
    """
    found = [
        not Ledger(store / LEDGER, name)
        .votes()
        .filter(pl.col("label").is_not_null(), pl.col("served").is_null())
        .is_empty()
        for name in _readers(store)
    ]
    return any(found)


def _readers(store: StorePath) -> list[str]:
    """The fingerprints of the readers that a store has a ledger of."""
    found = [one.name for one in entries(store / LEDGER) if _FINGERPRINT.fullmatch(one.name) and one.is_dir()]
    return sorted(found)
