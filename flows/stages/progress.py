"""Progress of long work: a bar with rate and time left on a terminal, a few lines in a log, nothing when quiet."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from corpora.errors import counted
from results.report.visible import for_terminal

LINE_SECONDS = 30.0  # between two lines of a stage in a log
SHORT = 2.0  # seconds: a stage that takes less has no line in a log, unless the log has been silent for long
QUESTION = "question"  # what most stages count
RECENT = 16  # notes that the rate is taken over


class Pace:
    """Counts the steps of a stage.

    Args:
        total: steps of the whole stage.
        clock: gives the time in seconds.
        unit: what a step is, such as "question".
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic, unit: str = QUESTION) -> None:
        self.total, self.done, self.known, self._unit = total, 0, 0, unit
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
        seconds = self._clock() - self._started
        return describe_progress(self.done, self.total, seconds, self.rate, self.known, self._unit)


def describe_progress(
    done: int, total: int, seconds: float, rate: float, known: int = 0, unit: str = QUESTION
) -> str:  # fmt: skip
    """A stage in one line: how far it is, how long it may still take, how fast it is; cards show the line's start.

    Args:
        done: steps.
        total: steps.
        seconds: since it began.
        rate: recent steps per second.
        known: steps that were answered before.
        unit: what a step is, such as "question".
    """
    line = f"{done:,} of {counted(total, unit)}" + (f" ({known:,} answered before)" if known else "")
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

    def stage(self, name: str, total: int, place: str = "", unit: str = QUESTION) -> AbstractContextManager[Advance]:
        """Open a stage.

        Args:
            name: what is being done.
            total: number of steps.
            place: of the stage among all, such as "stage 5 of 14".
            unit: what a step is.

        Yields:
            A function to call with the number of steps that were done.
        """
        ...

    def work(self, name: str, place: str = "") -> AbstractContextManager[None]:
        """Open a stage without steps that could be counted; arguments as for `stage`."""
        ...

    def say(self, line: str) -> None:
        """Show one line."""
        ...


def titled(name: str, place: str) -> str:
    """What is being done, after the place of the stage among all."""
    return f"{place}: {name}" if place else name


class Quiet:
    """Says nothing."""

    @contextmanager
    def stage(self, name: str, total: int, place: str = "", unit: str = QUESTION) -> Iterator[Advance]:
        """Open a stage that nobody watches."""
        yield _ignore

    @contextmanager
    def work(self, name: str, place: str = "") -> Iterator[None]:
        """Open a stage without steps; only its title is shown, by whoever shows lines."""
        self.say(titled(name, place))
        yield

    def say(self, line: str) -> None:
        """Drop the line."""


def _ignore(steps: int, known: int = 0) -> None:
    """Count nothing."""


class _Log:
    """A stage in a log: its start, a line every so often, and its end; nothing at all if it is short.

    Args:
        line: gives the stage in one line, as it is now.
        say: prints a line.
        clock: gives the time in seconds.
    """

    def __init__(self, line: Callable[[], str], say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._line, self._say, self._clock = line, say, clock
        self._begun, self._said, self._over = clock(), -1.0, False
        self._lock = threading.Lock()  # the first line comes from a timer

    def begin(self) -> None:
        """Print the first line, unless there is one."""
        with self._lock:
            if self._said < 0 and not self._over:
                self._print(self._line())

    def look(self) -> None:
        """Print a line if it is time for one."""
        with self._lock:
            if self._clock() >= (self._begun + SHORT if self._said < 0 else self._said + LINE_SECONDS):
                self._print(self._line())

    def end(self, line: str) -> None:
        """Print the last line, if this took long enough to have others."""
        with self._lock:
            self._over = True
            if self._said >= 0 or self._clock() >= self._begun + SHORT:
                self._print(line)

    def _print(self, line: str) -> None:
        self._said = self._clock()
        self._say(line)


class Bars:
    """Bars on standard error, or a few lines if that is not a terminal.

    Args:
        clock: gives the time in seconds.
        timer: calls a function after some seconds, unless it is cancelled: what is under way is told in a log even
            while nothing of it is done.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic,
        timer: Callable[[float, Callable[[], None]], threading.Timer] = threading.Timer,
    ) -> None:  # fmt: skip
        # Imported here: `tercet --help` needs no bars.
        from rich.console import Console

        self._console, self._clock, self._timer = Console(stderr=True), clock, timer
        self._said = clock()

    @contextmanager
    def stage(self, name: str, total: int, place: str = "", unit: str = QUESTION) -> Iterator[Advance]:
        """Open a stage with a bar of its own."""
        title, pace = titled(name, place), Pace(total, self._clock, unit)
        if not self._console.is_terminal:
            with self._logged(lambda: f"{title}: {pace.line}") as log:
                yield _advancing(pace, log)
            log.end(f"{title}: {pace.line}")
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

    @contextmanager
    def work(self, name: str, place: str = "") -> Iterator[None]:
        """Open a stage without steps: a line on a terminal; in a log two, if it takes a while."""
        title, begun = titled(name, place), self._clock()
        if self._console.is_terminal:
            self.say(title)
            yield
            return
        with self._logged(lambda: title) as log:
            yield
        log.end(f"{title}: done after {duration(self._clock() - begun)}")

    @contextmanager
    def _logged(self, line: Callable[[], str]) -> Iterator[_Log]:
        log = _Log(line, self.say, self._clock)
        if self._clock() - self._said >= LINE_SECONDS:
            log.begin()
        timer = self._timer(SHORT, log.begin)
        timer.daemon = True
        timer.start()
        try:
            yield log
        finally:
            timer.cancel()

    def say(self, line: str) -> None:
        """Print the line to standard error."""
        self._said = self._clock()
        self._console.print(for_terminal(" ".join(line.splitlines())), highlight=False, markup=False, soft_wrap=True)


def _advancing(pace: Pace, log: _Log) -> Advance:
    def advance(steps: int, known: int = 0) -> None:
        pace.advance(steps, known)
        if pace.done < pace.total:  # the end has a line of its own
            log.look()

    return advance
