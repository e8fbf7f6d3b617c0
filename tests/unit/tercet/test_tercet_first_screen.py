"""The first screen of a report in a notebook and on a terminal: it says what the summary says, and no text acts."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import tercet
from results.advice.summary import Answer, Summary
from tercet.first_screen import html_screen, link_to, markdown_screen, text_screen
from tercet.notebooks import NotebookProgress, progress_here
from tests.conftest import ROOT

HOSTILE = "<script>alert(1)</script> [a](javascript:x) \u202e*b*"
SUMMARY = Summary(HOSTILE, (Answer("Which chunk size?", f"Use 64. {HOSTILE}", "accuracy"),), (HOSTILE,))
REPORT = Path("/tmp/a run#1/report.html")


def test_html_holds_every_sentence_and_no_element_of_theirs():
    page = html_screen(HOSTILE, SUMMARY, REPORT, REPORT.parent)
    assert set(re.findall(r"<(\w+)", page)) == {"div", "p", "b", "br", "a", "ul", "li", "code"}
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt; [a](javascript:x) ⟨U+202E⟩*b*") == 4
    assert set(re.findall(r'href="([^"]*)"', page)) == {
        "file:///tmp/a%20run%231/report.html", "file:///tmp/a%20run%231/report.html#accuracy"
    }  # fmt: skip
    assert "<code>/tmp/a run#1/report.html</code>" in page


def test_html_without_a_report_links_nowhere():
    page = html_screen("a run", SUMMARY, None, Path("/tmp/run"))
    assert "href" not in page
    assert "<code>/tmp/run</code>" in page


def test_markdown_is_literal():
    text = markdown_screen(HOSTILE, SUMMARY, REPORT)
    assert "<script>" not in text
    assert text.count(r"&lt;script>alert(1)&lt;/script> [a\](javascript:x) ⟨U+202E⟩\*b\*") == 4
    assert "**Which chunk size?** Use 64." in text


def test_text_has_a_line_for_each_answer():
    text = text_screen("mine (run)", SUMMARY, REPORT)
    assert "\u202e" not in text
    lines = text.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("mine (run): ")
    assert lines[-1] == f"Report: {REPORT}"


def test_links_below_the_current_folder_are_relative(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert link_to(tmp_path / "runs" / "a b%" / "report.html") == "runs/a%20b%25/report.html"
    monkeypatch.chdir("/")
    assert link_to(tmp_path / "report.html") == str(tmp_path / "report.html").removeprefix("/")
    assert link_to(Path("/etc/x")) == "etc/x"


@pytest.fixture
def notebook(monkeypatch):
    """A kernel's IPython, which notes what is displayed and how it is updated."""
    shown = SimpleNamespace(values=[], updates=[])
    handle = SimpleNamespace(update=lambda data, raw: shown.updates.append(data["text/plain"]))

    def display(value, raw=False, display_id=False):
        shown.values.append(value)
        return handle if display_id else None

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return shown


def test_show_prints_outside_of_a_notebook(capsys):
    run = tercet.load(ROOT / "results" / "published" / "pubmedqa-stitched-retrieval")
    run.show()
    printed = capsys.readouterr().out
    assert printed == f"{run}\n"
    assert all(answer.sentence in printed for answer in run.summary.answers)
    assert repr(run) == f"tercet.load({str(run.folder)!r})"


def test_show_displays_in_a_notebook(notebook, capsys):
    run = tercet.load(ROOT / "results" / "published" / "pubmedqa-stitched-retrieval")
    run.show()
    assert notebook.values == [run]
    assert capsys.readouterr().out == ""
    for answer in run.summary.answers:
        assert answer.sentence in run._repr_html_()
        assert answer.sentence in run._repr_markdown_().replace("\\", "")


def test_progress_in_a_notebook_is_one_block_that_is_written_over(notebook):
    progress = progress_here(shown=True)
    assert isinstance(progress, NotebookProgress)
    progress.say("load\x1b[2J corpus")
    with progress.stage("label: one", 10_000) as advance:
        for _ in range(10_000):
            advance(1)
    assert len(notebook.values) == 1
    assert len(notebook.updates) == 102
    assert notebook.updates[-1].splitlines() == ["load␛[2J corpus", notebook.updates[-1].splitlines()[1]]
    assert notebook.updates[-1].splitlines()[1].startswith("label: one: 10,000 of 10,000 questions")


def test_what_is_said_during_a_stage_is_kept_and_the_stage_still_moves(notebook):
    progress = NotebookProgress()
    with progress.stage("label: one", 2) as advance:
        advance(1)
        progress.say("asking call by call at full price")
        advance(1)
    stage, said = notebook.updates[-1].splitlines()
    assert stage.startswith("label: one: 2 of 2 questions")
    assert said == "asking call by call at full price"


def test_progress_says_what_was_answered_before(notebook):
    with NotebookProgress().stage("label: one", 4, "stage 1 of 2") as advance:
        advance(3, 3)
        advance(1, 0)
    begun, known, ended = notebook.updates
    assert begun == "stage 1 of 2: label: one: 0 of 4 questions"
    assert known == "stage 1 of 2: label: one: 3 of 4 questions (3 answered before)"
    assert ended.startswith("stage 1 of 2: label: one: 4 of 4 questions (3 answered before), ")


def test_no_progress_where_none_is_wanted(notebook):
    with progress_here(shown=False).stage("label", 3) as advance:
        advance(3)
    assert notebook.values == []


def test_ipython_on_a_terminal_is_no_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace()))
    assert not isinstance(progress_here(shown=True), NotebookProgress)
