"""The flows label, sweep and compare as Prefect knows them: stages are tasks, the report is an artifact.

A task is a shard of work, never a question, and keeps no result: the ledger is the one source of truth, so that a
retried run asks only what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from corpora.sources import load_corpus
from flows.experiment import Experiment, check_experiment
from flows.pipeline import Kind, Outcome, execute, verify_models
from flows.progress import Quiet
from flows.runner import Runner
from flows.workspace import Workspace

T = TypeVar("T")


class Told(Quiet):
    """Progress as lines in the log of the flow run."""

    def say(self, line: str) -> None:
        """Log the line."""
        get_run_logger().info(line)


class TaskRunner(Runner):
    """Runs every stage as a Prefect task."""

    def __init__(self) -> None:
        super().__init__(Told())

    def call(self, stage: Callable[..., T], *args: Any) -> T:
        """Run a stage as a task named after its function."""
        name = stage.__name__.replace("_", "-")
        decorate = task(name=name, persist_result=False, cache_policy=NO_CACHE)
        result: T = decorate(stage)(*args)
        return result

    def artifact(self, key: str, markdown: str) -> None:
        """Show a text in the UI."""
        create_markdown_artifact(key=re.sub(r"[^a-z0-9-]+", "-", key.lower()), markdown=markdown)


def _execute(kind: Kind, experiment: Experiment, store: Path, base: Path) -> Outcome:
    return execute(check_experiment(experiment), kind, Workspace(store, base), TaskRunner())


@flow(name="label", persist_result=False)
def label(experiment: Experiment = Experiment(), store: Path = Path("runs"), base: Path = Path()) -> str:  # noqa: B008  (immutable; Prefect shows defaults in its form)
    """Ask every reader three times with the whole document, and keep what all three votes agree on."""
    return _execute("label", experiment, store, base).line


@flow(name="sweep", persist_result=False)
def sweep(experiment: Experiment = Experiment(), store: Path = Path("runs"), base: Path = Path()) -> str:  # noqa: B008  (as above)
    """Chunk at every size, retrieve, let the readers answer, and say which size to use."""
    return _execute("sweep", experiment, store, base).line


@flow(name="compare", persist_result=False)
def compare(experiment: Experiment = Experiment(), store: Path = Path("runs"), base: Path = Path()) -> str:  # noqa: B008  (as above)
    """Compare readers as labelers of the same questions."""
    return _execute("compare", experiment, store, base).line


FLOWS = {"label": label, "sweep": sweep, "compare": compare}


def execute_as_flow(experiment: Experiment, kind: Kind, workspace: Workspace) -> Outcome:
    """Run an experiment as a flow, on the configured Prefect API or on one that lives as long as the run.

    Raises:
        InputError: as `execute`; what can be seen at once is checked before the flow starts.
    """
    verify_models(experiment, workspace, sweeps=kind in ("sweep", "run"))
    load_corpus(experiment.corpus.resolved(workspace.base), workspace.samples)
    outcomes: list[Outcome] = []

    @flow(name=kind, persist_result=False)
    def started_here() -> None:
        outcomes.append(_execute(kind, experiment, workspace.root, workspace.base))

    started_here()
    return outcomes[0]
