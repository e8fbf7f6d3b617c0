"""What a runner on Dask does in its own process, and what it says when the cluster is gone."""

from pathlib import Path

import pytest

from corpora.errors import InputError
from flows.session.session import Session
from flows.session.workspace import Workspace
from flows.stages.progress import Quiet

distributed = pytest.importorskip("distributed")

from flows.runners.dask_runner import DaskRunner  # noqa: E402  (needs the package)

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

    def call(self, stage, session, *args):
        return stage(*args)


def test_what_stays_here_is_done_shard_by_shard_as_batches_want_it():
    collected = []

    def finished():
        for part in range(3):
            assert collected == list(range(part)), "the next one was asked for before the last was collected"
            yield 1, (part,)

    runner = Runner(Client())
    runner.each("label", 3, collected.append, SESSION, finished())
    assert collected == [0, 1, 2]
    assert runner.each("label", 0, collected.append, SESSION, iter(())) == []


def test_a_scheduler_that_goes_away_is_one_line(monkeypatch):
    monkeypatch.setattr("flows.runners.dask_runner.ELSEWHERE", (print,))
    with pytest.raises(InputError, match="the Dask scheduler is gone"):
        Runner(Client()).each("label", 1, print, SESSION, iter([(1, ())]))

    class Lost(Client):
        def nthreads(self):
            return {"tcp://127.0.0.1:1": 1}

    with pytest.raises(InputError, match="the Dask scheduler is gone"):
        Runner(Lost()).each("label", 1, print, SESSION, iter([(1, ())]))
