"""Stages as Prefect tasks: states and timings in the UI; no result is kept, as the ledger is the source of truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed

from corpora.errors import InputError
from flows.runners.artifacts import show_details, show_verdict
from flows.runners.live import Live
from flows.runners.names import REFUSED
from flows.stages.runner import Finished, Runner

T = TypeVar("T")


def as_task(stage: Callable[..., T], name: str) -> Any:
    """A stage function as a task that keeps no result."""
    return task(name=name, persist_result=False, cache_policy=NO_CACHE)(stage)


def task_name(stage: Callable[..., Any]) -> str:
    """A stage's name in the UI."""
    return stage.__name__.replace("_", "-")


def refusal(error: InputError) -> State[Any]:
    """The state of what a mistake in the user's input stopped."""
    return Failed(name=REFUSED, message=f"Refused: {error}")


class TaskRunner(Runner):
    """Runs every stage as a Prefect task of the flow run that is under way."""

    def __init__(self) -> None:
        super().__init__(Live())

    def call(self, stage: Callable[..., T], *args: Any) -> T:
        """Run a stage as a task named after its function."""
        refused: list[InputError] = []

        @wraps(stage)
        def guarded(*given: Any) -> Any:
            try:
                return stage(*given)
            except InputError as error:
                # The user's mistake: a failed state with its line. An exception would be logged with a traceback.
                refused.append(error)
                return refusal(error)

        state = as_task(guarded, task_name(stage))(*args, return_state=True)
        if refused:
            raise refused[0]
        result: T = state.result()
        return result

    def show(self, finished: Finished) -> None:
        """Show the run as artifacts of the flow run."""

        def report() -> None:
            show_details(finished)

        as_task(report, "report")()
        show_verdict(finished)
        # Whoever reads the log of the run finds its answers there, too.
        for answer in finished.record.answers:
            self.progress.say(f"{answer.question} {answer.sentence}")
        self.progress.say(f"Report and tables: {finished.folder}")
