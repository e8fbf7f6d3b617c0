"""A specialist end to end on the real embedder: a scripted teacher's run, then the command, then a run of its own."""

import json

import polars as pl
import pytest

from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages.runner import Runner
from labeling.specialist.folder import list_specialists
from tests.conftest import needs_model
from tests.doubles.permits import reads_outcome, write_permits
from tests.doubles.scripted import ScriptedReaders

pytestmark = [pytest.mark.slow, pytest.mark.model]


def label(tmp_path, model, split, readers=None):
    section = {"source": "tables", "path": "permits", "split": split}
    experiment = parse_experiment(
        {"corpus": section, "calibration": {"per_label": 0}, "readers": [{"model": model}]}, "the test"
    )
    with Session(Workspace(tmp_path / "runs", tmp_path), readers) as session:
        return execute(experiment, "label", session, Runner()).folder


def test_a_specialist_learns_and_then_reads(tmp_path, tercet):
    needs_model("all-minilm-l6-v2")
    write_permits(tmp_path / "permits", 60)
    run = label(tmp_path, "clerk", "all", ScriptedReaders(reads_outcome))
    said = tercet("specialise", run, "--name", "permits", "--quiet")
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    assert "gold labels of clerk on tune questions about" in lines[0]
    assert len(lines) <= 10
    assert sum(line.startswith("Advice: ") for line in lines) == 1
    (specialist,) = list_specialists(tmp_path / "runs")
    scores = pl.read_parquet(specialist.folder / "scores.parquet").filter(questions="all")
    accuracy = dict(scores.select("answers", "accuracy").iter_rows())
    assert accuracy["specialist"] > accuracy["majority label"] + 0.2
    folder = label(tmp_path, f"specialist:{specialist.manifest.digest[:12]}", "held_out")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [one["sha256"] for one in manifest["readers"].values()] == [specialist.manifest.digest]
    # Asked question by question it answers as it was scored.
    asked = pl.read_parquet(folder / "labelers.parquet")["accuracy"][0]
    assert asked == pytest.approx(accuracy["specialist"])
