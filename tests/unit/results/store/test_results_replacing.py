"""A finished run is replaced at once: whenever its successor dies, the store holds one of the two, whole."""

import errno
import hashlib
import json
import os
import signal
import sys

import polars as pl
import pytest

from corpora.errors import InputError
from corpora.storage import entries, files_in, sha256_file, store_path
from results.store import replacing
from results.store.finished import MANIFEST, SEAL, damaged_runs, read_manifest, read_tables
from results.store.run_folder import RunFolder

MANIFEST_OF = {"name": "demo", "kind": "run"}
# The events of the audit by which Python changes a file system.
WRITES = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "ctypes.dlsym")


def make(root, value, name="demo[1]"):
    """Make a run whose two tables and report hold `value`; no Parquet, since a forked process must not use Polars."""
    run = RunFolder(root, name, {}, {})
    with run.held():
        run.begin()
        for table in ("a.parquet", "b.parquet"):
            run.write_text(table, value * 100)
        manifest = run.complete(MANIFEST_OF | {"headline": value}, {"started": value})
        run.write_text("report.md", value)
        run.seal(manifest)
    return run.path


def found(path):
    """The value of the one whole run that is there."""
    manifest = read_manifest(path)
    value = manifest["headline"]
    place = replacing.current(path, MANIFEST)
    for name, digest in manifest["tables"].items():
        assert sha256_file(place / name) == digest, f"{name} is not that of {value}"
    assert (place / "report.md").read_text() == value
    return value


def die_at(number, root, value):
    """Make a run in a process of its own, which is killed at its nth change of the file system; whether it was."""
    child = os.fork()
    if child == 0:
        changes = 0

        def count(event, arguments):
            nonlocal changes
            if event not in WRITES or (event == "open" and isinstance(arguments[1], str) and "r" in arguments[1]):
                return
            if event == "ctypes.dlsym" and arguments[1] != "renameat2":
                return
            changes += 1
            if changes == number:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            make(root, value)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "two renames"])
def test_a_kill_at_any_change_leaves_the_old_run_or_the_new_one(tmp_path, monkeypatch, exchanges):
    def cannot(*_):
        raise OSError(errno.EINVAL, "Invalid argument")

    if not exchanges:
        monkeypatch.setattr(replacing, "exchange", cannot)
    monkeypatch.setattr("results.store.run_folder.PACKAGES", ())
    path = make(tmp_path, "0")
    seen, number, between = {"0"}, 0, 0
    while True:
        number += 1
        if not die_at(number, tmp_path, str(number)):
            break
        # Only where two names cannot be exchanged is there a moment without either; the next run mends it.
        if not exchanges and not path.exists():
            between += 1
            RunFolder(tmp_path, "demo[1]", {}, {}).begin()
        seen.add(found(path))
    assert number > 15, "too few changes to be killed at"
    assert found(path) == str(number)
    assert between == (0 if exchanges else 1)
    assert len(seen) > 2, "no kill came after the exchange"
    # What dead runs left is gone.
    assert {one.name for one in tmp_path.iterdir()} == {path.name, f".{path.name}.lock"}


def test_what_others_put_into_a_run_stays(tmp_path):
    path = make(tmp_path, "old")
    (path / "notes.txt").write_text("mine")
    (path / "more").mkdir()
    (path / "more" / "figures.csv").write_text("1")
    (path / "stale.parquet").write_text("a table that the new run does not have")
    assert make(tmp_path, "new") == path
    assert found(path) == "new"
    assert (path / "notes.txt").read_text() == "mine"
    assert (path / "more" / "figures.csv").read_text() == "1"
    assert not (path / "stale.parquet").exists()


def test_the_old_run_stays_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path = make(tmp_path, "old")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("results.store.run_folder.take_place", refuse)
    with pytest.raises(InputError, match="disk is full"):
        make(tmp_path, "new")
    assert found(path) == "old"
    assert not (tmp_path / replacing.MAKING).exists()


def test_another_run_of_the_store_is_left_alone(tmp_path):
    living = RunFolder(tmp_path, "demo", {"other": 1}, {})
    living.begin()
    living.write_text("a.parquet", "half")
    make(tmp_path, "1", "demo")
    assert [file.name for file in living.work.iterdir()] == ["a.parquet"]


def test_a_run_whose_place_is_a_file_is_refused(tmp_path):
    path = make(tmp_path, "1")
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    path.write_text("mine")
    with pytest.raises(InputError, match="a file has the name"):
        make(tmp_path, "2")
    assert path.read_text() == "mine"


# On an object store: no locks, no renames of folders.


@pytest.fixture
def bucket(tmp_path):
    return store_path(f"memory://{tmp_path.name}[1]")


class Stopped(BaseException):
    """Takes the place of a kill: the clean-up is stopped too."""


def stop_at(number, monkeypatch, root, value):
    """Make a run on an object store that stops for good at its nth change; whether it came to that."""
    filesystem = type(root.fs)
    changes = 0
    for name in ("open", "cp_file", "rm_file"):
        whole = getattr(filesystem, name)

        def change(self, path, *more, _whole=whole, **options):
            nonlocal changes
            if _whole.__name__ != "open" or "w" in (more[0] if more else options.get("mode", "rb")):
                changes += 1
                if changes >= number:
                    raise Stopped
            return _whole(self, path, *more, **options)

        monkeypatch.setattr(filesystem, name, change)
    try:
        make(root, value)
    except Stopped:
        return True
    finally:
        monkeypatch.undo()
    return False


def test_a_run_on_an_object_store_that_stops_anywhere_leaves_one_whole(bucket, monkeypatch):
    path = make(bucket, "0")
    seen, number = {"0"}, 0
    while True:
        number += 1
        if not stop_at(number, monkeypatch, bucket, str(number)):
            break
        seen.add(found(path))
    assert number > 15, "too few changes to stop at"
    assert found(path) == str(number)
    assert len(seen) > 3, "none stopped once the new run counted"


def test_what_a_dead_run_left_on_an_object_store_is_removed_once_it_is_old(bucket, monkeypatch):
    path = make(bucket, "0")
    assert stop_at(4, monkeypatch, bucket, "1")
    make(bucket, "2")
    left = [one.name for one in entries(path) if one.name.startswith(replacing.NEW)]
    assert len(left) == 1, "another run may be writing it"
    monkeypatch.setattr(replacing, "_is_old", lambda _: True)
    make(bucket, "3")
    assert not [one.name for one in entries(path) if one.name.startswith(replacing.NEW)]
    assert found(path) == "3"


# Damage to a finished run.


def whole_run(root):
    run = RunFolder(root, "demo", {"sizes": [64]}, {})
    run.begin()
    run.write_table("cells", pl.DataFrame({"reader": ["one", "two"], "score": [0.25, 0.5]}))
    run.write_table("answers", pl.DataFrame({"label": ["yes"] * 50}))
    sessions = {"started": "now", "seconds": {"label": 1.5}}
    run.seal(run.complete(MANIFEST_OF | {"headline": "Use 64 tokens.", "warnings": ["p < 0.05"]}, sessions))
    return run.path


def flip(file, at):
    content = bytearray(file.read_bytes())
    content[at // 8] ^= 1 << at % 8
    file.write_bytes(content)


def reads(path):
    manifest = read_manifest(path)
    return manifest, {name: frame.to_dicts() for name, frame in read_tables(path, manifest).items()}


def refusal_of(path, before):
    """What is said of a run; None if it reads as before."""
    try:
        assert reads(path) == before, "a flipped bit changed what is read"
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", ["cells.parquet", "answers.parquet", MANIFEST])
def test_no_flipped_bit_changes_what_a_report_is_made_from(tmp_path, name):
    path = whole_run(tmp_path)
    whole, before = (path / name).read_bytes(), reads(path)
    draw, refused = hashlib.sha256(name.encode()).digest(), 0
    for number in range(40):
        at = int.from_bytes(hashlib.sha256(draw + bytes([number])).digest()[:4]) % (8 * len(whole))
        (path / name).write_bytes(whole)
        flip(path / name, at)
        told = refusal_of(path, before)
        if told is not None:
            refused += 1
            assert name in told
            assert "\n" not in told
            (damage,) = damaged_runs(tmp_path)
            assert damage.path == path / MANIFEST
    assert refused > 30
    (path / name).write_bytes(whole)
    assert list(damaged_runs(tmp_path)) == []


def test_a_manifest_of_the_version_before_is_read(tmp_path):
    path = whole_run(tmp_path)
    manifest = json.loads((path / MANIFEST).read_text())
    assert manifest.pop(SEAL)
    (path / MANIFEST).write_text(json.dumps(manifest))
    assert read_manifest(path) == manifest


def test_a_table_of_another_run_is_refused(tmp_path):
    path = whole_run(tmp_path)
    (path / "cells.parquet").write_bytes((path / "answers.parquet").read_bytes())
    with pytest.raises(InputError, match="is not the file that the manifest names"):
        read_tables(path, read_manifest(path))
    assert files_in(path, "*.parquet")
