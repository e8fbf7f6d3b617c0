"""Taking over the answers of another store, so that what was asked there is not asked again here."""

from __future__ import annotations

import re
from typing import NamedTuple

from corpora.errors import InputError
from corpora.storage import StorePath, entries
from flows.session.kernel_choices import KernelChoices
from flows.session.workspace import LEDGER, Workspace
from labeling.votes.ledger import Ledger

_FINGERPRINT = re.compile("[0-9a-f]{32}")


class Taken(NamedTuple):
    """What was taken over.

    Attributes:
        n_new: answers that were not here.
        n_known: answers that were.
    """

    n_new: int
    n_known: int


def take_answers(workspace: Workspace, other: StorePath) -> Taken:
    """Take over the answers of all readers of another store; nothing in it changes but journals of killed runs.

    Args:
        workspace: the store that takes them.
        other: the other one, or any folder that holds its `ledger`, such as that of a published run.

    Raises:
        InputError: it has no answers, an answer is damaged, or the two stores run a model in different ways.
    """
    readers = [one for one in entries(other / LEDGER) if _FINGERPRINT.fullmatch(one.name)]
    if not readers:
        raise InputError(
            f"{other} has no folder `{LEDGER}` with answers", "a store, or a published run that has its answers",
            "check the path",
        )  # fmt: skip
    _take_choices(workspace, other)
    n_new = n_all = 0
    for folder in sorted(readers, key=lambda one: one.name):
        votes = Ledger(other / LEDGER, folder.name).votes()
        n_all += len(votes)
        with Ledger(workspace.ledger, folder.name, spool=workspace.spool) as ledger:
            n_new += ledger.take(votes)
    return Taken(n_new, n_all - n_new)


def _take_choices(workspace: Workspace, other: StorePath) -> None:
    """How the other store runs its models, which this one has to do in the same way."""
    here, there = KernelChoices(workspace.root), KernelChoices(other).all()
    strange = {one for one, repack in here.all().items() if there.get(one, repack) != repack}
    if strange:
        raise InputError(
            f"{other} and {workspace.root} run a model in different ways (kernels.json, sha256 {min(strange)[:12]}...)",
            "answers that are rounded alike, so that a store holds no mixture",
            "give a new --store",
        )
    for sha256, repack in there.items():
        here.put(sha256, repack)
