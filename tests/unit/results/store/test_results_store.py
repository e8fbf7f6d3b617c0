import contextlib
import errno
import json
import resource

import polars as pl
import pytest

from corpora.errors import InputError
from corpora.storage import sha256_file
from results.store.finished import MANIFEST, read_manifest, read_tables
from results.store.run_folder import PACKAGES, RunFolder, machine, package_versions

TABLE = pl.DataFrame({"question_id": ["q1", "q2"], "score": [0.5, None]})


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "runs", "demo", {"seed": 1, "sizes": [64, 128]}, {"a.json": "0" * 64})
    folder.begin()
    return folder


RUN = {"name": "demo", "kind": "run"}


def sealed(run, session=None, **content):
    """Seal a run as the pipeline does, and return its manifest."""
    run.seal(run.complete(RUN | content, session or {"started": "now"}))
    return read_manifest(run.path)


def files(run):
    """What is in the folder that is being written, or in the finished one."""
    return sorted(file.name for file in run.work.iterdir())


def refuse_to_write(monkeypatch, error):
    """Writing stops half way, as on a full disk."""

    def write_half(_frame, target, **_):
        target.write(b"half")
        raise error

    def sync(_):
        raise error

    monkeypatch.setattr(pl.DataFrame, "write_parquet", write_half)
    monkeypatch.setattr("corpora.storage.os.fsync", sync)


@contextlib.contextmanager
def files_of_at_most(n_bytes):
    """The kernel refuses to let a file grow further, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_is_complete_only_when_it_is_sealed(run):
    assert not run.is_complete
    run.write_table("cells", TABLE)
    run.write_text("report.md", "# Report\n")
    assert not run.is_complete
    sealed(run)
    assert run.is_complete


def test_a_finished_run_stays_whole_until_the_next_one_is_sealed(run):
    run.write_table("cells", TABLE)
    run.write_table("gone", TABLE)
    manifest = sealed(run)
    run.begin()
    run.write_table("cells", TABLE.head(1))
    assert read_manifest(run.path) == manifest
    assert read_tables(run.path, manifest)["cells"].equals(TABLE)
    sealed(run)
    assert files(run) == ["cells.parquet", "manifest.json"]
    assert read_tables(run.path, read_manifest(run.path))["cells"].equals(TABLE.head(1))


def test_a_run_that_is_given_up_leaves_the_finished_one_and_nothing_else(run):
    run.write_table("cells", TABLE)
    manifest = sealed(run)
    with contextlib.suppress(InputError), run.held():
        run.begin()
        run.write_table("cells", TABLE.head(1))
        raise InputError("something", "something else", "do it")
    assert read_manifest(run.path) == manifest
    assert [path.name for path in run.path.parent.iterdir() if not path.name.endswith(".lock")] == [run.path.name]


def test_the_manifest_holds_the_config_and_the_digest_of_every_table(run):
    run.write_table("cells", TABLE)
    run.write_table("answers", TABLE.head(1))
    manifest = sealed(run, seconds=3)
    assert manifest["seconds"] == 3
    assert manifest["config"] == {"seed": 1, "sizes": [64, 128]}
    assert manifest["tables"] == {name: sha256_file(run.path / name) for name in ("answers.parquet", "cells.parquet")}
    assert set(manifest["packages"]) == set(PACKAGES)


def test_tables_come_back_as_they_were_written(run):
    run.write_table("cells", TABLE)
    run.write_table("answers", TABLE.head(0))
    tables = read_tables(run.path, sealed(run))
    assert list(tables) == ["answers", "cells"]
    assert tables["cells"].equals(TABLE)
    assert tables["answers"].schema == TABLE.schema


def test_the_same_table_has_the_same_bytes(run):
    run.write_table("one", TABLE)
    run.write_table("two", TABLE)
    assert sha256_file(run.work / "one.parquet") == sha256_file(run.work / "two.parquet")


def test_texts_are_written_as_utf8(run):
    run.write_text("report.md", "naïve 👩‍👩‍👧\n")
    assert (run.work / "report.md").read_bytes() == "naïve 👩‍👩‍👧\n".encode()


def test_the_folder_is_named_by_the_config_whatever_the_order_of_its_keys(tmp_path):
    one = RunFolder(tmp_path, "demo", {"a": 1, "b": 2}, {"x": "1", "y": "2"})
    assert RunFolder(tmp_path, "demo", {"b": 2, "a": 1}, {"y": "2", "x": "1"}).path == one.path
    assert RunFolder(tmp_path, "demo", {"a": 1, "b": 3}, {"x": "1", "y": "2"}).path != one.path
    assert RunFolder(tmp_path, "demo", {"a": 1, "b": 2}, {"x": "1", "y": "3"}).path != one.path  # other data
    assert one.path.name.startswith("demo-")


def test_reading_a_run_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        read_manifest(tmp_path / "nowhere")


def test_reading_a_run_without_manifest_is_refused_as_incomplete(run):
    run.path.mkdir()
    with pytest.raises(InputError, match=r"not a complete run \(no manifest\.json\)"):
        read_manifest(run.path)


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    # What polars really raises for it.
    pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", FULL, ids=["OSError", "ComputeError"])
def test_a_full_disk_is_said_in_one_line_and_leaves_no_partial_table(run, monkeypatch, error):
    refuse_to_write(monkeypatch, error)
    with pytest.raises(InputError, match=r"cells\.parquet.*disk is full") as refusal:
        run.write_table("cells", TABLE)
    assert "\n" not in str(refusal.value)
    assert files(run) == []


def test_a_full_disk_leaves_no_partial_text_and_no_manifest(run, monkeypatch):
    run.write_table("cells", TABLE)
    refuse_to_write(monkeypatch, FULL[0])
    with pytest.raises(InputError, match=r"report\.md.*disk is full"):
        run.write_text("report.md", "# Report\n")
    with pytest.raises(InputError, match=r"manifest\.json.*disk is full"):
        run.seal({})
    assert files(run) == ["cells.parquet"]
    assert not run.is_complete


def test_a_table_that_cannot_be_written_again_stays_as_it_was(run, monkeypatch):
    run.write_table("cells", TABLE)
    refuse_to_write(monkeypatch, FULL[1])
    with pytest.raises(InputError):
        run.write_table("cells", TABLE.head(1))
    assert pl.read_parquet(run.work / "cells.parquet").equals(TABLE)


def test_a_write_that_the_kernel_cuts_short_leaves_no_partial_file(run):
    large = pl.DataFrame({"n": list(range(50_000))})
    with files_of_at_most(4096), pytest.raises(InputError, match=r"cannot write .*large\.parquet"):
        run.write_table("large", large)
    with files_of_at_most(4096), pytest.raises(InputError, match=r"cannot write .*report\.md"):
        run.write_text("report.md", "word " * 10_000)
    assert files(run) == []


def test_a_folder_that_is_gone_is_an_input_error_not_a_traceback(run):
    run.work.rmdir()
    with pytest.raises(InputError, match="cannot write"):
        run.write_table("cells", TABLE)
    with pytest.raises(InputError, match="cannot write"):
        run.write_text("report.md", "text")


def test_versions_name_every_package_that_can_change_a_number():
    versions = package_versions()
    assert versions["numpy"] == __import__("numpy").__version__
    assert set(versions) == set(PACKAGES)


def test_a_package_that_is_not_installed_is_recorded_as_absent(monkeypatch):
    monkeypatch.setattr("results.store.run_folder.PACKAGES", ("no-such-package-anywhere",))
    assert package_versions() == {"no-such-package-anywhere": "absent"}


def test_what_is_recorded_about_the_machine_goes_into_json():
    assert json.loads(json.dumps(machine()))["python"].startswith("3.")


def test_the_manifest_is_the_only_seal(run):
    (run.path / MANIFEST).mkdir(parents=True)  # a folder of that name seals nothing
    assert not run.is_complete


def test_running_again_keeps_what_earlier_sessions_took(run):
    sealed(run, {"started": "monday"})
    run.begin()
    assert [one["started"] for one in sealed(run, {"started": "tuesday"})["sessions"]] == ["monday", "tuesday"]


def test_a_table_that_was_changed_or_lost_is_not_read(run):
    run.write_table("cells", TABLE)
    manifest = sealed(run)
    run.write_table("cells", TABLE.head(1))
    with pytest.raises(InputError, match=r"cells\.parquet is not the file"):
        read_tables(run.path, manifest)
    (run.path / "cells.parquet").unlink()
    with pytest.raises(InputError, match=r"cells\.parquet is missing"):
        read_tables(run.path, manifest)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"name": "demo"}'])
def test_a_broken_manifest_is_refused_in_one_line(run, text):
    sealed(run)
    (run.path / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json") as refusal:
        read_manifest(run.path)
    assert "\n" not in str(refusal.value)


def test_running_again_in_another_process_keeps_earlier_sessions_too(run, tmp_path):
    sealed(run, {"started": "monday"})
    later = RunFolder(tmp_path / "runs", "demo", {"seed": 1, "sizes": [64, 128]}, {"a.json": "0" * 64})
    assert later.path == run.path
    later.begin()
    assert [one["started"] for one in sealed(later, {"started": "tuesday"})["sessions"]] == ["monday", "tuesday"]


def test_nothing_is_sealed_by_working_out_the_manifest(run):
    run.write_table("cells", TABLE)
    manifest = run.complete(RUN, {"started": "now"})
    assert not run.is_complete
    run.seal(manifest)
    assert read_manifest(run.path) == manifest


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "demo"}'])
def test_a_broken_manifest_can_be_run_again_as_its_refusal_says(run, text):
    run.path.mkdir()
    (run.path / MANIFEST).write_text(text, encoding="utf-8")
    run.begin()
    assert sealed(run)["sessions"] == [{"started": "now"}]
