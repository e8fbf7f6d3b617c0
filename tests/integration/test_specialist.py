"""A specialist end to end on the real embedder: the demonstration's recorded votes, then the command, then a run."""

import json
from pathlib import Path

import pytest

from flows.run.pipeline import execute
from flows.session.experiment import EXPERIMENTS, load_experiment, parse_experiment
from flows.session.recording import open_recording, recording_of
from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages.runner import Runner
from labeling.specialist.folder import list_specialists
from labeling.votes.consensus import ConsensusConfig
from tests.conftest import needs_model

pytestmark = [pytest.mark.slow, pytest.mark.model]


def test_the_handbook_teaches_a_specialist_that_then_reads(tmp_path, tercet):
    needs_model("all-minilm-l6-v2")
    workspace = Workspace(tmp_path, EXPERIMENTS)
    with open_recording(recording_of("demo"), workspace, "record it again") as session:
        demo = load_experiment(Path("demo")).model_copy(update={"consensus": ConsensusConfig(rule="unanimous")})
        run = execute(demo, "label", session, Runner()).folder
    said = tercet("specialise", str(run), "--reader", "qwen2.5-coder-1.5b", "--name", "handbook", "--quiet")
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    assert lines[0].startswith("17 gold labels of qwen2.5-coder-1.5b on tune questions about 15 documents")
    assert len(lines) <= 10
    assert sum(line.startswith("Advice: ") for line in lines) == 1
    (specialist,) = list_specialists(tmp_path)
    corpus = {"source": "sample", "split": "held_out", "sample": 8}
    named = {"model": f"specialist:{specialist.manifest.digest[:12]}"}
    experiment = parse_experiment({"corpus": corpus, "calibration": {"per_label": 0}, "readers": [named]}, "the test")
    with Session(workspace) as session:
        folder = execute(experiment, "label", session, Runner()).folder
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [one["sha256"] for one in manifest["readers"].values()] == [specialist.manifest.digest]
