"""What a runner on Dask does in its own process, and what it says when the cluster is gone."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from corpora.errors import InputError
from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages import runner
from flows.stages.progress import Quiet
from tests.doubles.scripted import open_word_embedder, scripted_session

distributed = pytest.importorskip("distributed")

from flows.runners import workers  # noqa: E402  (needs the package)
from flows.runners.dask_runner import DaskRunner  # noqa: E402

SESSION = Session(Workspace(Path()))


class Client:
    """A Dask client whose scheduler has gone away."""

    def nthreads(self):
        raise OSError("Timed out trying to connect")

    def submit(self, *_, **__):
        return Cancelled()

    def cancel(self, _):
        raise OSError("Timed out trying to connect")


class Cancelled:
    """What becomes of a shard whose scheduler is gone."""

    def done(self):
        return True

    def result(self):
        raise distributed.CancelledError("scheduler-connection-lost")


class Runner(DaskRunner):
    """Without a flow run around it."""

    def __init__(self, client):
        super().__init__(client)
        self.progress = Quiet()

    def call(self, stage, *args):
        return stage(*args)

    def show(self, finished):
        pass


def test_what_stays_here_is_done_shard_by_shard_as_batches_want_it():
    collected = []

    def finished():
        for part in range(3):
            assert collected == list(range(part)), "the next one was asked for before the last was collected"
            yield 1, (part,)

    runner = Runner(Client())
    runner.each("label", 3, lambda _, part: collected.append(part), SESSION, finished())
    assert collected == [0, 1, 2]
    assert runner.each("label", 0, print, SESSION, iter(())) == []


def test_a_scheduler_that_goes_away_is_one_line(monkeypatch):
    monkeypatch.setattr("flows.runners.dask_runner.ELSEWHERE", (print,))
    with pytest.raises(InputError, match="the Dask scheduler is gone"):
        Runner(Client()).each("label", 1, print, SESSION, iter([(1, ())]))

    class Lost(Client):
        def nthreads(self):
            return {"tcp://127.0.0.1:1": 1}

    with pytest.raises(InputError, match="the Dask scheduler is gone"):
        Runner(Lost()).each("label", 1, print, SESSION, iter([(1, ())]))


class Cluster:
    """A Dask client with two workers, which do what they are given at once: one after the other, in turn."""

    def __init__(self, *readers):
        self._workers, self.n_shards = [workers.WorkerState(one) for one in readers], 0

    def nthreads(self):
        return {f"tcp://127.0.0.1:{port}": 1 for port in range(len(self._workers))}

    def submit(self, function, stage, workspace, args, pure):
        worker = self._workers[self.n_shards % len(self._workers)]
        self.n_shards += 1
        return Done(worker.run(stage, workspace, args))

    def cancel(self, _):
        pass


class Done:
    """A shard that has been worked on."""

    def __init__(self, result):
        self.result = lambda: result

    def done(self):
        return True


@pytest.mark.slow
def test_reading_until_told_is_the_same_on_workers(tmp_path, monkeypatch):
    # What is sealed does not matter here: the flows' own results take the place of the folder.
    monkeypatch.setattr(pipeline, "seal_run", lambda _, __, ___, made, *____: Mock(folder=made))
    monkeypatch.setattr(workers, "Session", lambda *given: Session(*given, open_word_embedder))
    experiment = parse_experiment(
        {
            "corpus": {"source": "sample", "sample": 40},
            "retrieval": {"sizes": [8, 16], "k": [1], "budgets": [], "controls": ["closed_book"]},
            "scoring": {"n_resamples": 100, "margin": 0.25},
            "reading": {"stop": "told", "first_look": 8},
            "readers": [{"model": "one"}, {"model": "two"}],
        },
        "the test",
    )

    def script(model, prompt):
        return (0.9, 0.05, 0.05) if model == "one" or prompt.arm == "document" else (0.4, 0.3, 0.3)

    def made(store, run):
        opening = scripted_session(tmp_path / store, script)
        with opening.session as session:
            return execute(experiment, "sweep", session, run).folder, opening.readers.asked

    here, asked_here = made("here", runner.Runner())
    others = [scripted_session(tmp_path / "there", script).readers for _ in range(2)]
    there, asked_there = made("there", Runner(Cluster(*others)))
    assert asked_here
    assert asked_there == [], "all of it is asked on workers"
    assert all(one.asked for one in others)
    keys = [prompt.key for one in others for prompt in one.asked]
    assert sorted(keys) == sorted(prompt.key for prompt in asked_here), "nothing twice, nothing else"
    for name in ("answers", "cells", "looks", "dropped"):
        assert here.swept.tables[name].equals(there.swept.tables[name]), name
    assert len(here.swept.tables["looks"]) > 2
