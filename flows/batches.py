"""The batch jobs of a store: submitted without waiting, listed, collected, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from corpora.errors import InputError
from flows.experiment import Experiment
from flows.measure import price_file
from flows.quote import authorise, submit_all
from flows.remote import begin_spending, open_desk
from flows.workspace import Workspace
from labeling.remote.batch import LABELER, BatchDesk, batch_folder, read_labeler
from labeling.remote.client import ProviderError
from labeling.remote.parts import load_parts


def submit(experiment: Experiment, workspace: Workspace, confirm: Callable[[str], bool]) -> list[str]:
    """Submit the votes on whole documents of every batch reader; a line each.

    Raises:
        InputError: no reader is asked in batches, it would cost more than was allowed, or the provider refuses.
    """
    if not any(reader.remote.api_first == "batch" for reader in experiment.readers):
        raise InputError(
            f"experiment {experiment.name!r} without a reader that is asked in batches",
            "a reader with remote.provider groq or openai",
            "add one, or run `tercet label`",
        )
    workspace = workspace._replace(prices=price_file(experiment, workspace))
    workspace = authorise(experiment, workspace, confirm, all_corpora=False, reads=False)
    begin_spending(workspace)
    lines = submit_all(experiment, workspace, all_corpora=False)
    return lines or ["Nothing to submit: the ledger has every vote, or the plan has no batches."]


def _folders(store: Path) -> list[Path]:
    """Folders of the batch jobs of a store."""
    return sorted(file.parent for file in Workspace(store).ledger.glob(f"{batch_folder(Path('*'))}/{LABELER}"))


def _desks(store: Path) -> Iterator[tuple[str, BatchDesk]]:
    """The jobs with open parts, each with its labeler's name."""
    for folder in _folders(store):
        if any(part.is_open for part in load_parts(folder)):
            config, labels = read_labeler(folder)
            yield config.label, open_desk(config, labels, Workspace(store))


def count_open(store: Path) -> int:
    """How many batches may still give votes."""
    return sum(part.is_open for folder in _folders(store) for part in load_parts(folder))


def describe_jobs(store: Path) -> Iterator[str]:
    """A line a batch: whose it is, how far it has come, and what it gave."""
    for folder in _folders(store):
        name = read_labeler(folder)[0].label
        for part in load_parts(folder):
            gave = ", ".join(f"{n} {what}" for what, n in part.counts.items() if n)
            yield (
                f"{name}  {part.id}  {part.batch_id or '-'}  {part.n_requests} requests  {part.step}"
                f"{f' ({part.status})' if part.status else ''}{f': {gave}' if gave else ''}"
            )


def collect_jobs(store: Path, *, wait: bool) -> Iterator[str]:
    """Collect what has finished, or everything; a line a batch, and one for what is still under way.

    Raises:
        InputError: a key is missing, or the provider refuses.
    """
    for name, desk in _desks(store):
        for part in desk.finished(submits=False) if wait else desk.poll():
            results = desk.collect(part.id)
            yield f"{name}: {len(results.votes)} votes of batch {part.batch_id} ({part.status})"
        parts = desk.open_parts()
        for left, how in (
            ([part for part in parts if part.is_under_way], "under way"),
            ([part for part in parts if not part.is_under_way], "not submitted yet: run `tercet label` to go on"),
        ):
            if left:
                yield f"{name}: {len(left)} batches with {sum(part.n_requests for part in left)} requests are {how}"


def forget_part(store: Path, part_id: str) -> str:
    """Forget an open batch, so that its votes are asked for again; a line about it.

    Raises:
        InputError: no such part, or a key is missing.
    """
    for name, desk in _desks(store):
        if desk.forget(part_id):
            return f"{name}: batch {part_id} is forgotten; the next run asks for its votes again"
    raise InputError(f"no open batch {part_id!r}", "an id of `tercet batches list`", "correct it")


def cancel_jobs(store: Path) -> Iterator[str]:
    """Cancel everything that is under way; a line a labeler.

    Raises:
        InputError: a key is missing, or the provider refuses.
    """
    for name, desk in _desks(store):
        try:
            yield f"{name}: {len(desk.cancel())} batches cancelled; `tercet batches collect` fetches what they gave"
        except ProviderError as error:
            raise desk.provider.explain(error, desk.config.model) from error
