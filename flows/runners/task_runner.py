"""Stages as Prefect tasks: states and timings in the UI; no result is kept, as the ledger is the source of truth."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.logging import get_logger
from prefect.states import Failed

from corpora.errors import InputError
from flows.runners.artifacts import show_details, show_verdict
from flows.runners.live import Live
from flows.runners.names import REFUSED
from flows.stages.runner import Finished, Runner

T = TypeVar("T")
ENDED_WELL = "Finished in state Completed("


def as_task(stage: Callable[..., T], name: str) -> Any:
    """A stage function as a task that keeps no result."""
    return task(name=name, persist_result=False, cache_policy=NO_CACHE)(stage)


def task_name(stage: Callable[..., Any]) -> str:
    """A stage's name in the UI."""
    return stage.__name__.replace("_", "-")


def refusal(error: InputError) -> State[Any]:
    """The state of what a mistake in the user's input stopped."""
    return Failed(name=REFUSED, message=f"Refused: {error}")


@contextmanager
def ends_unsaid() -> Iterator[None]:
    """Keep out of the log that a task of this flow run has ended well, which Prefect says of each: half of all lines.

    What failed is logged as ever, as is all that tasks of other flow runs say.
    """
    context = FlowRunContext.get()
    ours = str(context.flow_run.id) if context and context.flow_run else None

    def is_worth_a_line(record: logging.LogRecord) -> bool:
        ends_well = record.levelno == logging.INFO and record.getMessage().startswith(ENDED_WELL)
        return not ends_well or ours is None or getattr(record, "flow_run_id", None) != ours

    logger = get_logger("prefect.task_runs")
    logger.addFilter(is_worth_a_line)
    try:
        yield
    finally:
        logger.removeFilter(is_worth_a_line)


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
