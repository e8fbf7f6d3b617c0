"""Progress of long work: a bar with rate and time left on a terminal, nothing when quiet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from results.report.visible import for_terminal

Advance = Callable[[int], None]


class Progress(Protocol):
    """What stages report their progress to."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Open a stage of `total` steps; yields a function to call with the number of steps that were done."""
        ...

    def say(self, line: str) -> None:
        """Show one line."""
        ...


class Quiet:
    """Says nothing."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Open a stage that nobody watches."""
        yield lambda _: None

    def say(self, line: str) -> None:
        """Drop the line."""


class Bars:
    """Bars on standard error, or lines if that is not a terminal."""

    def __init__(self) -> None:
        # Imported here: `tercet --help` needs no bars.
        from rich.console import Console

        self._console = Console(stderr=True)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Open a stage with a bar of its own."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Rich

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        if not self._console.is_terminal:
            yield self._lines(name, total)
            return
        with Rich(*columns, console=self._console) as rich:
            task = rich.add_task(for_terminal(name), total=total)
            yield lambda steps: rich.advance(task, steps)

    def _lines(self, name: str, total: int) -> Advance:
        """Where bars cannot be drawn, as in a log file: a line at every tenth of the way."""
        done, started = 0, time.monotonic()

        def advance(steps: int) -> None:
            nonlocal done
            before, done = done, done + steps
            if 10 * before // total < 10 * done // total:
                self.say(f"{name}: {done} of {total} after {time.monotonic() - started:.0f} s")

        return advance

    def say(self, line: str) -> None:
        """Print the line to standard error."""
        self._console.print(for_terminal(" ".join(line.splitlines())), highlight=False, markup=False, soft_wrap=True)
