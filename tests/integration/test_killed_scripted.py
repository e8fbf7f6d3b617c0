"""Three SIGKILLs between the votes of a scripted reader: the run goes on where it was and ends with the same tables.

`test_killed.py` does it thirty times at random moments, on a real model.
"""

import subprocess
import sys
import time

import polars as pl
import pytest

from labeling.votes.vote import KEY
from tests.conftest import ROOT

# A reader that takes its time, so that a kill comes between two votes; its plots take seconds and are left out.
RUN = """
import sys, time
from pathlib import Path

from flows.run import pipeline
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from tests.doubles.scripted import scripted_session

def script(model, prompt):
    time.sleep(0.02)
    return ((0.6, 0.3, 0.1), (0.2, 0.5, 0.3), (0.1, 0.1, 0.8))[len(prompt.message) % 3]

experiment = parse_experiment({
    "name": "killed",
    "corpus": {"source": "sample", "split": "held_out", "sample": 6},
    "calibration": {"per_label": 1},
    "retrieval": {"sizes": [32, 64], "k": [1], "budgets": [64]},
    "scoring": {"n_resamples": 100},
    "readers": [{"model": "steady"}],
}, "the test")
pipeline.draw_plots = lambda _: []
with scripted_session(Path(sys.argv[1]), script).session as session:
    pipeline.execute(experiment, "run", session, Runner())
"""


@pytest.fixture(autouse=True)
def every_vote_a_shard(monkeypatch):
    monkeypatch.setenv("TERCET_FLUSH_SECONDS", "0")


def start(store) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(store)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def finish(store) -> dict[str, bytes]:
    """Run to the end; the tables of the only finished run."""
    process = start(store)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    (manifest,) = store.glob("*/manifest.json")
    return {file.name: file.read_bytes() for file in manifest.parent.glob("*.parquet")}


def shards(store) -> list:
    return sorted(store.glob("ledger/*/*.parquet"))


def votes(store) -> pl.DataFrame:
    return pl.concat(map(pl.read_parquet, shards(store)))


def kill_behind(store, n_shards: int) -> None:
    """Kill a run as soon as the ledger has so many shards."""
    process = start(store)
    while process.poll() is None and len(shards(store)) < n_shards:
        time.sleep(0.005)
    assert process.poll() is None, process.stderr.read()
    process.kill()
    process.communicate()


def test_votes_and_tables_survive_kills(tmp_path):
    whole, store = tmp_path / "whole", tmp_path / "killed"
    tables = finish(whole)
    n_shards, known = len(shards(whole)), pl.DataFrame()
    assert n_shards > 10, "too few shards to be killed between"
    for share in (0.1, 0.4, 0.8):
        kill_behind(store, round(share * n_shards))
        now = votes(store)
        assert len(now) == len(now.unique(KEY)), "a vote is in the ledger twice"
        assert len(known) < len(now) < len(votes(whole))
        assert known.is_empty() or len(known.join(now, on=known.columns, how="semi", nulls_equal=True)) == len(known)
        known = now
    assert finish(store) == tables
    key = list(KEY)
    assert votes(store).select(key).sort(key).equals(votes(whole).select(key).sort(key))
