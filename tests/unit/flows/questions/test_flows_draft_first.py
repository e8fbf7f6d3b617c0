"""A folder of documents without questions: `init` and `run` are enough, as the run drafts questions first."""

import json

import pytest

from flows.session import session as sessions
from tests.doubles.drafting import answers, documents, good
from tests.doubles.scripted import scripted_session


@pytest.fixture
def folder(tmp_path, tercet, monkeypatch):
    """Documents in files, and the experiment that `tercet init` writes on them."""

    def opened(workspace, readers=None):
        return scripted_session(workspace.root, answers, base=workspace.base, writes=good).session

    monkeypatch.setattr(sessions, "Session", opened)
    folder = tmp_path / "halls"
    folder.mkdir()
    for name, text in documents().items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    made = tercet("init", folder)
    assert made.exit_code == 0, made.output
    assert made.stdout.splitlines()[-1].endswith("drafts questions first, as `tercet plan` says")
    text = (folder / "tercet.toml").read_text(encoding="utf-8")
    reader = text[text.index("[[readers]]\n") : text.index("# The first run drafts")]
    text = text.replace(reader, '[[readers]]\nmodel = "smollm2-135m"\n\n').replace("n = 60", "n = 8")
    (folder / "tercet.toml").write_text(text, encoding="utf-8")
    return folder


def label(tercet, folder, tmp_path):
    return tercet("label", folder / "tercet.toml", "--store", tmp_path / "store", "--quiet")


def test_a_run_drafts_first_and_only_once(folder, tercet, tmp_path):
    first = label(tercet, folder, tmp_path)
    assert first.exit_code == 0, first.output
    assert "halls has no questions yet: smollm2-135m drafts 8." in first.stderr
    assert f"Nobody has checked the questions in {folder}/questions.jsonl yet." in first.stderr
    table = (folder / "questions.jsonl").read_text(encoding="utf-8")
    assert len(table.splitlines()) == 8
    assert {json.loads(row)["origin"] for row in table.splitlines()} == {"drafted"}
    assert sorted(one.suffix for one in folder.glob("questions.*")) == [".json", ".jsonl"]
    assert "8 questions" in first.stdout
    again = label(tercet, folder, tmp_path)
    assert again.exit_code == 0, again.output
    assert "has no questions yet" not in again.stderr
    assert (folder / "questions.jsonl").read_text(encoding="utf-8") == table


def test_plan_and_check_say_that_questions_come_first(folder, tercet, tmp_path):
    planned = tercet("plan", folder / "tercet.toml", "--store", tmp_path / "store")
    assert planned.exit_code == 0, planned.output
    assert planned.stdout.startswith("Questions are drafted first: 8 drafts to begin with, at most 40")
    checked = tercet("check", folder / "tercet.toml", "--store", tmp_path / "store")
    assert checked.exit_code == 0, checked.output
    assert "halls: there are no questions yet; a run drafts them first." in checked.stderr
    assert not (folder / "questions.jsonl").exists()


def test_a_run_stops_where_no_draft_passes(folder, tercet, tmp_path, monkeypatch):
    def opened(workspace):
        return scripted_session(workspace.root, answers, writes=lambda _: ("This is no question.", "yes")).session

    monkeypatch.setattr(sessions, "Session", opened)
    result = label(tercet, folder, tmp_path)
    assert result.exit_code == 2
    assert "drafts passed every filter" in result.stderr.splitlines()[-1]
    assert not (folder / "questions.jsonl").exists()
    assert (folder / "questions.report.json").exists()


@pytest.mark.parametrize(("before", "after", "line"), [
    ('source = "folder"', 'source = "tables"', "[drafting] is set for source 'tables'"),
    ('[[readers]]\nmodel = "smollm2-135m"', "", "[drafting] names no reader"),
    ("n = 8", "n = 1", "drafting.n is 1: expected at least 2"),
])  # fmt: skip
def test_drafting_that_cannot_be_is_refused(folder, tercet, tmp_path, before, after, line):
    file = folder / "tercet.toml"
    text = file.read_text(encoding="utf-8")
    assert before in text
    readers = "readers = []\n" if not after else ""
    file.write_text(readers + text.replace(before, after), encoding="utf-8")
    result = label(tercet, folder, tmp_path)
    assert result.exit_code == 2
    assert line in result.stderr
    assert not (folder / "questions.jsonl").exists()
