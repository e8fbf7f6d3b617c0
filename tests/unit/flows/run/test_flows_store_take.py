"""The answers of another store are taken over once, whole and unchanged, and never mixed with others."""

import shutil

import polars as pl
import pytest

from corpora.loading.load import load_corpus
from flows.label import label
from flows.session.experiment import parse_experiment
from flows.session.kernel_choices import KernelChoices
from flows.stages.runner import Runner
from tests.doubles.scripted import scripted_session

SETUP = {
    "name": "taken", "corpus": {"source": "generated", "generator": {"n_documents": 6}, "split": "all"},
    "readers": [{"model": "one"}, {"model": "other"}], "calibration": {"per_label": 0},
}  # fmt: skip


def labeled(store, n_readers=2):
    """Label with scripted readers; the votes, and how many prompts that took."""
    setup = parse_experiment(SETUP | {"readers": SETUP["readers"][:n_readers]}, "the test")
    session, readers = scripted_session(store, lambda model, _: (0.6, 0.3, 0.1) if model == "one" else (0.1, 0.3, 0.6))
    with session:
        votes = pl.concat(label(setup, load_corpus(setup.corpus), session, Runner()).votes.values())
    return votes, len(readers.asked)


@pytest.fixture
def there(tmp_path):
    labeled(tmp_path / "there")
    return tmp_path / "there"


def test_what_was_asked_in_another_store_is_not_asked_again(there, tmp_path, tercet):
    here, copy = tmp_path / "here", tmp_path / "copy"
    votes, n_asked = labeled(here, 1)
    shutil.copytree(there, copy)
    taken = tercet("store", "take", there, "--store", here)
    assert taken.exit_code == 0, taken.output
    assert f"{n_asked} answers taken from {there}; {n_asked} were here already." in taken.stdout
    both, asked = labeled(here)
    assert asked == 0
    assert both.equals(labeled(copy)[0])
    assert both.filter(pl.col("labeler") == votes["labeler"][0]).equals(votes)
    again = tercet("store", "take", there, "--store", here)
    assert f"0 answers taken from {there}; {2 * n_asked} were here already." in again.stdout
    assert tercet("store", "check", "--store", here).exit_code == 0
    assert {one.name for one in there.rglob("*.parquet")} == {one.name for one in copy.rglob("*.parquet")}


def test_a_folder_with_only_its_ledger_is_enough_and_can_be_made_in_this_way(there, tmp_path, tercet):
    published = tmp_path / "published"
    assert tercet("store", "take", there, "--store", published).exit_code == 0
    (published / "kernels.json").unlink(missing_ok=True)
    assert {one.name for one in published.iterdir()} == {"ledger"}
    assert tercet("store", "take", published, "--store", tmp_path / "new").exit_code == 0
    assert labeled(tmp_path / "new")[1] == 0


def test_models_that_are_run_in_two_ways_are_not_mixed(there, tmp_path, tercet):
    here = tmp_path / "here"
    KernelChoices(there).put("a" * 64, "on")
    KernelChoices(here).put("a" * 64, "off")
    KernelChoices(there).put("b" * 64, "off")
    refused = tercet("store", "take", there, "--store", here)
    assert refused.exit_code == 2
    assert "run a model in different ways (kernels.json, sha256 aaaaaaaaaaaa...)" in refused.stderr
    assert not (here / "ledger").exists()
    assert tercet("store", "take", there, "--store", tmp_path / "new").exit_code == 0
    assert KernelChoices(tmp_path / "new").all() == {"a" * 64: "on", "b" * 64: "off"}


def test_wrong_stores_and_damaged_answers_are_refused(there, tmp_path, tercet):
    empty = tmp_path / "empty"
    empty.mkdir()
    for other, said in ((empty, "has no folder `ledger` with answers"), (tmp_path / "none", "there is no store")):
        refused = tercet("store", "take", other, "--store", tmp_path / "new")
        assert refused.exit_code == 2
        assert said in refused.stderr
    KernelChoices(there).put("a" * 64, "off")
    shard = max(there.rglob("*.parquet"), key=str)  # of the reader that comes last
    shard.write_bytes(shard.read_bytes()[:-9])
    refused = tercet("store", "take", there, "--store", tmp_path / "new")
    assert refused.exit_code == 2
    assert "damaged" in refused.stderr
    assert not (tmp_path / "new").exists()


def test_answers_of_models_that_nobody_says_how_they_were_run_are_not_mixed(there, tmp_path, tercet):
    here = tmp_path / "here"
    KernelChoices(here).put("a" * 64, "off")
    refused = tercet("store", "take", there, "--store", here)
    assert refused.exit_code == 2
    assert f"{there} has no kernels.json, which says how its models were run, as {here} does" in refused.stderr
    assert f"copy the kernels.json of the store that its answers come from into {there}" in refused.stderr
    assert {one.name for one in here.iterdir()} == {"kernels.json"}
    taken = tercet("store", "take", there, "--store", tmp_path / "new")
    assert taken.exit_code == 0
    assert f"{there} has no kernels.json" in taken.stderr
    # And the other way round.
    labeled(tmp_path / "silent")
    KernelChoices(there).put("a" * 64, "off")
    refused = tercet("store", "take", there, "--store", tmp_path / "silent")
    assert refused.exit_code == 2
    assert f"{tmp_path / 'silent'} has no kernels.json" in refused.stderr
    assert not (tmp_path / "silent" / "kernels.json").exists()
    KernelChoices(tmp_path / "silent").put("a" * 64, "off")
    assert "kernels.json" not in tercet("store", "take", there, "--store", tmp_path / "silent").stderr
