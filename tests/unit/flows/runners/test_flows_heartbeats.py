"""The last sign of life: what tells the server that none will follow, so that it does not wait for one."""

from types import SimpleNamespace

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.runners import heartbeats


@pytest.fixture
def done(monkeypatch):
    """What was done in a flow run, in order."""
    calls = []
    run = SimpleNamespace(flow_run=SimpleNamespace(id="12"))
    monkeypatch.setattr(heartbeats.FlowRunContext, "get", lambda: run)
    monkeypatch.setattr(heartbeats, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(heartbeats, "emit_event", lambda event, resource: calls.append((event, *resource.values())))
    worker = SimpleNamespace(wait_until_empty=lambda: calls.append("sent"))
    monkeypatch.setattr(heartbeats.EventsWorker, "instance", lambda: worker)
    return calls


def test_the_last_sign_follows_those_of_life_and_is_sent_before_the_run_ends(done):
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        heartbeats.end_signs_of_life()
    assert done == ["sent", (heartbeats.LAST_SIGN, "prefect.flow-run.12"), "sent"]


def test_a_run_without_signs_of_life_has_no_last_one(done, monkeypatch):
    silent = SimpleNamespace(flows=SimpleNamespace(heartbeat_frequency=None))
    monkeypatch.setattr(heartbeats, "get_current_settings", lambda: silent)
    heartbeats.end_signs_of_life()
    assert done == []
