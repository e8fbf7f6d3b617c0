"""A finished run is run again and killed at eight of its writes: the old run or the new one is there, whole.

`test_results_replacing.py` kills at every change, without the stages before.
"""

import signal
import subprocess
import sys

import pytest

from results.store.finished import read_manifest, read_tables
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

RUN = """
import os, signal, sys
from pathlib import Path

from flows.run import pipeline
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from tests.doubles.scripted import scripted_session

store, at, writes = Path(sys.argv[1]), int(sys.argv[2]), 0

def count(event, arguments):
    global writes
    path = str(arguments[0]) if arguments else ""
    is_write = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir") or (
        event == "open" and isinstance(arguments[1], str) and "w" in arguments[1])
    if is_write and ("label" in path or ".making" in path) and "ledger" not in path:
        writes += 1
        if writes == at:
            os.kill(os.getpid(), signal.SIGKILL)

experiment = parse_experiment({
    "name": "again",
    "corpus": {"source": "sample", "split": "held_out", "sample": 6},
    "calibration": {"per_label": 1},
    "readers": [{"model": "steady"}],
}, "the test")
pipeline.draw_plots = lambda _: []
sys.addaudithook(count)
with scripted_session(store, lambda model, prompt: (0.6, 0.3, 0.1)).session as session:
    pipeline.execute(experiment, "label", session, Runner())
print(writes)
"""


def run(store, at=0) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", RUN, str(store), str(at)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_a_finished_run_survives_the_kill_of_its_successor(tmp_path):
    first = run(tmp_path)
    assert first.returncode == 0, first.stderr
    (folder,) = (file.parent for file in tmp_path.glob("*/manifest.json"))
    whole = read_manifest(folder)
    n_writes = int(first.stdout)
    assert n_writes > 16
    n_sessions = len(read_manifest(folder)["sessions"])
    for kill in range(8):
        done = run(tmp_path, 1 + kill * (n_writes - 1) // 7)
        assert done.returncode == -signal.SIGKILL, (kill, done.stderr)
        manifest = read_manifest(folder)
        assert manifest["tables"] == whole["tables"]
        assert read_tables(folder, manifest)
        assert (folder / "report.md").is_file()
        assert len(manifest["sessions"]) in (n_sessions, n_sessions + 1)
        n_sessions = len(manifest["sessions"])
    assert run(tmp_path).returncode == 0
    assert not (tmp_path / ".making").exists()
