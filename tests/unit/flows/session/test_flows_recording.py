"""Recorded votes: a run from them asks nobody, says so, and lies apart from what was asked."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from corpora.errors import InputError
from corpora.loading.load import load_corpus
from flows.cli.main import main
from flows.run.pipeline import execute
from flows.session.experiment import load_experiment, parse_experiment
from flows.session.recording import DESCRIPTION, SHARDS, open_recording, read_recording, record, recording_of
from flows.session.workspace import Workspace
from flows.stages.asking import document_prompts
from flows.stages.runner import Runner
from labeling.models.registry import find_model
from tests.doubles.scripted import scripted_session

MODEL = "qwen2.5-coder-0.5b"
MACHINE = 'the "big" one\\two \N{GRINNING FACE}'
EXPERIMENT = {
    "name": "recorded",
    "corpus": {"source": "sample", "sample": 6},
    "calibration": {"per_label": 0},
    "readers": [{"model": MODEL}],
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A recording of six questions, and the votes in it; beside it lies the store where they were asked."""
    folder = tmp_path_factory.mktemp("recording")
    experiment = parse_experiment(EXPERIMENT, "the test")
    scripted = scripted_session(folder / "asked", lambda _, prompt: (0.7, 0.2, 0.1))
    with scripted.session as session:
        asked = execute(experiment, "label", session, Runner())
        record(session, experiment.readers, load_corpus(experiment.corpus).labels, folder / "recording", MACHINE)
    return experiment, folder / "recording", pl.read_parquet(asked.folder / "votes.parquet")


def votes_in(session, experiment):
    return session.ledger(experiment.readers[0], load_corpus(experiment.corpus).labels).votes()


def test_a_run_from_a_recording_asks_nobody_and_says_so(recording, tmp_path):
    experiment, folder, asked = recording
    with open_recording(folder, Workspace(tmp_path / "runs"), "ask them") as session:
        outcome = execute(experiment, "label", session, Runner())
    manifest = json.loads((outcome.folder / "manifest.json").read_text())
    assert pl.read_parquet(outcome.folder / "votes.parquet").equals(asked)
    assert [one["new"] for one in manifest["sessions"][0]["asked"]["label"]] == [0]
    assert manifest["warnings"][0].startswith(f"The votes and answers of {MODEL} were recorded on ")
    assert "no reader was asked on this machine" in outcome.report
    assert read_recording(folder).machine == MACHINE


def test_recorded_votes_lie_apart_from_those_that_were_asked(recording):
    experiment, folder, _ = recording
    store = folder.with_name("asked")
    with open_recording(folder, Workspace(store), "ask them") as session:
        recorded = execute(experiment, "label", session, Runner()).folder
        fingerprint = session.fingerprint(experiment.readers[0], load_corpus(experiment.corpus).labels)
    assert len(list(store.glob("recorded-label-*"))) == 2  # the run that asked is kept beside it
    assert recorded.parent == store
    assert len(list(store.glob(f"recorded/*/ledger/{fingerprint}"))) == 1
    assert (store / "ledger" / fingerprint).is_dir()


def test_a_newer_recording_is_not_answered_from_an_older_one(recording, tmp_path):
    experiment, older, asked = recording
    newer = tmp_path / "newer"
    shutil.copytree(older, newer)
    description = (newer / DESCRIPTION).read_text("utf-8")
    (newer / DESCRIPTION).write_text(f"# Of another day.\n{description}", encoding="utf-8")
    for shard in newer.glob(SHARDS):
        shard.unlink()
    with open_recording(older, Workspace(tmp_path / "runs"), "ask them") as session:
        assert len(votes_in(session, experiment)) == len(asked)
    with open_recording(newer, Workspace(tmp_path / "runs"), "ask them") as session:
        assert votes_in(session, experiment).is_empty()


def test_a_damaged_copy_of_a_recorded_shard_is_replaced(recording, tmp_path):
    experiment, folder, asked = recording
    workspace = Workspace(tmp_path / "runs")
    with open_recording(folder, workspace, "ask them") as session:
        for shard in session.workspace.ledger.glob(SHARDS):
            shard.write_bytes(shard.read_bytes()[:-9])
    with open_recording(folder, workspace, "ask them") as session:
        assert len(votes_in(session, experiment)) == len(asked)


def test_readers_of_one_model_with_two_scoring_rules_are_not_recorded_as_one(recording, tmp_path, monkeypatch):
    experiment, folder, _ = recording
    labels = load_corpus(experiment.corpus).labels
    other = experiment.readers[0].model_copy(update={"name": "other"})
    with open_recording(folder, Workspace(tmp_path / "runs"), "ask them") as session:
        monkeypatch.setattr(session.readers, "scoring", lambda config, _: f"label/{1 + (config.label == 'other')}")
        with pytest.raises(InputError, match=rf"readers of {MODEL} are scored by label/1 and by label/2: expected"):
            record(session, [*experiment.readers, other], labels, tmp_path / "new", "a machine")
    assert not (tmp_path / "new").exists()


def test_a_vote_that_was_not_recorded_is_refused_in_one_line(recording, tmp_path):
    _, folder, _ = recording
    more = parse_experiment(EXPERIMENT | {"corpus": {"source": "sample", "sample": 7}}, "the test")
    with (
        open_recording(folder, Workspace(tmp_path / "runs"), "ask the readers afresh") as session,
        pytest.raises(InputError, match=rf"lack one of '{MODEL}' that this run needs.*; ask the readers afresh"),
    ):
        execute(more, "label", session, Runner())


def test_a_model_that_was_not_recorded_is_refused(recording, tmp_path):
    _, folder, _ = recording
    other = parse_experiment(EXPERIMENT | {"readers": [{"model": "smollm2-135m"}]}, "the test")
    with (
        open_recording(folder, Workspace(tmp_path / "runs"), "ask it") as session,
        pytest.raises(InputError, match=r"no recorded votes of model 'smollm2-135m': expected .*; ask it"),
    ):
        execute(other, "label", session, Runner())


def test_a_damaged_copy_is_named_and_once_it_is_set_aside_copied_again(recording, tmp_path):
    experiment, folder, _ = recording
    store = tmp_path / "runs"

    def run():
        with open_recording(folder, Workspace(store), "ask them") as session:
            return execute(experiment, "label", session, Runner())

    run()
    shard = max((store / "recorded").rglob("*.parquet"), key=lambda one: one.stat().st_size)
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + b"?")
    kernels = shard.parents[2] / "kernels.json"
    kernels.write_text("?", encoding="utf-8")
    check = ["store", "check", "--store", str(store)]
    named = CliRunner().invoke(main, check)
    assert named.exit_code == 2
    assert f"{shard}: its bytes do not have the digest in its name; once it is set aside, the next" in named.stderr
    assert f"{kernels}: " in named.stderr
    assert CliRunner().invoke(main, [*check, "--set-aside"]).exit_code == 0
    assert CliRunner().invoke(main, check).exit_code == 0
    run()
    assert shard.read_bytes() == whole


def test_the_bundled_recording_is_of_the_models_of_the_registry_and_has_every_vote_of_the_demo(tmp_path):
    demo = load_experiment(Path("demo"))
    corpus = load_corpus(demo.corpus)
    recording = read_recording(recording_of("demo"))
    assert {one.model: one.sha256 for one in recording.models} == {
        reader.model: find_model(reader.model).sha256 for reader in demo.readers
    }
    with open_recording(recording_of("demo"), Workspace(tmp_path), "") as session:
        for reader in demo.readers:
            asked = reader.corpus_of(corpus, demo.corpus.seed)
            ledger = session.ledger(reader, corpus.labels)
            prompts = [one for group in document_prompts(asked, reader) for one in group]
            assert len(prompts) == 3 * 96
            assert not ledger.missing(prompts)
