"""A run whose process is gone: its heartbeats stop, and the server marks it as crashed, so that it can be retried.

A run that only slept, with the laptop that it runs on, is marked too; it corrects that itself when it continues.
"""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Thread
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.worker import EventsWorker
from prefect.settings import get_current_settings
from prefect.states import Running

from flows.runners.names import HEARTBEAT_SECONDS, TAG

SEND_SECONDS, SETTLE_SECONDS = 5.0, 0.5  # how long an ending run waits for its signs of life to be sent, and looked at
LAST_SIGN = "tercet.run.ended"
SILENT_SECONDS = 3 * HEARTBEAT_SECONDS + 10
NAME = "tercet: mark runs whose process is gone"
_ENDED = ("Completed", "Failed", "Crashed", "Cancelled", "Cancelling", "Paused", "Suspended")


def watch_heartbeats() -> None:
    """Create the automation on the configured server, in place of one that an earlier version created.

    An identical one is left as it is: it knows which runs were under way when a server went down with them.
    """
    trigger = EventTrigger(
        match={"prefect.resource.id": "prefect.flow-run.*"},
        # On a server that others use too, their runs are none of our business.
        match_related={"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"},
        for_each={"prefect.resource.id"},
        after={"prefect.flow-run.heartbeat"},
        expect={LAST_SIGN, "prefect.flow-run.heartbeat", *(f"prefect.flow-run.{state}" for state in _ENDED)},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=SILENT_SECONDS),
    )
    message = (
        f"No sign of life for {SILENT_SECONDS} s: the process is gone, or its machine is asleep. "
        "Retry continues where it stopped, as votes are kept."
    )
    action = ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=message)
    automation = AutomationCore(name=NAME, trigger=trigger, actions=[action], description=message)
    with get_client(sync_client=True) as client:
        known = client.read_automations_by_name(NAME)
        if [_told(one) for one in known] == [_told(automation)]:
            return
        for one in known:
            client.delete_automation(one.id)
        client.create_automation(automation)


def _told(automation: AutomationCore) -> dict[str, Any]:
    """An automation without what the server adds."""
    told = automation.model_dump(include={"description", "enabled", "trigger", "actions"})
    told["trigger"].pop("id", None)
    return told


def end_signs_of_life() -> None:
    """Tell the server that no sign of life will come any more; called before a run ends.

    Signs of life and the run's last state reach the server in different ways. A sign that is looked at after the last
    state would be the first of a run that is never heard of again, and the automation would try to mark what has ended.
    So an event of our own follows it in the same way.
    """
    context = FlowRunContext.get()
    if not context or not context.flow_run or not get_current_settings().flows.heartbeat_frequency:
        return
    _send()
    time.sleep(SETTLE_SECONDS)  # the server may look at two events at a time
    emit_event(LAST_SIGN, resource={"prefect.resource.id": f"prefect.flow-run.{context.flow_run.id}"})
    _send()


def _send() -> None:
    """Wait until the events of this process are with the server."""
    # A thread, as the worker of a server that has gone away may never get to the end.
    sent = Thread(target=EventsWorker.instance().wait_until_empty, daemon=True)
    sent.start()
    sent.join(SEND_SECONDS)


def show_life() -> None:
    """Set the run that is under way back to Running, if the server thought its process was gone.

    This is not an automation on the next heartbeat, which could come after the run has ended and undo its last state. A
    Retry requested in the few milliseconds between the look and the change is lost; the run continues as it is.
    """
    context = FlowRunContext.get()
    if not context or not context.flow_run:
        return
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(context.flow_run.id).state
        if state and state.is_crashed():
            client.set_flow_run_state(
                context.flow_run.id,
                Running(message="Still running: its machine slept, or the server was away."),
                force=True,
            )
