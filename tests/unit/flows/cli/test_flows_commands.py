"""Help that is whole, names that were meant, completion, and the commands on runs."""

import json
import re
import shutil

import click
import pytest
from click.shell_completion import ShellComplete

from flows.cli.main import main
from flows.run.published import PUBLISHED
from labeling.models.registry import registry
from results.store.finished import read_manifest
from results.store.run_folder import RunFolder
from tests.conftest import ROOT


def groups(command=main, path=()):
    """Every group with the words that lead to it."""
    if isinstance(command, click.Group):
        yield path
        for name, one in command.commands.items():
            yield from groups(one, (*path, name))


def commands(command=main, path=()):
    yield path
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*path, name))


@pytest.mark.parametrize("path", list(groups()), ids=" ".join)
def test_no_summary_is_cut_off(path, tercet):
    said = tercet(*path, "--help").output
    assert "Commands:" in said
    assert "..." not in said.split("Commands:")[1]
    listed = re.findall(r"^  (\S+)  ", said.split("Commands:")[1], re.MULTILINE)
    command = main
    for name in path:
        command = command.commands[name]
    assert listed == sorted(command.commands)


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_and_option_is_described(path, tercet):
    command = main
    for name in path:
        command = command.commands[name]
    assert command.help
    assert [one.name for one in command.params if isinstance(one, click.Option) and not one.help] == []
    assert "Usage: tercet" in tercet(*path, "--help").output


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["rnu", "demo"], "'run'"),
        (["run", "demo", "--stroe", "x"], "'--store'"),
        (["models", "fecth"], "'fetch'"),
        (["batches", "submitt"], "'submit'"),
        (["check", "dmeo"], "'demo'"),
    ],
)
def test_a_misspelt_word_comes_with_the_one_that_was_meant(given, meant, tercet):
    result = tercet(*given)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert f" (did you mean {meant}?)" in result.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["zzzz"], "no such command 'zzzz'; see `tercet --help`."),
        (["--bad"], "no such option '--bad'; see `tercet --help`."),
        (["models", "--bad"], "no such option '--bad'; see `tercet models --help`."),
        (["run"], "missing argument 'EXPERIMENT'; see `tercet run --help`."),
        (["run", "demo", "more"], "got unexpected extra argument (more); see `tercet run --help`."),
        (["run", "demo", "--store"], "option '--store' requires an argument."),
        (["run", "demo", "--threads", "two"],
         "invalid value for '--threads': 'two' is not a valid whole number; see `tercet run --help`."),
        (["plan", "demo", "--for", "x"],
         "invalid value for '--for': 'x' is not one of 'run', 'label', 'sweep', 'compare'; see `tercet plan --help`."),
        (["run", "demo", "--fail-if", "worse"],
         "--fail-if worse needs an earlier run: name its folder with --against; see `tercet run --help`."),
    ],
)  # fmt: skip
def test_a_command_that_is_typed_wrongly_is_told_in_one_line(given, said, tercet):
    result = tercet(*given)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"tercet: {said}\n")


def test_a_group_alone_says_what_it_has(tercet):
    said = tercet("models")
    assert said.exit_code == 2
    assert "Commands:" in said.stderr


def completed(*words):
    *given, incomplete = words
    found = ShellComplete(main, {}, "tercet", "_TERCET_COMPLETE").get_completions(list(given), incomplete)
    return [one.value for one in found]


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = RunFolder(tmp_path / "runs", "mine-run", {}, {})
    with run.held():
        run.begin()
        described = {"name": "mine", "kind": "run", "headline": "Use 64.", "recommendations": [{"setting": "64"}]}
        run.seal(run.complete(described, {"finished": "2026-01-02T10:00:00+00:00"}))
    return run.path


def test_experiments_are_completed_by_name_and_by_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("deep.toml", "deep.txt"):
        (tmp_path / name).touch()
    (tmp_path / "depot").mkdir()
    for command in (["run"], ["check"], ["plan"], ["batches", "submit"], ["models", "check"], ["serve"]):
        assert completed(*command, "de") == ["demo", "deep.toml", "depot/"]
    assert completed("run", "depot/") == []
    assert "pubmedqa" in completed("run", "")


def test_runs_are_completed_by_path_and_by_name(run_folder):
    path = f"runs/{run_folder.name}"
    assert completed("report", "") == [run_folder.name, path]
    assert completed("report", "runs/m") == [path]
    assert completed("diff", path, "ru") == [path]
    assert completed("runs", "show", "mi") == [run_folder.name]
    assert completed("runs", "remove", "--store", "elsewhere", "mi") == []


@pytest.mark.parametrize("command", ["report {name}", "export {name} out --as csv", "diff runs/{name} {name}"])
def test_a_run_of_the_usual_store_is_found_by_its_name(run_folder, tercet, tmp_path, monkeypatch, command):
    given = command.format(name=run_folder.name).split()
    assert "does not exist" not in tercet(*given).stderr
    monkeypatch.setenv("TERCET_STORE", str(tmp_path / "elsewhere"))
    found = tercet(*given)
    assert found.exit_code == 2
    assert f"{run_folder.name} does not exist" in found.stderr


def test_runs_are_listed_shown_and_removed(run_folder, tercet):
    name = run_folder.name
    listed = tercet("runs", "list").stdout
    assert re.fullmatch(rf"{name}  run      2026-01-02 10:00 +0 questions +\d+ kB  told      Use 64\.\n", listed)
    asked = tercet("runs", "remove", name)
    assert (asked.exit_code, run_folder.is_dir()) == (1, True)
    assert f"Remove runs/{name} (run, 2026-01-02 10:00, 0 questions, " in asked.stderr
    removed = tercet("runs", "remove", name, "--yes")
    assert re.fullmatch(rf"Removed runs/{name}: \d+ kB freed; the votes in the ledger are kept\.\n", removed.stdout)
    assert tercet("runs", "list").stdout == "No finished runs in runs.\n"
    assert "does not exist: expected the folder of a finished run" in tercet("runs", "show", name).stderr


def test_what_a_run_of_an_older_version_found_is_listed_in_the_words_of_today(tercet, tmp_path):
    run = tmp_path / "runs" / "old"
    run.mkdir(parents=True)
    published = PUBLISHED / "pubmedqa-stitched-retrieval"
    shutil.copy(published / "retrieval_means.parquet", run)
    manifest = read_manifest(published) | {"headline": "Retrieve with tokens(size=256,overlap=0) at budget=256."}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "  By retrieval alone, use 256-token chunks, 256 tokens read. " in tercet("runs", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["runs", "list"],
            "there is no store runs: expected a folder that runs were written to; give another --store.",
        ),
        (["batches", "list"], "there is no store runs"),
        (["batches", "collect"], "there is no store runs"),
        (["batches", "cancel"], "there is no store runs"),
        (["batches", "forget", "x", "--yes"], "there is no store runs"),
        (["store", "check"], "there is no store runs"),
        (
            ["report", "file.txt"],
            "file.txt is a file: expected the folder of a run; name the folder that holds the file.",
        ),
        (["run", "demo", "--store", "a\nb"], "the path 'a\\nb' holds a control character"),
        (["init", "."], "file.txt has no text"),
    ],
)
def test_wrong_input_is_one_line(arguments, said, tercet, tmp_path):
    (tmp_path / "file.txt").touch()
    result = tercet(*arguments)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr


def test_a_run_is_shown_by_its_path_and_by_its_name(tercet, tmp_path):
    name = "pubmedqa-labelers"
    shutil.copytree(ROOT / "results" / "published" / name, tmp_path / "runs" / name)
    by_name, by_path = (tercet("runs", "show", run) for run in (name, f"runs/{name}"))
    assert by_name.exit_code == 0, by_name.output
    assert by_name.stdout == by_path.stdout
    first, facts, *_, last = by_name.stdout.splitlines()
    assert first.startswith(f"runs/{name}: compare, 2026-11-21 15:57, 500 questions, ")
    assert "500 questions" in facts
    assert last == f"Report: runs/{name}/report.html"


def test_a_model_is_one_line_and_its_columns_are_those_of_the_others(tercet):
    heading, *lines = tercet("models", "list").stdout.splitlines()
    assert heading.split() == ["name", "kind", "size", "here", "licence", "sha256"]
    assert heading.index("licence") == lines[0].index(next(iter(registry().values())).licence)
    assert len(lines) == len(registry())
    assert max(map(len, lines)) <= 100
    for line, model in zip(lines, registry().values(), strict=True):
        assert line.split()[:2] == [model.name, model.kind]
        assert line.split()[-1] == (model.sha256[:12] or "-")
    assert len({line.index(model.licence) for line, model in zip(lines, registry().values(), strict=True)}) == 1


@pytest.mark.parametrize("what", ["summary", "diff"])
def test_the_schema_of_what_is_printed_as_json_is_the_published_one(what, tercet):
    published = json.loads((ROOT / "docs" / f"{what}.schema.json").read_text(encoding="utf-8"))
    assert json.loads(tercet("schema", "--of", what).stdout) == published


def test_models_without_readers_are_said_to_be_none(tercet, tmp_path):
    (tmp_path / "bare.toml").write_text("name = 'bare'\nreaders = []\n", encoding="utf-8")
    assert tercet("models", "check", "bare.toml").stdout == "bare has no readers: there is no model to check.\n"


def test_two_runs_are_two_in_the_usage(tercet):
    assert "Usage: tercet diff [OPTIONS] OLD NEW" in tercet("diff", "--help").output
