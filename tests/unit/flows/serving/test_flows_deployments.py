"""Deployments are named after experiment and flow; those of an older version go, and a user's own stay."""

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from prefect.client.schemas.objects import StateType
from prefect.runner._process_manager import ProcessManager
from prefect.runner._scheduled_run_poller import ScheduledRunPoller

from flows.serving import deployments, running
from flows.session.experiment import EXPERIMENTS, load_experiment

DEMO = load_experiment(Path("demo"))


def test_a_deployment_of_each_flow_has_the_experiments_form(monkeypatch, tmp_path):
    monkeypatch.setattr(deployments, "chunk_limits", lambda *_: {"all-minilm-l6-v2": 256})
    made = deployments.deployments_of(EXPERIMENTS / "demo.toml", DEMO, tmp_path)
    assert [one.name for one in made] == ["demo-label", "demo-sweep", "demo-compare"]
    assert {tuple(one.tags) for one in made} == {("tercet",)}
    schema, parameters = made[1]._parameter_openapi_schema, made[1].parameters
    assert schema.required == ["settings", "advanced"]
    assert schema.definitions["SweepSettings"]["properties"]["sizes"]["items"]["maximum"] == 256
    assert parameters["advanced"]["store"] == str(tmp_path)
    assert parameters["advanced"]["experiment"] == str(EXPERIMENTS / "demo.toml")


OURS = "flows.serving.prefect_flows.sweep"


def test_old_names_are_removed_if_an_older_version_made_them(monkeypatch):
    there = [
        SimpleNamespace(id="old", entrypoint=OURS, work_pool_name=None),
        SimpleNamespace(id="of a work pool", entrypoint=OURS, work_pool_name="tercet"),
        SimpleNamespace(id="of another program", entrypoint="theirs.sweep", work_pool_name=None),
    ]
    removed, asked = [], []

    class Client:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read_deployments(self, deployment_filter):
            asked.append(deployment_filter)
            return there

        def delete_deployment(self, one):
            removed.append(one)

    monkeypatch.setattr(deployments, "get_client", lambda **_: Client())
    deployments.remove_old_deployments(["demo", "mine"])
    assert removed == ["old"]
    assert (asked[0].name.any_, asked[0].tags.all_) == (["demo", "mine"], ["tercet"])


@pytest.mark.parametrize(
    ("counted", "line"),
    [
        ({}, "stopped; 0 runs finished"),
        ({"COMPLETED": 1}, "stopped; 1 run finished"),
        ({"COMPLETED": 2, "FAILED": 1}, "stopped; 2 runs finished, 1 run refused or failed"),
        ({"CRASHED": 1, "CANCELLED": 1}, "stopped; 0 runs finished, 2 runs broken off (Retry in the UI continues)"),
    ],
)
def test_the_last_line_says_how_the_runs_ended(counted, line):
    assert running.told(Counter(counted)) == line


class Server:
    """A Prefect API with runs in their states, as `end_counted` sees it."""

    def __init__(self, states):
        self.states = dict(states)

    def __call__(self, **_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read_flow_runs(self, flow_run_filter):
        asked = flow_run_filter.id.any_, flow_run_filter.state.type.any_
        return [SimpleNamespace(id=run) for run, state in self.states.items() if run in asked[0] and state in asked[1]]

    def count_flow_runs(self, flow_run_filter):
        return len(self.read_flow_runs(flow_run_filter))

    def set_flow_run_state(self, run, state, force):
        self.states[run] = state.type


def test_only_runs_that_were_started_here_are_broken_off_and_counted(monkeypatch):
    ours, over, again, others, old = (UUID(int=n) for n in range(5))
    states = {ours: "RUNNING", over: "COMPLETED", again: "RUNNING", others: "RUNNING", old: "COMPLETED"}
    server = Server({run: StateType(state) for run, state in states.items()})
    monkeypatch.setattr(running, "get_client", server)
    # One that was over here is under way again, on another machine.
    assert +running.end_counted({ours, over, again}, {ours}) == {"COMPLETED": 1, "CRASHED": 1}
    assert [run for run, state in server.states.items() if state == "CRASHED"] == [ours]
    assert running.end_counted(set(), set()) == {}


def test_the_runner_knows_which_runs_are_its_own(monkeypatch):
    async def enter(self):
        self._process_manager = ProcessManager()
        self._scheduled_run_poller = SimpleNamespace(_submit_run=partial(submit, self._process_manager))
        return self

    async def submit(manager, run, group, slot):
        assert (group, slot) == ("group", "slot")
        if run.id != 3:  # another runner was faster
            await manager.add(run.id, SimpleNamespace())
        await asyncio.sleep(3600 if run.id == 2 else 0)

    async def work():
        runner = await running._OwnRunner(2).__aenter__()
        runs = [SimpleNamespace(id=n) for n in (1, 2, 3)]
        submitted = [
            asyncio.ensure_future(runner._scheduled_run_poller._submit_run(run, "group", "slot")) for run in runs
        ]
        while not (submitted[0].done() and submitted[2].done()):
            await asyncio.sleep(0)
        submitted[1].cancel()
        await asyncio.wait(submitted)
        return runner

    monkeypatch.setattr(running.Runner, "__aenter__", enter)
    runner = asyncio.run(work())
    assert (runner.begun, runner.under_way) == ({1, 2}, {2})
    assert hasattr(ScheduledRunPoller, "_submit_run"), "what the runner wraps"
