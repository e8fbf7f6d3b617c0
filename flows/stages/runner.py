"""How a flow runs its stages: called directly, or as Prefect tasks. The flows do not know which way it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import polars as pl

from corpora.storage import StorePath
from flows.session.session import Session
from flows.stages.asking import Asked
from flows.stages.progress import QUESTION, Progress, Quiet

if TYPE_CHECKING:  # what they load is for the end of a run, which a plan does without
    from results.advice.cards.record import RunRecord
    from results.report.plots.plot import Plot

T = TypeVar("T")


class Finished(NamedTuple):
    """A finished run.

    Attributes:
        folder: the run's folder.
        report: the Markdown report.
        line: the headline, in one line.
        tables: frames by name.
        plots: the most important one first.
        record: its summary, for people and for programs.
    """

    folder: StorePath
    report: str
    line: str
    tables: Mapping[str, pl.DataFrame]
    plots: Sequence[Plot]
    record: RunRecord


def known_in(result: object) -> int:
    """How many questions of a shard were answered before."""
    return result.n_known if isinstance(result, Asked) else 0


class Runner:
    """Calls stage functions directly, times them, and shows progress.

    Args:
        progress: where progress is shown; nowhere by default.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress: Progress = progress or Quiet()
        self.seconds: dict[str, float] = {}
        self._heading, self._n_stages, self._at, self._last = "", 0, 0, ""

    def expect(self, n_stages: int, heading: str = "") -> None:
        """Number the stages that follow, from 1.

        Args:
            n_stages: how many are to come.
            heading: what they are part of, such as "look 2 of 3".
        """
        self._heading, self._n_stages, self._at, self._last = heading, n_stages, 0, ""

    def place(self, name: str) -> str:
        """The place of the next stage among those that are expected; what is taken up again keeps its number."""
        self._at, self._last = self._at + (name != self._last), name
        if not self._n_stages:
            return self._heading
        number = f"stage {self._at} of {max(self._at, self._n_stages)}"
        return f"{self._heading}, {number}" if self._heading else number

    @property
    def n_workers(self) -> int:
        """How many shards are worked on at a time."""
        return 1

    def call(self, stage: Callable[..., T], *args: Any) -> T:
        """Call a stage; a subclass may hand it to something else."""
        return stage(*args)

    def run(self, name: str, stage: Callable[..., T], *args: Any) -> T:
        """Run one stage under a name."""
        started = time.perf_counter()
        try:
            with self.progress.work(name, self.place(name)):
                return self.call(stage, *args)
        finally:
            self._add(name, time.perf_counter() - started)

    def each(
        self, name: str, total: int, stage: Callable[..., T], session: Session,
        shards: Iterable[tuple[int, tuple[Any, ...]]], unit: str = QUESTION,
    ) -> list[T]:  # fmt: skip
        """Run a stage once for each shard.

        Args:
            name: the name that progress is shown under.
            total: steps of all shards together.
            stage: the stage function; its first argument is a session.
            session: this process's; a stage that runs on another machine is given one of that machine.
            shards: steps and further arguments of each shard.
            unit: what a step is, such as "question".
        """
        started = time.perf_counter()
        results = []
        try:
            with self.progress.stage(name, total, self.place(name), unit) as advance:
                for steps, args in shards:
                    results.append(self.call(stage, session, *args))
                    advance(steps, known_in(results[-1]))
        finally:
            self._add(name, time.perf_counter() - started)
        return results

    def show(self, finished: Finished) -> None:
        """Show a finished run in a user interface; there is none when stages are called directly."""

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
