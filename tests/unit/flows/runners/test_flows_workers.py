"""What a Dask worker does: one model for all shards, votes on disk when a shard ends; and what it must have."""

import shutil

import polars as pl
import pytest

from corpora.errors import InputError
from corpora.schema import LabelSet
from flows.runners.workers import Told, WorkerState, check_workers, free_model, look_around, state_of
from flows.session.experiment import Experiment, ReaderConfig
from flows.session.workspace import Workspace
from flows.stages.asking import ask
from labeling.engine import local_readers
from labeling.engine.local_readers import LocalReaders
from labeling.votes.vote import Prompt, Vote
from retrieval.embedding.embedder_config import EmbedderConfig
from tests.conftest import needs_model

pytest.importorskip("distributed")
READER = ReaderConfig(model="smollm2-135m", num_ctx=512, threads=1)
LABELS = LabelSet(("yes", "no", "maybe"))


class Worker:
    """A Dask worker, as far as it is looked at: an object that lives as long as the worker."""


class Client:
    """A Dask client of one worker, which says what it is told to."""

    def __init__(self, **changed):
        self._changed = changed

    def run(self, function, sign, models):
        if self._changed.get("none"):
            return {}
        changed = {name: value for name, value in self._changed.items() if name != "none"}
        return {"tcp://127.0.0.1:1": look_around(sign, models, Worker())._replace(**changed)}


@pytest.fixture
def experiment():
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    return Experiment(readers=(READER,))


def check(experiment, store, kind="run", **changed):
    return list(check_workers(Client(**changed), experiment, kind, Workspace(store), LocalReaders()))


def test_a_worker_like_this_machine_will_do_and_nothing_is_left_in_the_store(experiment, tmp_path):
    assert check(experiment, tmp_path) == ["1 Dask workers on 1 machines"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"none": True}, "without workers"),
        ({"version": "0.0.1"}, "has Tercet 0.0.1"),
        ({"sees_store": False}, "does not see the store"),
        ({"models": {"smollm2-135m": "0" * 64, "all-minilm-l6-v2": "0" * 64}}, "no model 'smollm2-135m' like the one"),
    ],
    ids=["none", "version", "store", "model"],
)
def test_what_a_worker_lacks_is_one_line_before_anything_is_asked(experiment, tmp_path, changed, told):
    with pytest.raises(InputError, match=told):
        check(experiment, tmp_path, **changed)


def test_a_worker_without_the_embedder_is_refused_by_a_sweep_and_will_do_for_labels(experiment, tmp_path):
    (model,) = {reader.model for reader in experiment.readers}
    mine = look_around(tmp_path, [model, EmbedderConfig()], Worker()).models
    without = mine | {"all-minilm-l6-v2": "not fetched"}
    assert check(experiment, tmp_path, "label", models=without)
    with pytest.raises(InputError, match="no model 'all-minilm-l6-v2'"):
        check(experiment, tmp_path, "sweep", models=without)


@pytest.mark.model
def test_a_model_is_loaded_once_for_all_shards_and_votes_are_on_disk_when_a_shard_ends(tmp_path, monkeypatch):
    needs_model("smollm2-135m")
    loaded = []
    load = local_readers.LlamaModel
    monkeypatch.setattr(local_readers, "LlamaModel", lambda *how, **way: loaded.append(how) or load(*how, **way))
    monkeypatch.setenv("TERCET_FLUSH_SECONDS", "1000000")
    worker = Worker()
    state = state_of(worker)
    try:
        for shard in range(3):
            assert state.run(ask, Workspace(tmp_path), (READER, LABELS, prompts_of(shard), False)).n_new == 3
            assert len(votes(tmp_path)) == 3 * (shard + 1)
        # A worker outlives the stores that it has seen.
        shutil.rmtree(tmp_path / "ledger")
        assert state.run(ask, Workspace(tmp_path), (READER, LABELS, prompts_of(0), False)).n_new == 3
        assert len(votes(tmp_path)) == 3
    finally:
        free_model(worker)
    assert state_of(worker) is state
    assert len(loaded) == 1


def test_what_was_answered_before_a_shard_failed_is_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("TERCET_FLUSH_SECONDS", "1000000")

    def fails_on_the_way(session):
        session.ledger_of("f1").append([vote_of(prompt) for prompt in prompts_of(0)])
        raise RuntimeError("llama_decode answered -3")

    with pytest.raises(RuntimeError, match="llama_decode"):
        WorkerState().run(fails_on_the_way, Workspace(tmp_path), ())
    assert len(votes(tmp_path)) == 3


def vote_of(prompt):
    return Vote(
        "f1", prompt.hash, prompt.arm, prompt.vote, prompt.seed, prompt.question_id, "yes", None, (), 0.1, 0.3, 9
    )


def prompts_of(shard):
    return [Prompt(f"q{shard}", "document", vote, vote, "", f"Is {shard} even?") for vote in (0, 1, 2)]


def votes(store):
    return pl.concat([pl.read_parquet(file) for file in store.glob("ledger/*/*.parquet")])


def test_a_mistake_on_a_worker_comes_back_as_its_line(tmp_path):
    (tmp_path / "ledger").write_text("in the way", encoding="utf-8")
    needs_model("smollm2-135m")
    state = WorkerState()
    try:
        told = state.run(ask, Workspace(tmp_path), (READER, LABELS, prompts_of(0), False))
    finally:
        state.free_model()
    assert isinstance(told, Told)
    assert "ledger" in told.line
