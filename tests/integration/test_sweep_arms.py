"""All arms of one paired run, scripted and on a model: closed book, random, document, oracle chunks, retrieved."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from flows.cli.main import main
from flows.run.pipeline import execute
from flows.session.experiment import load_experiment
from flows.stages.runner import Runner
from results.settings import CUT, SETTING
from results.sweep.attribution import ARMS
from tests.conftest import needs_model
from tests.doubles.scripted import scripted_session

EXPERIMENT = """
name = "arms"
[corpus]
source = "sample"
sample = 4
[calibration]
per_label = 0
[retrieval]
sizes = [32, 64]
k = [1, 2]
budgets = [64]
{controls}
[scoring]
n_resamples = 200
[[readers]]
model = "smollm2-135m"
num_ctx = 2048
threads = 1
"""
CELL = [*SETTING, *CUT]


def sweep_scripted(file: Path, store: Path) -> None:
    def script(_, prompt):
        return ((0.99, 0.005, 0.005), (0.005, 0.99, 0.005), (0.3, 0.3, 0.4))[len(prompt.message) % 3]

    with scripted_session(store, script).session as session:
        execute(load_experiment(file), "sweep", session, Runner())


def sweep_on_a_model(file: Path, store: Path) -> None:
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    result = CliRunner().invoke(main, ["sweep", str(file), "--store", str(store), "--quiet"], prog_name="tercet")
    assert result.exit_code == 0, result.output


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(sweep_scripted, id="scripted"),
        pytest.param(sweep_on_a_model, id="model", marks=[pytest.mark.model, pytest.mark.slow]),
    ],
)
def runs(request, tmp_path_factory):
    """The experiment with all controls, and then without any in the same store."""
    folder = tmp_path_factory.mktemp("arms")
    found = []
    for name, controls in (("all", ""), ("none", "controls = []")):
        file = folder / f"{name}.toml"
        file.write_text(EXPERIMENT.format(controls=controls), encoding="utf-8")
        store = folder / "store"
        before = set(store.glob("arms-sweep-*"))
        request.param(file, store)
        (run,) = set(store.glob("arms-sweep-*")) - before
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        found.append(({one.stem: pl.read_parquet(one) for one in run.glob("*.parquet")}, manifest, run))
    return found


def test_every_arm_is_answered_for_every_question(runs):
    answers = runs[0][0]["answers"]
    counted = dict(answers.group_by("arm").len().iter_rows())
    assert counted == {"closed_book": 4, "document": 4} | dict.fromkeys(("retrieved", "oracle_chunk", "random"), 4 * 6)
    assert set(ARMS) == set(counted)
    assert answers["label"].null_count() == 0


def test_random_contexts_are_as_long_as_the_retrieved_ones(runs):
    answers = runs[0][0]["answers"]
    of = {arm: answers.filter(pl.col("arm") == arm).sort(*CELL, "question_id") for arm in ("retrieved", "random")}
    assert of["random"]["n_context_tokens"].to_list() == of["retrieved"]["n_context_tokens"].to_list()
    assert of["random"]["n_chunks"].null_count() == 4 * 6


def test_what_two_arms_share_is_asked_once(runs):
    tables, manifest, _ = runs[0]
    (asked,) = manifest["sessions"][0]["asked"]["read"]
    read = tables["answers"].filter(pl.col("arm") != "document")
    distinct = read.select("question_id", "prompt_hash").unique()
    assert asked["prompts"] == len(distinct) < len(read)


def test_the_ladder_sums_exactly_in_every_cell(runs):
    ladder = runs[0][0]["ladder"].filter(pl.col("n") > 0)
    assert len(ladder) >= 6
    parts = ladder["n_reader"] + ladder["n_chunking"] + ladder["n_retrieval"]
    assert parts.to_list() == pytest.approx(ladder["n_wrong"].to_list())
    shares = (ladder["reader_loss"] + ladder["chunking_loss"] + ladder["retrieval_loss"]).to_list()
    assert shares == pytest.approx((1 - ladder["retrieved"]).to_list())


def test_a_run_without_controls_asks_nothing_more_and_says_less(runs):
    (tables, _, _), (fewer, manifest, run) = runs
    (asked,) = manifest["sessions"][0]["asked"]["read"]
    assert asked["new"] == 0  # all of it was read by the run with controls
    assert set(fewer["answers"]["arm"]) == {"retrieved", "document"}
    key = [*CELL, "question_id"]
    both = tables["answers"].filter(pl.col("arm") == "retrieved").join(fewer["answers"], on=key)
    assert (both["label"] == both["label_right"]).all()
    ladder = fewer["ladder"]
    assert ladder["chunking_loss"].null_count() == len(ladder)
    assert ladder["n_reader"].null_count() == 0
    assert (run / "report.html").stat().st_size < 5_000_000


def test_the_worst_examples_are_of_the_gold_set(runs):
    tables = runs[0][0]
    kept = set(tables["gold"].filter("kept")["question_id"])
    assert set(tables["examples"]["question_id"]) <= kept
