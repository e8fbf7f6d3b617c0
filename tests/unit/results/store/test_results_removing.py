"""Runs of a store are listed, and removed whole; never one that another process holds, and never a vote."""

import json
import multiprocessing
import uuid

import polars as pl
import pytest
from filelock import FileLock

from corpora.errors import InputError
from corpora.storage import entries, store_path
from results.store.finished import MANIFEST, read_manifest
from results.store.listing import has_asked, list_runs
from results.store.removing import remove_run
from results.store.run_folder import RunFolder


def make(store, name, finished, *, headline="Use it.", **more):
    run = RunFolder(store, name, {}, {})
    with run.held():
        run.begin()
        run.write_text("report.md", "x" * 1000)
        described = {"name": name, "kind": "run", "headline": headline, "corpus": {"questions": 7}} | more
        run.seal(run.complete(described, {"finished": finished}))
    return run.path


@pytest.fixture(params=["folder", "address"])
def store(request, tmp_path):
    return tmp_path / "runs" if request.param == "folder" else store_path(f"memory://removing-{uuid.uuid4().hex}")


@pytest.fixture
def here(tmp_path):
    return tmp_path / "runs"


def test_runs_are_listed_the_newest_first(store):
    make(store, "old", "2026-01-01T10:00:00+00:00", recommendations=[{"setting": None}])
    make(store, "new", "2026-01-02T10:00:00+00:00", recommendations=[{"setting": "tokens"}, {"setting": None}])
    make(store, "middle", "2026-01-01T11:00:00+00:00", recommendations=[], retrieval=[])
    (store / "ledger").mkdir(parents=True, exist_ok=True)
    listed = list_runs(store)
    assert [one.path.name.split("-")[0] for one in listed] == ["new", "middle", "old"]
    assert [one.told for one in listed] == [True, None, False]
    assert {(one.kind, one.n_questions, one.headline) for one in listed} == {("run", 7, "Use it.")}
    assert all(1000 < one.n_bytes < 3000 for one in listed)


def test_a_damaged_run_is_listed_as_one(here):
    path = make(here, "one", "2026-01-01T10:00:00+00:00")
    (path / MANIFEST).write_text((path / MANIFEST).read_text().replace("Use it.", "Use that."))
    (listed,) = list_runs(here)
    assert (listed.kind, listed.path) == ("", path)
    assert "is damaged" in listed.headline


def test_a_run_is_removed_and_nothing_else(store):
    gone, kept = (make(store, name, "2026-01-01T10:00:00+00:00") for name in ("gone", "kept"))
    (store / "ledger" / "reader").mkdir(parents=True, exist_ok=True)
    vote = store / "ledger" / "reader" / "votes.parquet"
    vote.write_bytes(b"a vote")
    n_bytes = next(one.n_bytes for one in list_runs(store) if one.path == gone)
    assert remove_run(gone) == n_bytes
    assert [one.path for one in list_runs(store)] == [kept]
    assert vote.read_bytes() == b"a vote"
    assert {one.name for one in entries(store)} - {f".{kept.name}.lock"} == {kept.name, "ledger"}
    with pytest.raises(InputError, match="does not exist"):
        remove_run(gone)


@pytest.mark.parametrize("name", ["ledger", "embeddings", "", "notes"])
def test_what_is_no_run_is_not_removed(here, name):
    make(here, "one", "2026-01-01T10:00:00+00:00")
    for folder in ("ledger", "embeddings", "notes"):
        (here / folder).mkdir()
    with pytest.raises(InputError, match="holds no finished run"):
        remove_run(here / name)
    assert (here / "ledger").is_dir()
    assert len(list_runs(here)) == 1


def hold(lock, held, over):
    with FileLock(lock):
        held.set()
        over.wait()


def test_a_run_that_another_process_holds_is_not_removed(here):
    path = make(here, "one", "2026-01-01T10:00:00+00:00")
    spawning = multiprocessing.get_context("fork")
    held, over = spawning.Event(), spawning.Event()
    other = spawning.Process(target=hold, args=(path.with_name(f".{path.name}.lock"), held, over))
    other.start()
    held.wait()
    try:
        with pytest.raises(InputError, match=r"another process is writing .* expected a run that no process"):
            remove_run(path)
    finally:
        over.set()
        other.join()
    assert read_manifest(path)["name"] == "one"
    assert remove_run(path) > 1000


def test_a_run_at_an_address_that_may_be_written_is_not_removed():
    store = store_path(f"memory://removing-{uuid.uuid4().hex}")
    path = make(store, "one", "2026-01-01T10:00:00+00:00")
    again = RunFolder(store, "one", {}, {})
    with again.held():
        again.begin()
        again.write_text("report.md", "half of it")
        with pytest.raises(InputError, match="another process is writing"):
            remove_run(path)
    assert json.loads((path / MANIFEST).read_text())["name"] == "one"
    assert remove_run(path) > 1000


def test_a_run_that_is_being_made_stays_whatever_its_name(here):
    gone = make(here, "gone", "2026-01-01T10:00:00+00:00")
    making = RunFolder(here, "a.removed-0123abcd", {}, {})
    with making.held():
        making.begin()
        making.write_text("report.md", "half of it")
        remove_run(gone)
        making.seal(
            making.complete({"name": "a", "kind": "run", "headline": "Use it.", "corpus": {}}, {"finished": ""})
        )
    assert (making.path / "report.md").read_text() == "half of it"


def test_what_another_process_is_removing_is_left_to_it(here):
    first, second = (make(here, name, "2026-01-01T10:00:00+00:00") for name in ("first", "second"))
    making = here / ".making"
    making.mkdir()
    left = making / f"{first.name}.removed-0123abcd"
    first.rename(left)
    with FileLock(first.with_name(f".{first.name}.lock")):
        remove_run(second)
        assert (left / MANIFEST).is_file()
    assert not second.exists()
    assert {one.name for one in making.iterdir()} == {left.name}


def test_a_link_to_a_run_is_refused_and_the_run_stays(here, tmp_path):
    path = make(tmp_path / "elsewhere", "one", "2026-01-01T10:00:00+00:00")
    here.mkdir()
    (here / "linked").symlink_to(path)
    with pytest.raises(
        InputError, match=r"linked is a link to .*one.*: expected the folder of a run itself; name that"
    ):
        remove_run(here / "linked")
    assert read_manifest(here / "linked")["name"] == "one"
    assert remove_run(path) > 1000


def test_what_a_killed_removal_left_is_removed_by_the_next(here):
    first, second = (make(here, name, "2026-01-01T10:00:00+00:00") for name in ("first", "second"))
    making = here / ".making"
    making.mkdir()
    first.rename(making / f"{first.name}.removed-0123abcd")
    assert [one.path for one in list_runs(here)] == [second]
    make(here, "first", "2026-01-01T10:00:00+00:00")  # a run of that name does not bring it back, or mind it
    remove_run(second)
    assert not making.exists()
    assert [one.path for one in list_runs(here)] == [first]


def test_whether_a_finished_run_of_an_experiment_was_on_some_questions(store):
    asked, kinds = [f"q{n}" for n in range(10)], ["run", "sweep"]

    def ran(name, ids):
        run = RunFolder(store, name, {}, {})
        with run.held():
            run.begin()
            run.write_table("questions", pl.DataFrame({"question_id": ids}))
            described = {"name": name, "kind": "run", "headline": "", "corpus": {"questions": len(ids)}}
            run.seal(run.complete(described, {"finished": "2026-01-01T10:00:00+00:00"}))
        return run.path

    assert not has_asked(store, "hand", kinds, asked)
    for name in ("hand-label", "hand-run-run", "hand.run-sweep", "handy-run"):  # labels only, and other experiments
        ran(name, asked)
    ran("hand-run", ["other", *asked[:5]])  # most of the questions are new
    (store / "hand-run-0123abcd").mkdir(parents=True, exist_ok=True)  # not finished
    assert not has_asked(store, "hand", kinds, asked)
    damaged = ran("hand-sweep", asked[:6])
    assert has_asked(store, "hand", kinds, asked)
    assert not has_asked(store, "hand", ["run"], asked)
    (damaged / MANIFEST).write_bytes(b"{}")
    assert not has_asked(store, "hand", kinds, asked)
