"""Progress in the Prefect UI: an artifact for each stage, with its rate and the time left, and lines in the log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import ObjectNotFound

from flows.runners.heartbeats import show_life
from flows.runners.names import slug
from flows.stages.progress import Advance, Quiet
from results.report.text.literal import literal
from results.report.visible import for_terminal

UPDATE_SECONDS = 2.0  # between two updates: each is a call to the server
# The server is away for a moment, or the run was deleted in the UI: neither stops the work.
AWAY = (httpx.HTTPError, ObjectNotFound)
LINES = 10  # of the log, for each stage
RECENT = 16  # updates that the rate is taken over: a resumed run passes what is already answered in no time


class Live(Quiet):
    """Reports to the flow run that is under way; outside a flow run there is nothing to report to."""

    def say(self, line: str) -> None:
        """Log the line."""
        get_run_logger().info(for_terminal(line))

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Open a stage with a progress artifact of its own."""
        shown = _Shown(name, total, self)
        yield shown.advance
        shown.update(time.monotonic())


class _Shown:
    """A stage as the UI shows it."""

    def __init__(self, name: str, total: int, live: Live) -> None:
        self.name, self.total, self.done = name, total, 0
        self._live, self._lines = live, 0
        self._started = self._updated = time.monotonic()
        self._recent = deque([(self._started, 0)], maxlen=RECENT)
        self._artifact: Any = None
        with suppress(*AWAY):
            self._artifact = create_progress_artifact(0.0, key=slug(f"progress-{name}"), description=literal(name))

    def advance(self, steps: int) -> None:
        self.done += steps
        now = time.monotonic()
        if now - self._updated >= UPDATE_SECONDS or self.done >= self.total:
            self.update(now)

    def update(self, now: float) -> None:
        self._updated = now
        since, before = self._recent[0]
        if self.done > self._recent[-1][1]:
            self._recent.append((now, self.done))
        rate = (self.done - before) / max(now - since, 1e-9)
        line = describe_progress(self.done, self.total, now - self._started, rate)
        with suppress(*AWAY):
            show_life()
            if self._artifact:
                update_progress_artifact(self._artifact, 100.0 * self.done / max(self.total, 1), line)
        tenth = LINES * self.done // max(self.total, 1)
        if tenth > self._lines:
            self._lines = tenth
            self._live.say(f"{self.name}: {line}")


def describe_progress(done: int, total: int, seconds: float, rate: float) -> str:
    """A stage in one line: how far it is, how long it may still take, how fast it is; cards show the line's start.

    Args:
        done: steps.
        total: steps.
        seconds: since it began.
        rate: recent steps per second.
    """
    line = f"{done} of {total}"
    if not done or rate <= 0:
        return line
    speed = f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute"
    left = "" if done >= total else f", about {_duration((total - done) / rate)} left"
    return f"{line}{left}, {speed}, after {_duration(seconds)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
