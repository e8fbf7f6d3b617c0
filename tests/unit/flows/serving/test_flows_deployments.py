"""Deployments are named after experiment and flow; those of an older version go, and a user's own stay."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

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
