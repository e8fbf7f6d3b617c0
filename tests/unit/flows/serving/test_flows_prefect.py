"""The flows as Prefect knows them, called without any server: what a form runs, and what a mistake becomes."""

import os
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from corpora.errors import InputError
from flows.run.pipeline import Outcome
from flows.serving import prefect_flows
from flows.serving.access import CREDENTIAL, ORIGINS, SERVER_CREDENTIAL
from flows.serving.forms.models import Advanced, SweepAdvanced, SweepSettings
from flows.session.experiment import load_experiment
from flows.session.session import Session
from flows.session.workspace import Workspace

DEMO = load_experiment(Path("demo"))


@pytest.fixture
def executed(monkeypatch):
    """What was to be executed, in place of executing it."""
    calls = []

    def execute(experiment, kind, session, runner, *_):
        calls.append((experiment.name, kind, session.workspace.root, type(runner).__name__))
        return Outcome(session.workspace.root / "run", "the report", "the line", None)

    monkeypatch.setattr(prefect_flows, "execute", execute)
    return calls


@pytest.mark.parametrize("kind", prefect_flows.FLOWS)
def test_a_form_runs_its_flow_in_its_store(executed, tmp_path, kind):
    advanced = SweepAdvanced if kind == "sweep" else Advanced
    assert prefect_flows.FLOWS[kind].fn(advanced=advanced(store=str(tmp_path))) == "the line"
    assert executed == [("demo", kind, tmp_path, "TaskRunner")]


@pytest.mark.parametrize(
    ("sizes", "advanced", "told"),
    [
        ([16], {"store": "runs"}, "the store 'runs'"),
        ([16], {"experiment": "no-such"}, "no experiment no-such"),
        ([32], {"overlaps": [32], "store": "/tmp"}, "overlap 32 with chunk size 32"),
    ],
    ids=["a relative store", "an unknown experiment", "fields that contradict each other"],
)
def test_a_mistake_is_a_refused_run_with_its_line(executed, sizes, advanced, told):
    state = prefect_flows.sweep.fn(SweepSettings(sizes=sizes), SweepAdvanced(**advanced))
    # The page of a deployment lists only runs in states whose name Prefect knows, and this is one of them.
    assert (state.name, state.type.value) == ("Failed", "FAILED")
    assert state.message.startswith("Refused: ")
    assert told in state.message
    assert executed == []


def test_dask_without_its_package_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "flows.runners.dask_runner", None)
    with (
        pytest.raises(InputError, match="dask"),
        prefect_flows.runner_on("tcp://127.0.0.1:9", DEMO, "label", Session(Workspace(tmp_path))),
    ):
        pytest.fail("there is nothing to run on")


def test_a_configured_server_that_does_not_answer_is_one_line(executed, tmp_path):
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(InputError, match="no Prefect server answers there"),
    ):
        prefect_flows.execute_as_flow(DEMO, "label", Workspace(tmp_path))
    assert executed == []


@pytest.fixture
def environment(monkeypatch):
    """An environment of its own, without an API; Prefect's settings are read again afterwards."""
    monkeypatch.setattr(prefect_flows.os, "environ", os.environ.copy())
    with monkeypatch.context() as patched:
        patched.setattr(prefect_flows, "refresh_global_settings_context", lambda: None)
        yield prefect_flows.os.environ


def test_the_server_of_one_run_asks_for_a_credential_that_only_this_run_has(executed, tmp_path, environment):
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        prefect_flows._guard_own_server()
    credential = environment[CREDENTIAL]
    assert len(credential) > 22
    assert environment[SERVER_CREDENTIAL] == credential
    assert environment[ORIGINS] == ""


def test_a_configured_server_keeps_its_credential(environment):
    environment[CREDENTIAL] = "theirs"
    with temporary_settings({PREFECT_API_URL: "http://10.0.0.5:4200/api"}):
        prefect_flows._guard_own_server()
    assert environment[CREDENTIAL] == "theirs"
    assert SERVER_CREDENTIAL not in environment
