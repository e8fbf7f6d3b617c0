"""What a notebook needs otherwise than a terminal: output that is displayed, and progress that is written over."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flows.stages.progress import QUESTION, Advance, Bars, Pace, Progress, Quiet, titled
from results.report.visible import for_terminal


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; IPython on a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def display(shown: object) -> bool:
    """Display something as the value of a cell; false if this is no notebook."""
    if not in_notebook():
        return False
    ipython_display()(shown)
    return True


def ipython_display() -> Callable[..., Any]:
    """IPython's `display`. A notebook has IPython; Tercet does not depend on it."""
    show: Callable[..., Any] = importlib.import_module("IPython.display").display
    return show


def progress_here(*, shown: bool) -> Progress:
    """Where the progress of a run is shown.

    Args:
        shown: whether it is shown at all.
    """
    if not shown:
        return Quiet()
    return NotebookProgress() if in_notebook() else Bars()


class NotebookProgress(Quiet):
    """A block of text under the cell: a line for each stage, which moves, and what is said."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._handle: Any = ipython_display()({"text/plain": ""}, raw=True, display_id=True)

    @contextmanager
    def stage(self, name: str, total: int, place: str = "", unit: str = QUESTION) -> Iterator[Advance]:
        """Open a stage with a line of its own, which says how far it is."""
        title, pace = titled(name, place), Pace(total, unit=unit)
        at = len(self._lines)  # what is said meanwhile comes below
        self.say(f"{title}: {pace.line}")

        def advance(steps: int, known: int = 0) -> None:
            before = pace.done
            pace.advance(steps, known)
            # A browser need not draw more often than a hundred times a stage.
            if 100 * before // max(total, 1) < 100 * pace.done // max(total, 1):
                self._lines[at] = for_terminal(f"{title}: {pace.line}")
                self._update()

        yield advance

    def say(self, line: str) -> None:
        """Add a line."""
        self._lines.append(for_terminal(" ".join(line.splitlines())))
        self._update()

    def _update(self) -> None:
        self._handle.update({"text/plain": "\n".join(self._lines)}, raw=True)
