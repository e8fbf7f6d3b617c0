"""Runs what is submitted, until a signal ends it; says at the end how the runs went."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Sequence, Set
from contextlib import suppress
from typing import Any, Self
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.runner._process_manager import ProcessHandle
from prefect.states import Crashed

from corpora.errors import counted
from flows.runners.live import AWAY

BROKEN_OFF = "`tercet serve` was stopped. Serve again, and Retry continues where the run stopped, as votes are kept."
ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _OwnRunner(Runner):
    """Prefect's runner, ended by whoever started it. It knows which runs are its own.

    Attributes:
        begun: every run whose process it has started.
        under_way: those that are not over yet; those that were broken off with it, once it has ended.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.begun: set[UUID] = set()
        self.under_way: set[UUID] = set()

    async def __aenter__(self) -> Self:
        entered = await super().__aenter__()
        add, submit = self._process_manager.add, self._scheduled_run_poller._submit_run

        async def add_noted(flow_run_id: UUID, handle: ProcessHandle) -> None:
            self.begun.add(flow_run_id)
            self.under_way.add(flow_run_id)
            await add(flow_run_id, handle)

        async def submit_noted(run: FlowRun, *rest: Any) -> None:
            await submit(run, *rest)  # until the process has ended, unless it is cancelled with this runner
            self.under_way.discard(run.id)

        # Prefect, whose version is pinned, has no other way to tell.
        self._process_manager.add = add_noted  # type: ignore[method-assign]
        self._scheduled_run_poller._submit_run = submit_noted  # type: ignore[assignment, method-assign]
        return entered

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """Do nothing: Prefect's own handler makes a coroutine that nobody awaits, and then ends the process."""


def run_until_told(deployments: Sequence[RunnerDeployment], limit: int) -> str:
    """Register deployments and run what is submitted to them, until Ctrl-C, SIGTERM or a closed terminal.

    Args:
        deployments: what is served.
        limit: how many runs at a time.

    Returns:
        How the runs ended that did so meanwhile, in a line.
    """
    logging.getLogger("prefect.runner").setLevel(logging.WARNING)  # it tells each step of its end
    runner = _OwnRunner(limit)
    for one in deployments:
        runner.add_deployment(one)
    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # a signal before the loop has its handlers
        asyncio.run(_until_signalled(runner))
    return told(end_counted(runner.begun, runner.under_way))


async def _until_signalled(runner: Runner) -> None:
    working = asyncio.ensure_future(runner.start())
    loop = asyncio.get_running_loop()
    for number in ENDINGS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, working.cancel)
    await working


def end_counted(started: Set[UUID], under_way: Set[UUID]) -> Counter[str]:
    """Mark the runs that were broken off, and count how many have ended, by the name of their state's type.

    Args:
        started: every run that was started here; another `tercet serve` may run others of the same deployments.
        under_way: those whose process was ended with the runner.
    """
    runs: Counter[str] = Counter()
    with suppress(*AWAY), get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=_of(under_way, StateType.RUNNING)) if under_way else ():
            # Its process could not say that it was ended; without this, nobody could retry it for two minutes.
            client.set_flow_run_state(run.id, Crashed(message=BROKEN_OFF), force=True)
        for kind in ENDED if started else ():
            runs[kind.name] = client.count_flow_runs(flow_run_filter=_of(started, kind))
    return runs


def _of(runs: Set[UUID], kind: StateType) -> FlowRunFilter:
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=[kind]))
    return FlowRunFilter(id=FlowRunFilterId(any_=sorted(runs)), state=state)


def told(runs: Counter[str]) -> str:
    """The last line of `tercet serve`.

    Args:
        runs: those that ended, by the name of their state's type.
    """
    finished, wrong = runs["COMPLETED"], runs["FAILED"]
    broken = runs["CRASHED"] + runs["CANCELLED"]
    line = f"stopped; {counted(finished, 'run')} finished"
    line += f", {counted(wrong, 'run')} refused or failed" if wrong else ""
    return line + (f", {counted(broken, 'run')} broken off (Retry in the UI continues)" if broken else "")
