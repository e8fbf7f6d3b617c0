"""Runs made and read from Python, on scripted readers: the same folders as the commands', and nothing asked twice."""

import builtins
import shutil
import sys

import polars as pl
import pytest
from click.testing import CliRunner

import tercet
from flows.cli.main import main
from flows.run import pipeline
from flows.session import recording
from flows.session import session as session_module
from flows.session.experiment import load_experiment
from results.store.run_folder import RunFolder
from tests.conftest import ROOT
from tests.doubles.scripted import scripted_session

PUBLISHED = ROOT / "results" / "published"
EXPERIMENT = """
name = "scripted"
[corpus]
source = "sample"
split = "held_out"
sample = 6
[calibration]
per_label = 0
[retrieval]
sizes = [8, 64]
k = [1]
budgets = []
controls = ["closed_book"]
[scoring]
n_resamples = 100
[[readers]]
model = "one"
"""


def certain(_, prompt):
    return (0.98, 0.01, 0.01) if int(prompt.question_id.encode().hex(), 16) % 3 else (0.01, 0.98, 0.01)


def scripted(monkeypatch, script=certain):
    """Let every session read by a script; returns the readers of each that was opened."""
    opened = []

    def open_session(workspace, _):
        one = scripted_session(workspace.root, script, base=workspace.base)
        opened.append(one.readers)
        return one.session

    monkeypatch.setattr(session_module, "Session", open_session)
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])  # they take seconds
    return opened


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with an experiment and its run, and the run."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "my.toml").write_text(EXPERIMENT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        scripted(monkeypatch)
        monkeypatch.chdir(folder)
        return folder, tercet.run("my.toml", progress=False)


def test_a_run_is_the_one_of_the_command_line(swept, monkeypatch):
    folder, run = swept
    opened = scripted(monkeypatch)
    config = load_experiment(folder / "my.toml").model_dump(mode="json", exclude={"max_cost"})
    inputs = run.manifest["corpus"]["inputs"]
    assert RunFolder(folder / "runs", "scripted-run", config, inputs).path == run.folder
    labeled = tercet.label(folder / "my.toml", store=folder / "runs", progress=False)
    assert labeled.gold.equals(run.gold)
    assert [readers.asked for readers in opened] == [[]]


def test_its_frames_are_those_of_its_folder(swept):
    _, run = swept
    assert {"cells", "gold", "votes", "ladder"} <= set(run.tables)
    assert run.cells.equals(pl.read_parquet(run.folder / "cells.parquet"))
    assert run.gold.equals(run.tables["gold"])
    assert set(run.cells["size"]) == {8, 64}
    assert {f"{name}.parquet" for name in run.tables} == set(run.manifest["tables"])
    assert len(run.tables) == len(run.manifest["tables"])
    assert run.report == run.folder / "report.html"
    assert tercet.load(str(run.folder)).manifest["config"] == run.manifest["config"]


def test_advice_says_what_the_manifest_says(swept):
    _, run = swept
    advice = run.advice
    lines = [one["line"] for name in ("recommendations", "verdicts", "retrieval") for one in run.manifest[name]]
    assert advice["line"].to_list() == lines
    assert advice["about"].unique(maintain_order=True).to_list() == ["all cuts", "one cut", "retrieval"]
    general = advice.filter(about="all cuts")
    assert general["recommended"].to_list() == [one["setting"] for one in run.manifest["recommendations"]]
    assert (advice["told"] == advice["recommended"].is_not_null())[: len(general)].all()


def test_settings_take_the_place_of_the_experiments(swept, monkeypatch, tmp_path):
    folder, _ = swept
    scripted(monkeypatch)
    changed = tercet.sweep(
        folder / "my.toml", store=tmp_path / "runs", sizes=range(16, 17), k=(), budgets=[32], until_told=True,
        max_cost=2.5, threads=3, n_batch=64, progress=False,
    )  # fmt: skip
    config = changed.manifest["config"]
    assert (config["retrieval"]["sizes"], config["retrieval"]["k"], config["retrieval"]["budgets"]) == ([16], [], [32])
    assert config["reading"]["stop"] == "told"
    assert [(reader["threads"], reader["n_batch"]) for reader in config["readers"]] == [(3, 64)]
    assert "max_cost" not in config
    assert changed.manifest["kind"] == "sweep"
    with pytest.raises(tercet.InputError, match=r"readers\.0\.threads"):
        tercet.run(folder / "my.toml", threads=0)


def test_the_store_is_that_of_the_environment(swept, monkeypatch, tmp_path):
    folder, _ = swept
    scripted(monkeypatch)
    monkeypatch.setenv("TERCET_STORE", str(tmp_path / "elsewhere"))
    labeled = tercet.label(tercet.Experiment.from_toml(folder / "my.toml").replace(readers=[{"model": "one"}]))
    assert labeled.folder.parent == tmp_path / "elsewhere"
    assert labeled.manifest["kind"] == "label"
    assert labeled.advice.is_empty()
    with pytest.raises(tercet.InputError, match="at least two readers"):
        tercet.compare(folder / "my.toml")


def test_spending_is_refused_and_nobody_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("GROQ_API_KEY", "a key that no server sees")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("the user was asked"))
    paid = tercet.Experiment(
        corpus={"source": "sample", "sample": 3},
        calibration={"per_label": 0},
        readers=[{"model": "openai/gpt-oss-20b", "remote": {"provider": "groq", "api": "direct"}}],
    )
    with pytest.raises(tercet.InputError, match=r"a cost of about .*max_cost in Python"):
        tercet.label(paid, store=tmp_path, progress=False)
    with pytest.raises(tercet.InputError, match=r"a cost of at most 0\.0000 USD"):
        tercet.label(paid, store=tmp_path, max_cost=1e-9, progress=False)


def test_a_table_that_is_not_there_is_named(swept):
    _, run = swept
    with pytest.raises(KeyError) as refused:
        run.tables["cell"]
    assert isinstance(refused.value, tercet.InputError)
    assert str(refused.value).startswith(f"the run {run.folder.name} has no table 'cell': expected one of ")
    assert "cell" not in run.tables
    assert run.tables.get("cell") is None
    bare = tercet.load(PUBLISHED / "pubmedqa-generate")
    with pytest.raises(tercet.InputError, match=r"has no table 'cells': .*; run or sweep an experiment with a reader"):
        _ = bare.cells


def test_a_notebook_shows_an_error_as_its_one_line(swept):
    """IPython asks an exception for `_render_traceback_` and shows that."""
    _, run = swept
    with pytest.raises(tercet.InputError) as refused:
        _ = run.tables["cell"]
    (line,) = refused.value._render_traceback_()
    assert line == f"NoTableError: {refused.value}"


def test_a_damaged_table_is_refused_when_it_is_used(swept, tmp_path):
    _, run = swept
    copy = tmp_path / run.folder.name
    shutil.copytree(run.folder, copy)
    (copy / "gold.parquet").write_bytes(b"something else")
    damaged = tercet.load(copy)
    assert damaged.cells.equals(run.cells)
    with pytest.raises(tercet.InputError, match=r"gold\.parquet is not the file that the manifest names"):
        _ = damaged.gold


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(tercet.InputError, match="is not a complete run"):
        tercet.load(tmp_path)


def test_without_pandas_the_error_names_what_is_missing(swept, monkeypatch):
    _, run = swept
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"pandas|pyarrow"):
        run.cells.to_pandas()


def test_files_are_where_the_call_says(swept, monkeypatch, tmp_path):
    opened = []

    def open_session(workspace, _):
        opened.append(workspace)
        raise tercet.InputError("it was opened", "nothing more")

    monkeypatch.setattr(session_module, "Session", open_session)
    folder, _ = swept
    calls = (tercet.run, tercet.sweep, tercet.label, tercet.compare, tercet.plan)
    for call in calls:
        with pytest.raises(tercet.InputError, match="it was opened"):
            call(folder / "my.toml", store=tmp_path / "store", data=str(tmp_path / "mine"))
    assert {(one.root, one.base, one.data) for one in opened} == {(tmp_path / "store", folder, tmp_path / "mine")}
    assert len(opened) == len(calls)


def test_the_demonstration_takes_its_votes_from_the_recording(monkeypatch, tmp_path):
    opened = []

    def open_recording(folder, workspace, remedy):
        opened.append((folder, workspace.root, remedy))
        raise tercet.InputError("it was opened", "nothing more")

    monkeypatch.setattr(recording, "open_recording", open_recording)
    with pytest.raises(tercet.InputError, match="it was opened"):
        tercet.demo(store=tmp_path)
    ((folder, root, remedy),) = opened
    assert (folder, root) == (recording.recording_of("demo"), tmp_path)
    assert 'tercet.run("demo")' in remedy


def test_a_plan_says_what_would_be_asked(swept, monkeypatch, tmp_path):
    folder, _ = swept
    scripted(monkeypatch)
    planned = tercet.plan(folder / "my.toml", store=tmp_path, sizes=[64])
    assert "one on this machine, 6 questions" in planned.text
    assert str(planned) == planned.text
    assert planned.seconds is None
    assert "measure=True in Python" in planned.text
    assert tercet.plan(folder / "my.toml", kind="label", store=folder / "runs").seconds == 0.0
    assert "<pre>" in planned._repr_html_()


def test_the_command_line_plans_the_same_with_the_same_settings(swept, monkeypatch, tmp_path):
    file = swept[0] / "my.toml"
    (reader,) = load_experiment(file).with_settings(threads=3).readers
    scripted_session(tmp_path, certain).session.note_speed(reader, 10, 100.0)
    scripted(monkeypatch)
    plan = ["plan", str(file), "--store", str(tmp_path), "--for"]
    said = CliRunner().invoke(main, [*plan, "sweep", "--threads", "3", "--n-batch", "64", "--until-told"]).output
    planned = tercet.plan(file, "sweep", store=tmp_path, threads=3, n_batch=64, until_told=True)
    *text, command = said.splitlines()
    assert "\n".join(text) == planned.text
    given = f"{file} --store {tmp_path} --threads 3 --n-batch 64 --until-told"
    assert command.startswith(f"Next: tercet sweep {given}  # ")
    assert "until told: looks at" in said
    assert "time not known" in CliRunner().invoke(main, [*plan, "sweep", "--threads", "2"]).output
    refused = CliRunner().invoke(main, [*plan, "label", "--until-told"])
    assert refused.exit_code == 2
    assert "--until-told is for run or sweep" in refused.stderr
