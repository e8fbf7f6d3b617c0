"""What is damaged in a store; once it is set aside, only that is asked or computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from corpora.damage import Damage
from corpora.shaping.pins import damaged_pins
from flows.session.kernel_choices import KernelChoices
from flows.session.workspace import Workspace
from labeling.votes.ledger_check import damaged_votes
from results.gold.review.storage import damaged_reviews
from results.store.finished import damaged_runs
from retrieval.embedding.vector_cache import damaged_vectors

Checker = Callable[[Workspace], Iterator[Damage]]


def check_votes(workspace: Workspace) -> Iterator[Damage]:
    """The ledgers: every vote that was given."""
    return damaged_votes(workspace.ledger, workspace.spool)


def check_vectors(workspace: Workspace) -> Iterator[Damage]:
    """The embedding cache."""
    return damaged_vectors(workspace.embeddings)


def check_pins(workspace: Workspace) -> Iterator[Damage]:
    """The pinned samples."""
    return damaged_pins(workspace.samples)


def check_runs(workspace: Workspace) -> Iterator[Damage]:
    """The finished runs: their manifests and tables."""
    return damaged_runs(workspace.root)


def check_kernels(workspace: Workspace) -> Iterator[Damage]:
    """How the models of the store are run."""
    damage = KernelChoices(workspace.root).damaged()
    if damage:
        yield damage


def check_reviews(workspace: Workspace) -> Iterator[Damage]:
    """The labels that people gave."""
    return damaged_reviews(workspace.root)


# Each looks through one kind of files, and changes nothing.
CHECKERS: tuple[Checker, ...] = (check_votes, check_vectors, check_pins, check_runs, check_kernels, check_reviews)


def find_damage(workspace: Workspace) -> Iterator[Damage]:
    """Everything in a store that is not as Tercet wrote it."""
    for checker in CHECKERS:
        yield from checker(workspace)
