"""The flows label, sweep and compare as Prefect knows them: stages are tasks, the report is an artifact.

A task is a shard of work, never a question, and keeps no result: the ledger is the one source of truth, so that a
retried run asks only what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

from corpora.errors import InputError
from flows.experiment import Experiment, check_experiment
from flows.manifest import Kind
from flows.pipeline import Outcome, execute, refuse_to_ask
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
        refused: list[InputError] = []

        @wraps(stage)
        def guarded(*given: Any) -> Any:
            try:
                return stage(*given)
            except InputError as error:
                # The user's mistake: a failed state with its line. An exception would be logged with a traceback.
                refused.append(error)
                return Failed(message=str(error))

        state = decorate(guarded)(*args, return_state=True)
        if refused:
            raise refused[0]
        result: T = state.result()
        return result

    def artifact(self, key: str, markdown: str) -> None:
        """Show a text in the UI, which cannot reach the pictures beside a report."""
        markdown = re.sub(r"^!\[.*\]\(.*\)\n\n", "", markdown, flags=re.MULTILINE)
        create_markdown_artifact(key=re.sub(r"[^a-z0-9-]+", "-", key.lower()), markdown=markdown)


def _execute(kind: Kind, experiment: Experiment, store: Path, base: Path) -> Any:
    """The verdict in one line, or a failed state that says what the user can put right."""
    try:
        return execute(check_experiment(experiment), kind, Workspace(store, base), TaskRunner()).line
    except InputError as error:
        return Failed(message=str(error))


@flow(name="label", persist_result=False)
def label(experiment: Experiment = Experiment(), store: Path = Path("runs"), base: Path = Path()) -> Any:  # noqa: B008  (immutable; Prefect shows defaults in its form)
    """Ask every reader three times with the whole document, and keep what all three votes agree on."""
    return _execute("label", experiment, store, base)


@flow(name="sweep", persist_result=False)
def sweep(experiment: Experiment = Experiment(), store: Path = Path("runs"), base: Path = Path()) -> Any:  # noqa: B008  (as above)
    """Chunk at every size, retrieve, let the readers answer, and say which size to use."""
    return _execute("sweep", experiment, store, base)


@flow(name="compare", persist_result=False)
def compare(experiment: Experiment = Experiment(), store: Path = Path("runs"), base: Path = Path()) -> Any:  # noqa: B008  (as above)
    """Compare readers as labelers of the same questions."""
    return _execute("compare", experiment, store, base)


FLOWS = {"label": label, "sweep": sweep, "compare": compare}


def execute_as_flow(
    experiment: Experiment, kind: Kind, workspace: Workspace, confirm: Callable[[str], bool] = refuse_to_ask
) -> Outcome:
    """Run an experiment as a flow, on the configured Prefect API or on one that lives as long as the run.

    Raises:
        InputError: as `execute`.
    """
    done: list[Outcome | InputError] = []

    @flow(name=kind, persist_result=False)
    def started_here() -> Any:
        try:
            done.append(execute(experiment, kind, workspace, TaskRunner(), confirm))
        except InputError as error:
            done.append(error)
            return Failed(message=str(error))

    state: Any = started_here(return_state=True)
    if not done:
        state.result()
    if isinstance(done[0], InputError):
        raise done[0]
    return done[0]
