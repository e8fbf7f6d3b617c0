"""A file of a store that a flipped bit has damaged is named, and what is made from it again is the same."""

import pytest
from click.testing import CliRunner

from flows.cli.main import main
from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from tests.doubles.scripted import scripted_session

EXPERIMENT = parse_experiment(
    {
        "name": "damaged",
        "corpus": {"source": "sample", "split": "held_out", "sample": 4},
        "calibration": {"per_label": 1},
        "retrieval": {"sizes": [64], "k": [1], "budgets": [64]},
        "scoring": {"n_resamples": 100},
        "readers": [{"model": "steady"}],
    },
    "the test",
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])

    def again():
        with scripted_session(tmp_path, lambda model, prompt: (0.6, 0.3, 0.1)).session as session:
            return execute(EXPERIMENT, "run", session, Runner()).folder

    return again


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def told(*arguments):
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert "Traceback" not in result.output
    return result


def test_damage_is_named_and_what_is_made_again_is_the_same(run, tmp_path):
    folder = run()
    tables = {file.name: file.read_bytes() for file in folder.glob("*.parquet")}
    check = ("store", "check", "--store", tmp_path)
    assert told(*check).exit_code == 0
    vectors = next(tmp_path.glob("embeddings/*/*.parquet"))
    (pin,) = tmp_path.glob("samples/*.json")
    for file in (vectors, pin, folder / "cells.parquet", folder / "manifest.json"):
        flip(file)
        named = told(*check)
        assert named.exit_code == 2
        assert str(file) in named.stderr
        assert len(named.stderr.splitlines()) == 2
        if file.parent == folder:
            for command in (("report", folder), ("diff", folder, folder)):
                refused = told(*command)
                assert refused.exit_code == 2
                assert refused.stderr.count("\n") == 1
                assert file.name in refused.stderr
        else:  # a run mends them by itself
            assert run() == folder
            assert told(*check).exit_code == 0
            flip(vectors if file == pin else pin)
        aside = told(*check, "--set-aside")
        assert aside.exit_code == 0, aside.output
        assert told(*check).exit_code == 0
        assert run() == folder
        assert {file.name: file.read_bytes() for file in folder.glob("*.parquet")} == tables
        vectors = next(tmp_path.glob("embeddings/*/*.parquet"))


@pytest.mark.parametrize("folder", ["recorded", "recorded/0123456789abcdef"])
def test_what_was_copied_from_a_recording_is_looked_at_too(folder, tmp_path):
    kernels, shard = tmp_path / folder / "kernels.json", tmp_path / folder / "ledger/a-reader/1-2-3.parquet"
    shard.parent.mkdir(parents=True)
    for file in (kernels, shard):
        file.write_text("?", encoding="utf-8")
    check = ("store", "check", "--store", tmp_path)
    named = told(*check)
    assert named.exit_code == 2
    assert str(kernels) in named.stderr
    assert f"{shard}: " in named.stderr
    assert "the next run from a recording copies its votes again" in named.stderr
    assert told(*check, "--set-aside").exit_code == 0
    assert told(*check).exit_code == 0
