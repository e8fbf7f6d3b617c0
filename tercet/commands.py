"""The commands of `tercet` as functions: they run what the command line runs, and never ask anything."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Imported inside the functions: everything that loads a library.
if TYPE_CHECKING:
    from corpora.storage import StorePath
    from flows.session.experiment import Experiment as Checked
    from flows.session.experiment import Kind
    from flows.session.session import Session
    from flows.session.workspace import Workspace
    from tercet.experiments import Experiment
    from tercet.plans import Plan
    from tercet.runs import Run

STORE = "runs"  # as the command line's
ASK_AFRESH = 'ask the readers on this machine with `tercet.run("demo")`'


def run(
    experiment: str | Path | Checked, *, store: str | Path | None = None, data: str | Path | None = None,
    max_cost: float | None = None, sizes: Iterable[int] | None = None, k: Iterable[int] | None = None,
    budgets: Iterable[int] | None = None, until_told: bool = False, threads: int | None = None,
    n_batch: int | None = None, progress: bool = True,
) -> Run:  # fmt: skip
    """Run a whole experiment: label, sweep and compare.

    A run that was interrupted goes on where it stopped when the same call is made again. Nothing is asked on standard
    input: without `max_cost`, here or in the experiment, remote readers that cost anything are refused.

    Args:
        experiment: a TOML file, the name of a bundled experiment such as `demo`, or an `Experiment`.
        store: folder for runs, votes and caches, or an address such as s3://bucket/runs; by default `$TERCET_STORE`, or
            `runs` in the current folder.
        data: folder of your own copies of published corpora; by default `$TERCET_DATA`, or the fetched ones.
        max_cost: US dollars that this run may spend on remote readers.
        sizes: chunk sizes, in place of the experiment's.
        k: how many chunks the reader sees, in place of the experiment's.
        budgets: token budgets, in place of the experiment's.
        until_told: read in looks, each of twice as many questions, and stop once the advice is told.
        threads: CPU threads for local readers.
        n_batch: maximum tokens evaluated in one call.
        progress: whether progress is shown, under the cell or on standard error.

    Raises:
        InputError: something is wrong with the input, in one line.
    """
    wanted = changed(
        experiment, max_cost=max_cost, sizes=sizes, k=k, budgets=budgets, until_told=until_told, threads=threads,
        n_batch=n_batch,
    )  # fmt: skip
    return _execute("run", wanted, _workspace(wanted, store, data), progress=progress)


def sweep(
    experiment: str | Path | Checked, *, store: str | Path | None = None, data: str | Path | None = None,
    max_cost: float | None = None, sizes: Iterable[int] | None = None, k: Iterable[int] | None = None,
    budgets: Iterable[int] | None = None, until_told: bool = False, threads: int | None = None,
    n_batch: int | None = None, progress: bool = True,
) -> Run:  # fmt: skip
    """Score every chunk size against the gold sets; missing votes are asked for first. Arguments as for `run`.

    Raises:
        InputError: as for `run`.
    """
    wanted = changed(
        experiment, max_cost=max_cost, sizes=sizes, k=k, budgets=budgets, until_told=until_told, threads=threads,
        n_batch=n_batch,
    )  # fmt: skip
    return _execute("sweep", wanted, _workspace(wanted, store, data), progress=progress)


def label(
    experiment: str | Path | Checked, *, store: str | Path | None = None, data: str | Path | None = None,
    max_cost: float | None = None, threads: int | None = None, n_batch: int | None = None, progress: bool = True,
) -> Run:  # fmt: skip
    """Ask every reader three times and build the gold sets. Arguments as for `run`.

    Raises:
        InputError: as for `run`; also if the experiment has no reader.
    """
    wanted = changed(experiment, max_cost=max_cost, threads=threads, n_batch=n_batch)
    return _execute("label", wanted, _workspace(wanted, store, data), progress=progress)


def compare(
    experiment: str | Path | Checked, *, store: str | Path | None = None, data: str | Path | None = None,
    max_cost: float | None = None, threads: int | None = None, n_batch: int | None = None, progress: bool = True,
) -> Run:  # fmt: skip
    """Compare the readers of an experiment on the same questions. Arguments as for `run`.

    Raises:
        InputError: as for `run`; also if the experiment has fewer than two readers.
    """
    wanted = changed(experiment, max_cost=max_cost, threads=threads, n_batch=n_batch)
    return _execute("compare", wanted, _workspace(wanted, store, data), progress=progress)


def demo(*, store: str | Path | None = None, progress: bool = True) -> Run:
    """Run the bundled demonstration: a handbook is swept here, and the votes of its readers come from a recording.

    `tercet.run("demo")` asks the readers on this machine.

    Args:
        store: as for `run`.
        progress: as for `run`.
    """
    from flows.session.recording import open_recording, recording_of

    experiment = changed("demo")
    session = open_recording(recording_of("demo"), _workspace(experiment, store), ASK_AFRESH)
    return _execute_in(session, "run", experiment, progress=progress)


def plan(
    experiment: str | Path | Checked, kind: Kind = "run", *, store: str | Path | None = None,
    data: str | Path | None = None,
    sizes: Iterable[int] | None = None, k: Iterable[int] | None = None, budgets: Iterable[int] | None = None,
    until_told: bool = False, threads: int | None = None, n_batch: int | None = None, measure: bool = False,
) -> Plan:  # fmt: skip
    """What a run would ask, how long it would take and what it would cost. Arguments as for `run`.

    Nothing is sent to a provider. The time is worked out from the speed at which local readers last answered.

    Args:
        experiment: as for `run`.
        kind: the function to plan: `run`, `label`, `sweep` or `compare`.
        store: as for `run`.
        data: as for `run`.
        sizes: as for `run`.
        k: as for `run`.
        budgets: as for `run`.
        until_told: as for `run`.
        threads: as for `run`.
        n_batch: as for `run`.
        measure: ask local readers a few questions, to measure their speed anew.

    Raises:
        InputError: as for `run`.
    """
    from flows.planning.whole_plan import whole_plan
    from tercet.plans import Plan

    wanted = changed(
        experiment, sizes=sizes, k=k, budgets=budgets, until_told=until_told, threads=threads, n_batch=n_batch
    )
    with _session(_workspace(wanted, store, data), reads_again=measure) as session:
        planned = whole_plan(wanted, kind, session, measures=measure)
    return Plan(planned.text, tuple(planned.local.notes), planned.seconds)


def _execute(kind: Kind, experiment: Experiment, workspace: Workspace, *, progress: bool) -> Run:
    return _execute_in(_session(workspace), kind, experiment, progress=progress)


def _execute_in(session: Session, kind: Kind, experiment: Experiment, *, progress: bool) -> Run:
    from flows.run.pipeline import execute
    from flows.stages.runner import Runner
    from tercet.notebooks import progress_here
    from tercet.runs import Run

    with session:
        folder = execute(experiment, kind, session, Runner(progress_here(shown=progress))).folder
    return Run(folder)


def _session(workspace: Workspace, *, reads_again: bool = False) -> Session:
    from flows.session.session import Session
    from labeling.engine.local_readers import LocalReaders

    return Session(workspace, LocalReaders(reads_again=reads_again))


def _workspace(experiment: Experiment, store: str | Path | None, data: str | Path | None = None) -> Workspace:
    from flows.session.workspace import workspace_of

    return workspace_of(experiment, store_of(store), experiment.folder, Path(data).expanduser() if data else None)


def changed(experiment: str | Path | Checked, **settings: Any) -> Experiment:
    """The experiment that is meant, with other settings, checked like the experiment's own.

    Args:
        experiment: as for `run`.
        settings: those of `Experiment.with_settings`; None leaves one as it is.

    Raises:
        InputError: there is no such experiment, or a setting is wrong.
    """
    from tercet.experiments import Experiment

    if isinstance(experiment, str | Path):
        made = Experiment.from_toml(experiment)
    else:
        made = experiment if isinstance(experiment, Experiment) else Experiment.from_settings(experiment, Path.cwd())
    return made.with_settings(**settings)


def store_of(given: str | Path | None) -> StorePath:
    """The store that is meant, valid from any current folder.

    Raises:
        InputError: it cannot be a store, or does not answer.
    """
    from corpora.storage import absolute, open_store

    return absolute(open_store(os.environ.get("TERCET_STORE") or STORE if given is None else given))
