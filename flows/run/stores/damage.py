"""What is damaged in a store; once it is set aside, only that is asked or computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from corpora.reading.damage import ASIDE, Damage
from corpora.shaping.pins import damaged_pins
from corpora.sources.folder.conversions import damaged_conversions
from corpora.storage import StorePath
from flows.session.kernel_choices import KernelChoices
from flows.session.workspace import LEDGER, Workspace
from labeling.votes.ledger_check import damaged_votes
from results.gold.review.storage import damaged_reviews
from results.store.finished import damaged_runs
from retrieval.embedding.vector_cache import damaged_vectors

COPIED_AGAIN = "the next run from a recording copies its votes again"

Checker = Callable[[Workspace], Iterator[Damage]]


def check_votes(workspace: Workspace) -> Iterator[Damage]:
    """The ledgers: every vote that was given, and those that were copied from a recording."""
    yield from damaged_votes(workspace.ledger, workspace.spool)
    # Nothing is added to a recording, so no part of it lies in the spool.
    for folder in _recordings(workspace):
        for damage in damaged_votes(folder / LEDGER):
            yield damage._replace(effect=COPIED_AGAIN)


def check_vectors(workspace: Workspace) -> Iterator[Damage]:
    """The embedding cache."""
    return damaged_vectors(workspace.embeddings)


def check_pins(workspace: Workspace) -> Iterator[Damage]:
    """The pinned samples."""
    return damaged_pins(workspace.samples)


def check_conversions(workspace: Workspace) -> Iterator[Damage]:
    """The texts that files were converted to."""
    return damaged_conversions(workspace.converted)


def check_runs(workspace: Workspace) -> Iterator[Damage]:
    """The finished runs: their manifests and tables."""
    return damaged_runs(workspace.root)


def check_kernels(workspace: Workspace) -> Iterator[Damage]:
    """How the models of the store are run."""
    for folder in (workspace.root, *_recordings(workspace)):
        damage = KernelChoices(folder).damaged()
        if damage:
            yield damage


def _recordings(workspace: Workspace) -> Iterator[StorePath]:
    """Folders of what was copied from recordings: one for all, as older versions had it, and one for each."""
    yield (folder := workspace.root / "recorded")
    if folder.is_dir():
        yield from sorted((one for one in folder.iterdir() if one.is_dir() and one.name != ASIDE), key=str)


def check_reviews(workspace: Workspace) -> Iterator[Damage]:
    """The labels that people gave."""
    return damaged_reviews(workspace.root)


# Each looks through one kind of files, and changes nothing.
CHECKERS: tuple[Checker, ...] = (
    check_votes,
    check_vectors,
    check_pins,
    check_conversions,
    check_runs,
    check_kernels,
    check_reviews,
)


def find_damage(workspace: Workspace) -> Iterator[Damage]:
    """Everything in a store that is not as Tercet wrote it."""
    for checker in CHECKERS:
        yield from checker(workspace)
