"""Progress of long work: a bar with rate and time left on a terminal, lines elsewhere, nothing when quiet."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from results.report.visible import for_terminal

LINE_SECONDS = 20.0  # between two lines of a stage where bars cannot be drawn
RECENT = 16  # notes that the rate is taken over


class Pace:
    """Counts the steps of a stage.

    Args:
        total: steps of the whole stage.
        clock: gives the time in seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.done, self.known = total, 0, 0
        self._clock, self._started = clock, clock()
        self._recent = deque([(self._started, 0)], maxlen=RECENT)

    def advance(self, steps: int, known: int = 0) -> None:
        """Note steps that were done.

        Args:
            steps: how many.
            known: how many of them took no work, as they were answered before; they say nothing about the rate.
        """
        self.done, self.known = self.done + steps, self.known + known
        worked = self.done - self.known
        if worked > self._recent[-1][1]:
            self._recent.append((self._clock(), worked))
        elif not worked:  # the clock starts with the first step that takes work
            self._recent[0] = (self._clock(), 0)

    @property
    def rate(self) -> float:
        """Recent steps per second; 0 if nobody knows."""
        (since, before), (now, worked) = self._recent[0], self._recent[-1]
        return (worked - before) / max(now - since, 1e-9) if worked > before else 0.0

    @property
    def line(self) -> str:
        """All of it in one line."""
        return describe_progress(self.done, self.total, self._clock() - self._started, self.rate, self.known)


def describe_progress(done: int, total: int, seconds: float, rate: float, known: int = 0) -> str:
    """A stage in one line: how far it is, how long it may still take, how fast it is; cards show the line's start.

    Args:
        done: steps.
        total: steps.
        seconds: since it began.
        rate: recent steps per second.
        known: steps that were answered before.
    """
    line = f"{done} of {total}" + (f" ({known} answered before)" if known else "")
    if not done or rate <= 0:
        return line
    speed = f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute"
    left = "" if done >= total else f", about {duration((total - done) / rate)} left"
    return f"{line}{left}, {speed}, after {duration(seconds)}"


def duration(seconds: float) -> str:
    """A time as people say it, as in `3 min 20 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Advance(Protocol):
    """Called with the number of steps that were done, and how many of them were answered before."""

    def __call__(self, steps: int, known: int = 0) -> None:
        """Count them."""
        ...


class Progress(Protocol):
    """What stages report their progress to."""

    def stage(self, name: str, total: int, place: str = "") -> AbstractContextManager[Advance]:
        """Open a stage.

        Args:
            name: what is being done.
            total: number of steps.
            place: of the stage among all, such as "stage 5 of 14".

        Yields:
            A function to call with the number of steps that were done.
        """
        ...

    def say(self, line: str) -> None:
        """Show one line."""
        ...


class Quiet:
    """Says nothing."""

    @contextmanager
    def stage(self, name: str, total: int, place: str = "") -> Iterator[Advance]:
        """Open a stage that nobody watches."""
        yield _ignore

    def say(self, line: str) -> None:
        """Drop the line."""


def _ignore(steps: int, known: int = 0) -> None:
    """Count nothing."""


class Bars:
    """Bars on standard error, or lines if that is not a terminal.

    Args:
        clock: gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        # Imported here: `tercet --help` needs no bars.
        from rich.console import Console

        self._console, self._clock = Console(stderr=True), clock

    @contextmanager
    def stage(self, name: str, total: int, place: str = "") -> Iterator[Advance]:
        """Open a stage with a bar of its own."""
        title, pace = f"{place}: {name}" if place else name, Pace(total, self._clock)
        if not self._console.is_terminal:
            yield self._lines(title, pace)
            return
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Rich

        text = TextColumn("{task.description}", markup=False)
        with Rich(text, BarColumn(), TextColumn("{task.fields[line]}", markup=False), console=self._console) as rich:
            task = rich.add_task(for_terminal(title), total=total, line=pace.line)

            def advance(steps: int, known: int = 0) -> None:
                pace.advance(steps, known)
                rich.update(task, advance=steps, line=pace.line)

            yield advance

    def _lines(self, title: str, pace: Pace) -> Advance:
        """Where bars cannot be drawn, as in a log file: a line at the start, at the end, and every so often."""
        said = self._clock()
        if pace.total:
            self.say(f"{title}: {pace.line}")

        def advance(steps: int, known: int = 0) -> None:
            nonlocal said
            pace.advance(steps, known)
            if self._clock() - said >= LINE_SECONDS or pace.done >= pace.total:
                said = self._clock()
                self.say(f"{title}: {pace.line}")

        return advance

    def say(self, line: str) -> None:
        """Print the line to standard error."""
        self._console.print(for_terminal(" ".join(line.splitlines())), highlight=False, markup=False, soft_wrap=True)
