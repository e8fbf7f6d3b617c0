"""The batch jobs of a store: submitted without waiting, listed, collected, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from corpora.errors import InputError, counted
from corpora.storage import StorePath, require_folder
from flows.planning.first_asks import submit_all
from flows.planning.quote import authorise
from flows.session.experiment import Experiment
from flows.session.session import Session
from flows.session.workspace import Workspace
from labeling.remote.jobs.desk import BatchDesk
from labeling.remote.jobs.job import BATCH, LABELER, PAID, read_labeler
from labeling.remote.jobs.parts import load_parts


def submit(experiment: Experiment, session: Session, confirm: Callable[[str], bool]) -> Iterator[str]:
    """Submit what every batch reader is asked about whole documents; one line each.

    Raises:
        InputError: no reader is asked in batches, it would cost more than allowed, or the provider refuses.
    """
    readers = tuple(reader for reader in experiment.readers if reader.remote.api_first == "batch")
    if not readers:
        raise InputError(
            f"experiment {experiment.name!r} has no reader that is asked in batches",
            "a reader with remote.provider groq or openai",
            "add one, or run `tercet label`",
        )
    batched = experiment.model_copy(update={"readers": readers})
    session.begin_spending(authorise(batched, session, confirm, all_corpora=False, reads=False))
    lines = 0
    for line in submit_all(batched, session, all_corpora=False):
        lines += 1
        yield line
    for reader in readers:
        if session.providers.known_api(reader.remote) == "direct":
            lines += 1
            yield f"{reader.label}: this {reader.remote.provider} plan has no batches; `tercet label` asks call by call"
    if not lines:
        yield "Nothing to submit: the ledger has every vote."


def batches(number: int) -> str:
    """A number of batches in words."""
    return f"{number} batch{'es' * (number != 1)}"


def _folders(store: StorePath) -> list[Path]:
    """Folders of a store's batch jobs."""
    folder = require_folder(Workspace(store).ledger, PAID)
    return sorted(file.parent for file in folder.glob(f"*/{BATCH}/{LABELER}"))


def count_open(store: StorePath) -> int:
    """How many batches may still bring votes."""
    return sum(part.is_open for folder in _folders(store) for part in load_parts(folder))


def describe_jobs(store: StorePath) -> Iterator[str]:
    """One line per batch: whose it is, how far it has come, and what it brought."""
    for folder in _folders(store):
        name = read_labeler(folder)[0].label
        for part in load_parts(folder):
            gave = ", ".join(f"{n} {what}" for what, n in part.counts.items() if n)
            made = datetime.fromtimestamp(part.created_at, UTC).isoformat(" ", "minutes") if part.created_at else "-"
            yield (
                f"{name}  {part.id}  {part.batch_id or '-'}  {made}  {counted(part.n_requests, 'request')}  {part.step}"
                f"{f' ({part.status})' if part.status else ''}{f': {gave}' if gave else ''}"
            )


def collect_jobs(store: StorePath, *, wait: bool) -> Iterator[str]:
    """Collect what has finished, or wait for everything; one line per batch, and one for what is still under way.

    Raises:
        InputError: a key is missing, or the provider refuses; raised after the other jobs were collected.
    """
    yield from _each(store, lambda name, desk: _collect(name, desk, wait=wait))


def _collect(name: str, desk: BatchDesk, *, wait: bool) -> Iterator[str]:
    for part in desk.finished(submits=False) if wait else desk.poll():
        results = desk.collect(part.id)
        if part.id not in desk.problems:
            yield f"{name}: {counted(len(results.new), 'vote')} of batch {part.batch_id} ({part.status})"
    parts = desk.open_parts()
    for left, how in (
        ([part for part in parts if part.may_have_a_batch], "under way"),
        ([part for part in parts if not part.may_have_a_batch], "not submitted yet: run `tercet label` to continue"),
    ):
        if left:
            n_requests, verb = sum(part.n_requests for part in left), "is" if len(left) == 1 else "are"
            yield f"{name}: {batches(len(left))} with {counted(n_requests, 'request')} {verb} {how}"
    if desk.problems:
        raise next(iter(desk.problems.values()))


def cancel_jobs(store: StorePath) -> Iterator[str]:
    """Cancel everything that is under way; one line per reader.

    Raises:
        InputError: a key is missing, or the provider refuses; raised after the other jobs were cancelled.
    """

    def cancel(name: str, desk: BatchDesk) -> Iterator[str]:
        cancelled = batches(desk.cancel())
        yield f"{name}: {cancelled} cancelled; `tercet batches collect` fetches the answers that were ready"

    yield from _each(store, cancel)


def _each(store: StorePath, work: Callable[[str, BatchDesk], Iterator[str]]) -> Iterator[str]:
    """Work on every job with open parts; one that fails does not hold up the others."""
    problems: list[InputError] = []
    n_jobs = 0
    for folder in _folders(store):
        if not any(part.is_open for part in load_parts(folder)):
            continue
        n_jobs += 1
        try:
            config, labels = read_labeler(folder)
            with Session(Workspace(store)) as session:
                yield from work(config.label, session.desk(config, labels))
        except InputError as error:
            problems.append(error)
    if not n_jobs:
        yield f"No batches are open in {store}."
    if problems:
        raise problems[0]


def forget_part(store: StorePath, part_id: str, confirm: Callable[[str], bool]) -> str:
    """Forget an open batch, so that what it lacks is asked for again; returns a line about it.

    Args:
        store: the store.
        part_id: its id in the list of batches.
        confirm: asked with what would be lost.

    Raises:
        InputError: no such part, its batch is at work or has its results, or a key is missing.
    """
    for folder in _folders(store):
        if any(part.id == part_id and part.is_open for part in load_parts(folder)):
            config, labels = read_labeler(folder)
            with Session(Workspace(store)) as session:
                loss = session.desk(config, labels).forget(part_id, confirm)
            if loss:
                return f"{config.label}: batch {part_id} is forgotten, and the answers that it had are kept; {loss}"
    raise InputError(f"no open batch {part_id!r}", "an id from `tercet batches list`", "correct the id")
