"""Runs what is submitted, until a signal ends it; says at the end how the runs went."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.states import Crashed

from flows.runners.live import AWAY

BROKEN_OFF = "`tercet serve` was stopped. Serve again, and Retry continues where the run stopped, as votes are kept."
ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _QuietRunner(Runner):
    """Prefect's runner, ended by whoever started it."""

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
    started, runner = datetime.now(UTC), _QuietRunner(limit=limit)
    ids = [cast(UUID, runner.add_deployment(one)) for one in deployments]
    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # a signal before the loop has its handlers
        asyncio.run(_until_signalled(runner))
    return told(_ended_since(started, ids))


async def _until_signalled(runner: Runner) -> None:
    working = asyncio.ensure_future(runner.start())
    loop = asyncio.get_running_loop()
    for number in ENDINGS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, working.cancel)
    await working


def _ended_since(started: datetime, deployments: Sequence[UUID]) -> Counter[str]:
    """How many runs ended, by the name of their state's type; those under way have just been broken off."""
    counted: Counter[str] = Counter()
    ours = FlowRunFilterDeploymentId(any_=list(deployments))
    with suppress(*AWAY), get_client(sync_client=True) as client:
        under_way = FlowRunFilter(
            deployment_id=ours, start_time=FlowRunFilterStartTime(after_=started), state=_of_type(StateType.RUNNING)
        )
        for run in client.read_flow_runs(flow_run_filter=under_way):
            # Its process was ended too, and could not say so; without this, nobody could retry it for two minutes.
            client.set_flow_run_state(run.id, Crashed(message=BROKEN_OFF), force=True)
        for kind in ENDED:
            ended = FlowRunFilter(
                deployment_id=ours, end_time=FlowRunFilterEndTime(after_=started), state=_of_type(kind)
            )
            counted[kind.name] = client.count_flow_runs(flow_run_filter=ended)
    return counted


def _of_type(kind: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=[kind]))


def told(counted: Counter[str]) -> str:
    """The last line of `tercet serve`.

    Args:
        counted: runs that ended, by the name of their state's type.
    """
    finished, wrong = counted["COMPLETED"], counted["FAILED"]
    broken = counted["CRASHED"] + counted["CANCELLED"]
    line = f"stopped; {finished} {_runs(finished)} finished"
    line += f", {wrong} {_runs(wrong)} refused or failed" if wrong else ""
    return line + (f", {broken} {_runs(broken)} broken off (Retry in the UI continues)" if broken else "")


def _runs(n: int) -> str:
    return "run" if n == 1 else "runs"
