"""`tercet questions draft` on a scripted reader: what is printed, written and refused."""

import json

import pytest

from flows.session import session as sessions
from flows.session.experiment import load_experiment
from tests.doubles.drafting import answers, documents, good, write_documents
from tests.doubles.scripted import scripted_session


@pytest.fixture
def folder(tmp_path):
    return write_documents(tmp_path)


@pytest.fixture
def run(folder, tercet, monkeypatch):
    """Runs the command in a folder that holds a table of documents."""

    def opened(workspace):
        return scripted_session(workspace.root, answers, writes=good).session

    monkeypatch.setattr(sessions, "Session", opened)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*options, corpus=folder):
        reader = ["--reader", "smollm2-135m", "--store", str(folder / "store")]
        return tercet("questions", "draft", corpus, *reader, "--n", "8", "--kind", "number", *options)

    return run


def test_questions_experiment_and_report_are_written(run, folder):
    result = run()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "8 drafts by smollm2-135m, 8 questions kept"
    assert lines[-1] == f"Next: tercet check {folder}/questions.toml --store {folder}/store"
    assert "8 drafts to begin with, at most 40, from 6 documents" in result.stderr
    told = json.loads((folder / "questions.report.json").read_text())
    assert told["kept"] == 8
    assert {one["fate"] for one in told["drafts"]} == {"kept"}
    assert not (folder / "questions.documents.jsonl").exists()  # they are a table already
    experiment = load_experiment(folder / "questions.toml")
    assert experiment.corpus.questions.name == "questions.jsonl"
    assert experiment.consensus.rule == "unanimous_and_correct"


def test_what_is_there_is_replaced_only_by_force(run, folder):
    out = folder / "drafted.jsonl"
    out.write_text("mine\n")
    result = run("--out", str(out))
    assert result.exit_code == 2
    assert f"tercet: {out} is there already: expected names that are free" in result.stderr
    assert out.read_text() == "mine\n"
    assert sorted(one.name for one in folder.iterdir()) == ["documents.jsonl", "drafted.jsonl"]
    assert run("--out", str(out), "--force", "--quiet").exit_code == 0
    assert len(out.read_text().splitlines()) == 8


def test_a_dry_run_asks_and_writes_nothing(run, folder):
    result = run("--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("8 drafts to begin with, at most 40")
    assert sorted(one.name for one in folder.iterdir() if one.name != "store") == ["documents.jsonl"]


def test_nothing_kept_is_exit_code_1_and_no_table(run, folder, monkeypatch):
    monkeypatch.setattr(
        sessions, "Session",
        lambda workspace: scripted_session(workspace.root, answers, writes=lambda _: ("No.", "no")).session,
    )  # fmt: skip
    result = run("--most", "8")
    assert result.exit_code == 1
    assert "one question" in result.stdout
    assert f"no draft passed every filter; {folder}/questions.report.json says" in result.stderr
    assert not (folder / "questions.jsonl").exists()


def test_documents_of_a_published_format_become_a_table(run, folder):
    text = documents()["elm-hall"]
    squad = {"data": [{"title": "t", "paragraphs": [{"context": text, "qas": [
        {"id": "q", "question": "Which?", "answers": [{"text": "Elm", "answer_start": 0}]}]}]}]}  # fmt: skip
    (folder / "squad.json").write_text(json.dumps(squad))
    result = run("--out", str(folder / "from-squad.jsonl"), corpus=folder / "squad.json")
    assert result.exit_code == 0, result.output
    (row,) = (folder / "from-squad.documents.jsonl").read_text().splitlines()
    assert json.loads(row)["text"] == text
    assert load_experiment(folder / "from-squad.toml").corpus.documents.name == "from-squad.documents.jsonl"
