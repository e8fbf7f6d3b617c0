"""Shards on a Dask cluster: models on the workers' machines answer; everything else stays in the flow's own process.

A worker that dies loses only the answers under way: Dask gives its shard to another worker, and what is already in the
ledger is not asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, TypeVar

import distributed
from distributed.client import ClosedClientError

from corpora.errors import InputError
from flows.runners.task_runner import TaskRunner
from flows.runners.workers import Told, check_workers, free_model, on_worker
from flows.session.experiment import Experiment, Kind
from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages.asking import ask
from flows.stages.indexing import embed, embed_late
from flows.stages.progress import QUESTION, Advance
from flows.stages.remote_asking import ask_directly, is_paid
from flows.stages.runner import known_in
from flows.stages.shards import SHARDS_A_WORKER

T = TypeVar("T")
CONNECT_SECONDS = 30.0
LOOK_SECONDS = 5.0  # between two looks at the workers
ALONE_SECONDS = 120.0  # how long a run waits for workers when all are gone
ELSEWHERE = (ask, ask_directly, embed, embed_late)


class ToldError(InputError):
    """A user's mistake that another process has put into one line."""

    def __init__(self, line: str) -> None:
        self.found, self.expected, self.remedy = line, "", ""
        Exception.__init__(self, line)


class DaskRunner(TaskRunner):
    """Runs shards on the workers of a Dask scheduler.

    Shards are not Prefect tasks there: a worker need not reach the Prefect server, which may listen on loopback only.

    Args:
        client: connected to the scheduler.
    """

    def __init__(self, client: distributed.Client) -> None:
        super().__init__()
        self._client = client

    @property
    def n_workers(self) -> int:
        """How many shards are worked on at a time."""
        return max(1, self._count_workers())

    def _count_workers(self) -> int:
        with _reaching():
            return len(self._client.nthreads())

    def each(
        self, name: str, total: int, stage: Callable[..., T], session: Session,
        shards: Iterable[tuple[int, tuple[Any, ...]]], unit: str = QUESTION,
    ) -> list[T]:  # fmt: skip
        """Run a stage once for each shard, on whichever worker is free; results are in the order of the shards.

        Raises:
            InputError: as the stage, or workers keep dying, or the scheduler is gone.
        """
        upcoming = iter(shards)
        first = next(upcoming, None)
        if first is None or not runs_elsewhere(stage, session, first[1]):
            # Never all of them at once: a batch is looked for only after the previous one was collected.
            return super().each(name, total, stage, session, () if first is None else chain([first], upcoming), unit)
        started = time.perf_counter()
        try:
            with self.progress.stage(name, total, self.place(name), unit) as advance:
                return self._spread(stage, session.workspace, chain([first], upcoming), advance)
        finally:
            self._add(name, time.perf_counter() - started)

    def _spread(
        self, stage: Callable[..., T], workspace: Workspace, shards: Iterator[tuple[int, tuple[Any, ...]]],
        advance: Advance,
    ) -> list[T]:  # fmt: skip
        results: dict[int, T] = {}
        under_way: dict[Any, tuple[int, int]] = {}  # future: number and steps of its shard
        n_sent = 0
        try:
            while True:
                for steps, args in shards:
                    # Not pure: the same shard in another run is to run again.
                    with _reaching():
                        under_way[self._client.submit(on_worker, stage, workspace, args, pure=False)] = (n_sent, steps)
                    n_sent += 1
                    if len(under_way) >= SHARDS_A_WORKER * self.n_workers:
                        break
                if not under_way:
                    return [results[number] for number in sorted(results)]
                for future in self._finished(list(under_way)):
                    number, steps = under_way.pop(future)
                    results[number] = _outcome(future)
                    advance(steps, known_in(results[number]))
        finally:
            with suppress(Exception):  # the run's own error matters more
                self._client.cancel(list(under_way))

    def _finished(self, under_way: Sequence[distributed.Future[Any]]) -> list[distributed.Future[Any]]:
        """The futures that have ended, once there are any.

        Raises:
            InputError: all workers are gone, and none comes back.
        """
        alone_since: float | None = None
        while not (done := [future for future in under_way if future.done()]):
            with self._client.as_current(), suppress(TimeoutError, distributed.CancelledError):
                distributed.wait(under_way, timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED")
            if any(future.done() for future in under_way) or self._count_workers():
                alone_since = None
                continue
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since > ALONE_SECONDS:
                raise InputError(
                    f"a Dask scheduler whose workers have been gone for {ALONE_SECONDS:.0f} s",
                    "at least one worker",
                    "start workers and run again, as the answers so far are kept",
                )
        return done


def runs_elsewhere(stage: Callable[..., Any], session: Session, args: tuple[Any, ...]) -> bool:
    """Whether a worker may run a shard: not where money is spent, as one process counts it."""
    if stage is ask_directly:
        return not is_paid(args[0], session)
    return stage in ELSEWHERE


def _outcome(future: Any) -> Any:
    try:
        result = future.result()
    except distributed.CancelledError as error:  # nothing here cancels a future that is waited for
        raise _lost_scheduler(error) from error
    except distributed.KilledWorker as error:
        raise InputError(
            f"a shard whose workers died one after the other ({error.task})".splitlines()[0],
            "workers that stay alive",
            "look in the workers' logs for the reason (often memory), then run again: the answers so far are kept",
        ) from error
    if isinstance(result, Told):
        raise ToldError(result.line)
    return result


@contextmanager
def _reaching() -> Iterator[None]:
    """Talk to the scheduler; a client that has given up on it no longer has one, nor a proper error for that."""
    try:
        yield
    except (OSError, AttributeError, ClosedClientError) as error:
        raise _lost_scheduler(error) from error


def _lost_scheduler(error: Exception) -> InputError:
    return InputError(
        f"the Dask scheduler is gone ({type(error).__name__})",
        "a scheduler that lasts as long as the run",
        "restart it and its workers, then run again: the answers so far are kept",
    )


@contextmanager
def dask_runner(address: str, experiment: Experiment, kind: Kind, session: Session) -> Iterator[DaskRunner]:
    """A runner on the workers of a scheduler, once it is clear that they can do the work.

    Args:
        address: of the scheduler.
        experiment: whose models the workers must have.
        kind: how much of it is run.
        session: whose store the workers must see, and whose models they must have.

    Raises:
        InputError: no scheduler answers there, or a worker lacks something.
    """
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address} ({type(error).__name__})",
            "a scheduler with at least one worker",
            "start `dask scheduler` and `dask worker ADDRESS --nthreads 1`, or correct the address",
        ) from error
    with client:
        runner = DaskRunner(client)
        for line in check_workers(client, experiment, kind, session.workspace, session.readers):
            runner.progress.say(line)
        try:
            yield runner
        finally:
            with suppress(Exception):  # a run that is done stays done
                client.run(free_model, on_error="ignore")
