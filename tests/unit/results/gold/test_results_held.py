"""A lock is waited for shortly: who holds it is said in a line, and where none can be made nobody waits for ever."""

import fcntl
import os
from contextlib import contextmanager

import pytest

from corpora.errors import InputError
from results.gold.export.folder import export_folder
from results.gold.held import held
from results.gold.review.storage import ReviewFolder
from tests.doubles.reviews import reviews_of


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr("results.gold.held.SECONDS", 0.1)


@contextmanager
def held_elsewhere(lock):
    """Hold a lock as another process does: by an open file of its own."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def alone(lock, **options):
    return held(lock, "another process is at it", "no other process", "wait", **{"leaves": False, **options})


@pytest.mark.parametrize("leaves", [True, False])
def test_the_lock_is_there_for_the_time_of_the_block(tmp_path, leaves):
    with alone(tmp_path / "lock", leaves=leaves):
        assert (tmp_path / "lock").is_file()
    assert (tmp_path / "lock").is_file() == leaves


def test_an_export_that_another_process_writes_is_said_with_its_lock_which_stays(tmp_path):
    lock = tmp_path / ".out.lock"
    said = rf"another process is writing {tmp_path}/out \(it holds the lock {lock}\): expected .*; wait until"
    with held_elsewhere(lock):
        with pytest.raises(InputError, match=said), export_folder(tmp_path / "out", replaces=False):
            pytest.fail("it was to be filled")
        assert lock.is_file()
    with export_folder(tmp_path / "out", replaces=False):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_labels_that_another_process_writes_are_not_waited_for_for_ever(tmp_path):
    with (
        held_elsewhere(tmp_path / ".ann.jsonl.lock"),
        pytest.raises(InputError, match=r"another process is writing labels to .*ann\.jsonl \(it holds the lock"),
    ):
        ReviewFolder(tmp_path).append(reviews_of(("q1", "ann", "yes")))
    assert not (tmp_path / "ann.jsonl").exists()


@pytest.mark.parametrize("error", [FileNotFoundError(2, "gone"), PermissionError(13, "denied"), OSError(30, "no")])
def test_where_no_lock_can_be_made_nobody_waits_for_ever(tmp_path, monkeypatch, error):
    opens = os.open

    def fails(path, *arguments, **options):
        if str(path).endswith(".lock"):
            raise error
        return opens(path, *arguments, **options)

    monkeypatch.setattr(os, "open", fails)
    with (
        pytest.raises(InputError, match=rf"cannot write {tmp_path}/out \(.*\): expected a writable folder"),
        export_folder(tmp_path / "out", replaces=False),
    ):
        pytest.fail("it was to be filled")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="cannot keep labels in"):
        ReviewFolder(tmp_path / "reviews").append(reviews_of(("q1", "ann", "yes")))
