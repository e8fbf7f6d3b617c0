"""Eight SIGKILLs of runs on a real model, at random moments: each goes on where it was and ends with the same tables.

`test_killed_scripted.py` kills many more runs, on a scripted reader. Here a prompt that is asked again must also give
the same votes.

`pytest tests/integration/test_killed.py -s` prints when each kill came.
"""

import random
import subprocess
import sys
import time

import polars as pl
import pytest

from labeling.votes.vote import KEY
from tests.conftest import SHORT_TEXTS, needs_model, write_experiment

pytestmark = [pytest.mark.model, pytest.mark.slow]

KILLS = 8
STORES = 2  # each is killed four times, then finished
KINDS = ("label", "sweep")


def start(kind, experiment, store) -> subprocess.Popen:
    command = [sys.executable, "-m", "flows.cli", kind, str(experiment), "--store", str(store), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(kind, experiment, store) -> float:
    """Run to the end; the seconds that it took."""
    started = time.monotonic()
    process = start(kind, experiment, store)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return time.monotonic() - started


def shards(store) -> list:
    return sorted(store.glob("ledger/*/*.parquet"))


def votes(store) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(one) for one in shards(store)]) if shards(store) else pl.DataFrame()


def tables(store, kind) -> dict[str, bytes]:
    """The tables of the one finished run of this kind."""
    (manifest,) = store.glob(f"small-{kind}-*/manifest.json")
    return {file.name: file.read_bytes() for file in sorted(manifest.parent.glob("*.parquet"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """An experiment, the store of runs that nobody disturbed, and the shards and seconds after each of them."""
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    folder = tmp_path_factory.mktemp("undisturbed")
    experiment = write_experiment(folder / "small.toml", questions=4, corpus=SHORT_TEXTS)
    whole = experiment.read_text(encoding="utf-8")
    less = whole.replace("sizes = [32, 64]", 'sizes = [32]\ncontrols = ["closed_book"]').replace(
        "k = [1, 2]", "k = [1]"
    )
    experiment.write_text(less, encoding="utf-8")
    patch = pytest.MonkeyPatch()
    patch.setenv("TERCET_FLUSH_SECONDS", "0")
    took = {"between": []}
    for kind in KINDS:
        seconds = finish(kind, experiment, folder / "runs")
        took[kind] = len(shards(folder / "runs")), seconds
    yield experiment, folder / "runs", took
    patch.undo()


def kill_at_a_moment(process, store, moments, n_shards, seconds) -> bool:
    """Kill a run after a random time, or after a random vote; false where it ended before."""
    started = time.monotonic()
    after_vote = len(shards(store)) < n_shards and moments.random() < 0.6
    wanted = moments.randint(len(shards(store)) + 1, n_shards) if after_vote else 0
    delay = 4 * seconds if after_vote else moments.uniform(0.3, seconds)
    while process.poll() is None and time.monotonic() - started < delay:
        if after_vote and len(shards(store)) >= wanted:
            break
        time.sleep(0.01)
    if after_vote:
        # Just after the vote, in the next one, or when the run folder is written.
        time.sleep(moments.choice([0.0, moments.uniform(0.0, 0.3), moments.uniform(0.0, 4.0)]))
    ended = process.poll() is not None
    process.kill()
    _, errors = process.communicate()
    assert not ended or process.returncode == 0, errors
    return not ended


def test_there_are_votes_to_be_killed_between(undisturbed):
    _, _, took = undisturbed
    assert 1 < took["label"][0] < took["sweep"][0]


@pytest.mark.parametrize("seed", range(STORES))
def test_killed_at_any_moment_a_run_ends_with_the_same_votes_and_tables(undisturbed, tmp_path, seed):
    experiment, whole, took = undisturbed
    store, moments, known = tmp_path / "runs", random.Random(seed), pl.DataFrame()
    n_votes, n_killed = len(votes(whole)), 0
    while n_killed < KILLS // STORES:
        kind = moments.choice(KINDS)
        n_killed += kill_at_a_moment(start(kind, experiment, store), store, moments, *took[kind])
        now = votes(store)
        sys.stdout.write(f"store {seed}, kill {n_killed} of a {kind}: {len(now)} of {n_votes} votes\n")
        assert len(now) == (len(now.unique(KEY)) if len(now) else 0), "a vote stands in the ledger twice"
        if len(known):
            assert len(known.join(now, on=known.columns, how="semi", nulls_equal=True)) == len(known), "a vote is lost"
        known = now
        took["between"].append(0 < len(now) < n_votes)
    for kind in KINDS:
        finish(kind, experiment, store)
        assert tables(store, kind) == tables(whole, kind)
    key = list(KEY)
    assert votes(store).select(key).sort(key).equals(votes(whole).select(key).sort(key))


def test_kills_came_between_two_votes(undisturbed):
    _, _, took = undisturbed
    assert not took["between"] or any(took["between"])
