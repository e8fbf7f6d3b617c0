"""Progress in the Prefect UI: an artifact for each stage, with its rate and the time left, and lines in the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import ObjectNotFound

from flows.runners.heartbeats import show_life
from flows.runners.names import slug
from flows.stages.progress import Advance, Pace, Quiet
from results.report.text.literal import literal
from results.report.visible import for_terminal

UPDATE_SECONDS = 2.0  # between two updates: each is a call to the server
# The server is away for a moment, or the run was deleted in the UI: neither stops the work.
AWAY = (httpx.HTTPError, ObjectNotFound)
LINES = 10  # of the log, for each stage


class Live(Quiet):
    """Reports to the flow run that is under way; outside a flow run there is nothing to report to."""

    def say(self, line: str) -> None:
        """Log the line."""
        get_run_logger().info(for_terminal(line))

    @contextmanager
    def stage(self, name: str, total: int, place: str = "") -> Iterator[Advance]:
        """Open a stage with a progress artifact of its own."""
        shown = _Shown(name, total, self, place)
        yield shown.advance
        shown.update(time.monotonic())


class _Shown:
    """A stage as the UI shows it."""

    def __init__(self, name: str, total: int, live: Live, place: str) -> None:
        self.title, self.pace = f"{place}: {name}" if place else name, Pace(total)
        self._live, self._lines = live, 0
        self._updated = time.monotonic()
        self._artifact: Any = None
        with suppress(*AWAY):
            self._artifact = create_progress_artifact(0.0, key=slug(f"progress-{name}"), description=literal(name))

    def advance(self, steps: int, known: int = 0) -> None:
        self.pace.advance(steps, known)
        now = time.monotonic()
        if now - self._updated >= UPDATE_SECONDS or self.pace.done >= self.pace.total:
            self.update(now)

    def update(self, now: float) -> None:
        self._updated = now
        done, total, line = self.pace.done, max(self.pace.total, 1), self.pace.line
        with suppress(*AWAY):
            show_life()
            if self._artifact:
                update_progress_artifact(self._artifact, 100.0 * done / total, line)
        tenth = LINES * done // total
        if tenth > self._lines:
            self._lines = tenth
            self._live.say(f"{self.title}: {line}")
