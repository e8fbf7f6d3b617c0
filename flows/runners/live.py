"""Progress in the Prefect UI: a card that says how far the stage is until the run has ended, and lines in the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast
from uuid import UUID

import httpx
from prefect import get_client, get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound

from flows.runners.heartbeats import show_life
from flows.runners.names import slug
from flows.stages.progress import QUESTION, Advance, Pace, Quiet, titled
from results.report.text.literal import literal
from results.report.visible import for_terminal

UPDATE_SECONDS = 2.0  # between two updates: each is a call to the server
# The server is away for a moment, or the run was deleted in the UI: neither stops the work.
AWAY = (httpx.HTTPError, ObjectNotFound)
LINES = 10  # of the log, for each stage


class Live(Quiet):
    """Reports to the flow run that is under way; outside a flow run there is nothing to report to."""

    def __init__(self) -> None:
        self._card: UUID | None = None

    def say(self, line: str) -> None:
        """Log the line."""
        get_run_logger().info(for_terminal(line))

    @contextmanager
    def stage(self, name: str, total: int, place: str = "", unit: str = QUESTION) -> Iterator[Advance]:
        """Open a stage; the run's card shows it until the next one begins."""
        shown = _Shown(name, total, self, place, unit)
        yield shown.advance
        shown.update(time.monotonic())

    def show(self, percent: float, line: str) -> None:
        """Show how far the stage is on the run's card."""
        with suppress(*AWAY):
            show_life()
            if self._card:
                update_progress_artifact(self._card, percent, line)
            else:
                self._card = cast(UUID, create_progress_artifact(percent, key=_card_key(), description=line))


def clear_progress() -> None:
    """Take the card of the run that is under way off the UI, and those of its earlier attempts."""
    context = FlowRunContext.get()
    if not context or not context.flow_run:
        return
    cards = ArtifactFilter(
        type=ArtifactFilterType(any_=["progress"]), flow_run_id=ArtifactFilterFlowRunId(any_=[context.flow_run.id])
    )
    with suppress(*AWAY), get_client(sync_client=True) as client:
        for card in client.read_artifacts(artifact_filter=cards):
            client.delete_artifact(card.id)


def _card_key() -> str:
    """A key of this run alone: the page of all artifacts shows only the newest of each key."""
    context = FlowRunContext.get()
    return slug(f"progress-{context.flow_run.name}" if context and context.flow_run else "progress")


class _Shown:
    """A stage as the UI shows it."""

    def __init__(self, name: str, total: int, live: Live, place: str, unit: str) -> None:
        self.title, self.pace = titled(name, place), Pace(total, unit=unit)
        self._live, self._lines = live, 0
        self._updated = time.monotonic()
        live.show(0.0, literal(self.title))

    def advance(self, steps: int, known: int = 0) -> None:
        self.pace.advance(steps, known)
        now = time.monotonic()
        if now - self._updated >= UPDATE_SECONDS or self.pace.done >= self.pace.total:
            self.update(now)

    def update(self, now: float) -> None:
        self._updated = now
        done, total, line = self.pace.done, max(self.pace.total, 1), self.pace.line
        self._live.show(100.0 * done / total, f"{line} ({literal(self.title)})")
        tenth = LINES * done // total
        if tenth > self._lines:
            self._lines = tenth
            self._live.say(f"{self.title}: {line}")
