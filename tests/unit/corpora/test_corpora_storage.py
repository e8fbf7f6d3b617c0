"""Files of a store appear whole or not at all, in folders and on other file systems alike."""

import os
import time
from pathlib import Path

import polars as pl
import pytest

from corpora import storage
from corpora.errors import InputError
from corpora.storage import (
    entries,
    files_in,
    is_folder,
    move,
    open_store,
    read_frame,
    read_frames,
    remove,
    remove_leftovers,
    require_folder,
    store_path,
    write_frame,
    written_whole,
)


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    """An empty folder of this machine, and one on a file system that only fsspec knows."""
    path = tmp_path / "store" if request.param == "folder" else store_path(f"memory://{tmp_path.name}")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_path_is_not_the_current_folder(text):
    with pytest.raises(InputError, match=r"an empty path: expected a folder, or an address"):
        open_store(text)


def test_a_frame_is_written_over_an_earlier_one_and_read_back(store):
    for value in (1, 2):
        write_frame(store / "t.parquet", pl.DataFrame({"a": [value]}))
    assert read_frame(store / "t.parquet")["a"].to_list() == [2]
    assert [file.name for file in store.iterdir()] == ["t.parquet"]


def test_an_error_midway_leaves_the_earlier_file_and_nothing_else(store):
    with written_whole(store / "t") as file:
        file.write(b"before")
    with pytest.raises(TypeError), written_whole(store / "t") as file:
        file.writelines([b"half", None])
    assert (store / "t").read_bytes() == b"before"
    assert [file.name for file in store.iterdir()] == ["t"]


def test_only_the_errors_of_a_file_system_are_told_as_such(store, monkeypatch):
    for error in (InputError("a slip", "none"), ZeroDivisionError("ours")):
        with pytest.raises(type(error)), written_whole(store / "t"):
            raise error

    class LostError(Exception):
        pass

    def lose(*_):
        raise LostError("no route")

    monkeypatch.setattr(storage, "move", lose)
    told = LostError if is_folder(store) else OSError
    with pytest.raises(told, match="no route"), written_whole(store / "t") as file:
        file.write(b"x")
    assert entries(store) == []


def test_nothing_is_seen_under_the_name_before_the_end(store):
    with written_whole(store / "t.parquet") as file:
        file.write(b"half")
        file.flush()
        assert files_in(store, "*.parquet") == []
    assert [file.name for file in files_in(store, "*.parquet")] == ["t.parquet"]


def test_files_come_by_name_and_a_folder_that_is_not_there_has_none(store):
    for name in ("b.x", "a.x", "c.y"):
        (store / name).write_bytes(b"")
    assert [file.name for file in files_in(store, "*.x")] == ["a.x", "b.x"]
    assert files_in(store / "gone", "*.x") == []


def test_addresses_of_local_files_are_folders():
    assert store_path("file:///a/b") == store_path("/a/b") == Path("/a/b")
    assert is_folder(store_path("runs"))
    assert not is_folder(store_path("memory://a"))


@pytest.mark.parametrize("address", ["nope://bucket/runs", "s3x://bucket"])
def test_an_unknown_file_system_is_one_line(address):
    with pytest.raises(InputError, match=address):
        store_path(address)


def test_what_needs_locks_refuses_another_file_system():
    assert require_folder(Path("runs"), "x") == Path("runs")
    with pytest.raises(InputError, match=r"memory://.* is not on this machine, as required for paid readers"):
        require_folder(store_path("memory://a"), "paid readers")


def test_what_killed_processes_left_is_removed_and_what_others_are_writing_is_not(tmp_path):
    names = (".a.parquet.0123abcd.partial", ".b.parquet.89abcdef.partial", "c.parquet", ".theirs.partial")
    left, written, kept, theirs = (tmp_path / "ledger" / name for name in names)
    left.parent.mkdir()
    for file in (left, written, kept, theirs):
        file.write_text("half")
    two_days_ago = time.time() - 2 * 86_400
    for file in (left, kept, theirs):
        os.utime(file, (two_days_ago, two_days_ago))
    remove_leftovers(tmp_path)
    assert {file.name for file in left.parent.iterdir()} == set(names[1:])
    remove_leftovers(tmp_path / "not there yet")
    remove_leftovers(store_path("memory://not/a/folder"))


# Names that Polars and fsspec take for patterns: `st[1]` matches `st1`, and not itself.
SIGNS = ("st[1]", "st*", "st?", "st[!1]", "{st1,st2}", "~st", "a=b", "**", "%5B")


@pytest.mark.parametrize("name", SIGNS)
def test_a_name_is_no_pattern(store, name):
    for folder, value in ((store / "st1", 1), (store / name, 2)):
        folder.mkdir(parents=True, exist_ok=True)
        for file, times in (("docs1.parquet", 1), ("docs[1].parquet", 10)):
            write_frame(folder / file, pl.DataFrame({"a": [value * times]}))
    named, other = store / name, store / "st1"
    assert [file.name for file in files_in(named, "*.parquet")] == ["docs1.parquet", "docs[1].parquet"]
    assert read_frame(named / "docs[1].parquet")["a"].to_list() == [20]
    assert read_frames(files_in(named, "docs1.*"))["a"].to_list() == [2]
    move(named / "docs[1].parquet", named / "moved[1].parquet")
    remove(named / "docs1.parquet")
    assert [file.name for file in entries(named)] == ["moved[1].parquet"]
    remove(named)
    assert not files_in(named, "*")
    assert [read_frame(file)["a"].item() for file in files_in(other, "*")] == [1, 10]


def test_what_is_not_there_is_removed_already(store):
    remove(store / "nothing")
    assert entries(store / "nothing") == []


def test_a_link_is_removed_and_what_it_points_to_is_not(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    remove(tmp_path / "link")
    assert [file.name for file in tmp_path.iterdir()] == ["theirs"]
    assert (tmp_path / "theirs" / "file").read_text() == "kept"


@pytest.mark.parametrize(
    ("address", "says"), [("http://127.0.0.1/runs", "nothing can be written to"), ("memory://", "")]
)
def test_an_address_that_is_no_place_for_a_store_is_one_line(address, says):
    if not says:
        assert open_store(address)  # it needs no bucket
        return
    with pytest.raises(InputError, match=says) as refusal:
        open_store(address)
    assert "\n" not in str(refusal.value)


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "device")
    with pytest.raises(OSError, match="neither a file nor a folder"), written_whole(tmp_path / "device") as file:
        file.write(b"x")
    assert (tmp_path / "device").is_fifo()
    assert [one.name for one in tmp_path.iterdir()] == ["device"]
