"""What a user does on the command line, on a small real run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import needs_model


def test_help_imports_nothing_heavy():
    # What is imported decides how soon it answers: on an idle machine in under half a second, on a busy one later.
    code = "import runpy, sys, atexit; atexit.register(lambda: print(*sys.modules)); sys.argv = ['tercet', '--help'];"
    code += "runpy.run_module('flows.cli', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split())
    assert "flows.cli.main" in imported
    assert {"torch", "prefect", "llama_cpp", "polars", "numpy", "pydantic", "faiss", "httpx"}.isdisjoint(imported)
    assert len(imported) < 250


@pytest.mark.parametrize("command", ["run", "label", "sweep", "compare", "plan", "report", "demo", "serve"])
def test_every_command_explains_itself(command, tercet):
    result = tercet(command, "--help")
    assert result.exit_code == 0
    assert "Usage: tercet" in result.output


def test_models_are_listed_with_their_digests(tercet):
    result = tercet("models", "list")
    assert "qwen2.5-coder-0.5b" in result.output
    assert "1d9614638d18" in result.output


@pytest.mark.model
@pytest.mark.slow
def test_a_run_ends_with_a_verdict_and_its_report_can_be_rendered_again(tercet, small_experiment):
    result = tercet("run", small_experiment, "--quiet")
    assert result.exit_code == 0, result.output
    *found, where, _ = result.stdout.strip().splitlines()
    assert len(found) <= 5
    folder = Path(where.removeprefix("Report: ")).parent
    report = tercet("report", folder, "--print")
    assert report.exit_code == 0
    assert report.stdout.splitlines()[-len(found) - 2 : -1] == [*found, where]
    assert "| 32-token chunks |" in report.output
    assert "## Accuracy of every cell" in report.output


@pytest.mark.model
def test_plan_counts_what_is_left_to_ask(tercet, small_experiment):
    before = tercet("plan", small_experiment)
    assert before.exit_code == 0, before.output
    assert "9 prompts (0 answered in the ledger)" in before.output
    assert tercet("label", small_experiment, "--quiet").exit_code == 0
    assert "9 prompts (9 answered in the ledger)" in tercet("plan", small_experiment).output


@pytest.mark.model
@pytest.mark.slow
def test_the_same_experiment_runs_as_a_prefect_flow(tercet, small_experiment, tmp_path):
    needs_model("smollm2-135m")
    direct = tercet("label", small_experiment, "--quiet", "--store", tmp_path / "direct")
    flow = tercet("label", small_experiment, "--quiet", "--prefect", "--store", tmp_path / "flow")
    assert flow.exit_code == 0, flow.output
    assert flow.stdout.splitlines()[0] == direct.stdout.splitlines()[0]
    ours, theirs = (next((tmp_path / name).glob("small-label-*/votes.parquet")) for name in ("direct", "flow"))
    assert ours.read_bytes() == theirs.read_bytes()
