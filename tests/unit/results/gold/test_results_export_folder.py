"""The folder of an export is there whole or not at all, and takes nobody else's place."""

import json
import os

import pytest

from corpora.errors import InputError
from results.gold.export.folder import RECORD, export_folder, write_record


def fill(folder, **files):
    for name, text in files.items():
        (folder / name).write_text(text)
    write_record(folder, {"format": "test"})


def test_a_folder_appears_once_it_is_complete(tmp_path):
    with export_folder(tmp_path / "deep" / "out", replaces=False) as work:
        fill(work, a="1")
        assert not (tmp_path / "deep" / "out").exists()
    assert {one.name for one in (tmp_path / "deep").iterdir()} == {"out"}
    assert json.loads((tmp_path / "deep" / "out" / RECORD).read_text())["files"] == ["a", RECORD]


def test_an_interrupted_export_leaves_nothing_and_the_earlier_one_as_it_was(tmp_path):
    with export_folder(tmp_path / "out", replaces=False) as work:
        fill(work, a="1")

    def interrupted():
        with export_folder(tmp_path / "out", replaces=True) as work:
            fill(work, a="2")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [one.name for one in tmp_path.iterdir() if not one.name.endswith(".lock")] == ["out"]
    assert (tmp_path / "out" / "a").read_text() == "1"


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path):
    left = tmp_path / ".out.0123abcd.exporting"
    left.mkdir()
    (left / "half").write_text("")
    other = tmp_path / ".out.two.0123abcd.exporting"  # of another export
    other.mkdir()
    with export_folder(tmp_path / "out", replaces=False) as work:
        fill(work)
    assert not left.exists()


@pytest.mark.parametrize("exchanges", [True, False])
def test_an_earlier_export_is_replaced_whole(tmp_path, monkeypatch, exchanges):
    def fails(one, other):
        raise OSError("no such call")

    if not exchanges:
        monkeypatch.setattr("results.gold.export.folder.exchange", fails)
    for name in ("old", "new"):
        with export_folder(tmp_path / "out", replaces=True) as work:
            fill(work, **{name: ""})
    assert {one.name for one in (tmp_path / "out").iterdir()} == {"new", RECORD}
    assert {one.name for one in tmp_path.iterdir()} == {"out"}


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "out").mkdir()
    with export_folder(tmp_path / "out", replaces=False) as work:
        fill(work, a="")
    assert (tmp_path / "out" / "a").is_file()


@pytest.mark.parametrize("replaces", [True, False])
def test_what_is_no_export_is_never_replaced(tmp_path, replaces):
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "mine" / "deep" / "thesis.txt").write_text("years")
    with pytest.raises(InputError), export_folder(tmp_path / "mine", replaces=replaces):
        pytest.fail("it was to be filled")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"), export_folder(tmp_path / "file", replaces=replaces):
        pytest.fail("it was to be filled")
    assert (tmp_path / "mine" / "deep" / "thesis.txt").read_text() == "years"


@pytest.mark.parametrize("replaces", [True, False])
def test_neither_a_device_nor_a_link_is_replaced(tmp_path, replaces):
    os.mkfifo(tmp_path / "device")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name, said in (("device", "is no folder"), ("link", "is a link")):
        with pytest.raises(InputError, match=said), export_folder(tmp_path / name, replaces=replaces):
            pytest.fail("it was to be filled")
    assert (tmp_path / "device").is_fifo()
    assert (tmp_path / "link").is_symlink()
