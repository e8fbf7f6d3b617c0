"""What is damaged in a store; once it is set aside, only that is asked or computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from corpora.damage import Damage
from flows.session.workspace import Workspace
from labeling.votes.ledger_check import damaged_votes

Checker = Callable[[Workspace], Iterator[Damage]]


def check_votes(workspace: Workspace) -> Iterator[Damage]:
    """The ledgers: every vote that was given."""
    return damaged_votes(workspace.ledger, workspace.spool)


# Each looks through one kind of files, and changes nothing.
CHECKERS: tuple[Checker, ...] = (check_votes,)


def find_damage(workspace: Workspace) -> Iterator[Damage]:
    """Everything in a store that is not as Tercet wrote it."""
    for checker in CHECKERS:
        yield from checker(workspace)
