"""Names, ids, texts and paths that try to act: on a terminal, a browser, Markdown, or as a pattern of files."""

import io
import json
import logging
import re
from unittest.mock import Mock

import click
import polars as pl
import pytest
from click.testing import CliRunner
from rich.console import Console

from corpora.errors import InputError
from flows.cli.main import Commands, main
from flows.cli.terminal import echo
from flows.run import pipeline
from flows.run.difference import compare_finished
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.progress import Bars
from flows.stages.runner import Runner
from results.report.documents import render_excluded
from results.report.html.furniture import furniture
from results.report.html.page import render_html
from results.report.text.report import render_report
from tests.doubles.scripted import scripted_session

ACTS = "<script>alert(1)</script>[x](http://evil.example)![p](http://evil.example/p)`\x1b[2J\x07\u202egnp.exe\u2066\x9b31m|a"
# What no output may hold: HTML, a control character, a mark of the writing direction; and in Markdown, a link.
UNSAFE = re.compile(
    "<script|<b>|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", re.IGNORECASE
)
LINK = re.compile(r"(?<!\\)\]\(http")
OWN_SCRIPT = f"<script>{furniture().script}</script>"  # the one that the page's policy lets run
LABELS = ("yes", "no<b>", "may`be")


def without_own_script(text):
    return text.replace(OWN_SCRIPT, "", 1)


def rows_of(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def experiment(tmp_path):
    """Documents, questions, labels and readers that all try to act."""
    documents = [{"id": f"d{n}{ACTS}", "text": f"Document {n}. {ACTS} Some words of document {n}."} for n in range(8)]
    questions = [
        {"id": f"q{n}{ACTS}", "text": f"Question {n}? {ACTS}", "document_ids": documents[n]["id"],
         "reference": LABELS[n % 3], "split": "held_out" if n % 2 else "tune"}
        for n in range(8)
    ]  # fmt: skip
    rows_of(tmp_path / "documents.jsonl", documents)
    rows_of(tmp_path / "questions.jsonl", questions)
    return parse_experiment(
        {
            "name": "hostile",
            "corpus": {"source": "tables", "path": str(tmp_path), "labels": list(LABELS)},
            "calibration": {"per_label": 1},
            "retrieval": {"sizes": [8, 64], "k": [1], "budgets": [64]},
            "scoring": {"n_resamples": 100},
            "readers": [{"model": "one", "name": f"one {ACTS}"}, {"model": "two", "name": f"two\n# {ACTS}"}],
        },
        "the test",
    )


def wavers(model, prompt):
    """Labels that differ from question to question, so that there are gold and excluded questions."""
    sure = (0.98, 0.01, 0.01)
    at = len(prompt.question_id + prompt.message) % 3 if model == "two" else int(prompt.question_id[1]) % 3
    return (0.4, 0.3, 0.3) if prompt.question_id[1] == "3" else sure[at:] + sure[:at]


@pytest.fixture
def run(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])
    with scripted_session(tmp_path / "st[1]", wavers).session as session:
        return execute(experiment, "run", session, Runner())


def test_no_file_and_no_line_of_a_run_acts(run):
    texts = {
        file.name: file.read_text(encoding="utf-8")
        for file in run.folder.glob("*.*")
        if file.suffix in (".md", ".html")
    }
    assert texts.keys() == {"report.md", "excluded.md", "report.html"}
    for name, text in texts.items():
        assert "alert(1)" in text, f"{name} names no reader: this shows nothing"
        assert "gnp.exe" in text
        assert not UNSAFE.findall(without_own_script(text)), name
        assert name.endswith(".html") or not LINK.findall(text), name
    printed = CliRunner().invoke(main, ["report", str(run.folder), "--print"])
    assert printed.exit_code == 0, printed.output
    assert "gnp.exe" in printed.output
    assert not UNSAFE.findall(printed.stdout.partition("\n# hostile")[2])
    assert not UNSAFE.findall(compare_finished(run.folder, run.folder, None, needs_drops=True).agreement)


def test_a_manifest_that_was_written_elsewhere_acts_no_more_than_names(run):
    manifest = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"name": ACTS, "headline": ACTS, "warnings": [ACTS]}
    manifest["corpus"] |= {"name": ACTS, "split": ACTS}
    manifest["sessions"][0]["seconds"] = {ACTS: 1.0}
    tables = {file.stem: pl.read_parquet(file.read_bytes()) for file in run.folder.glob("*.parquet")}
    for text in (render_report(manifest, tables), render_html(manifest, tables, []), render_excluded(ACTS, tables, {})):
        assert "gnp.exe" in text
        assert not UNSAFE.findall(without_own_script(text))


def test_a_store_with_signs_of_patterns_finds_its_own_votes_and_vectors(experiment, run, tmp_path):
    decoy = tmp_path / "st1"
    decoy.mkdir()
    again = scripted_session(tmp_path / "st[1]", wavers)
    with again.session as session:
        outcome = execute(experiment, "run", session, Runner())
    assert [prompt.arm for opened in again.readers.opened for prompt in opened.asked if prompt.vote] == []
    assert outcome.folder == run.folder
    assert list(decoy.iterdir()) == []


def test_a_table_with_signs_of_patterns_is_the_one_that_is_read(tmp_path):
    for name, text in (("docs1.parquet", "another text"), ("docs[1].parquet", "the text")):
        with (tmp_path / name).open("wb") as file:
            pl.DataFrame({"id": ["d"], "text": [text]}).write_parquet(file)
    rows_of(tmp_path / "q[1].jsonl", [{"id": "q", "text": "So?", "document_ids": "d", "reference": "yes"}])
    experiment = parse_experiment(
        {
            "corpus": {"source": "tables", "documents": str(tmp_path / "docs[1].parquet"),
                       "questions": str(tmp_path / "q[1].jsonl"), "split": "all"},
        },
        "the test",
    )  # fmt: skip
    corpus = pipeline.load(experiment, scripted_session(tmp_path / "runs", wavers).session, Runner())
    assert corpus.texts == {"d": "the text"}


# The terminal.


def test_an_error_of_a_provider_is_one_line_that_does_not_act():
    @click.group(cls=Commands)
    def group():
        pass

    @group.command()
    def fails():
        raise InputError(f"the provider said {ACTS}\r\nTERCET: all is well", "an answer", "try later")

    @group.command()
    def warns():
        logging.getLogger("tercet").warning("%s is damaged\r\nnot really", ACTS)
        echo(f"{ACTS}\rover it")

    for command, code in (("fails", 2), ("warns", 0)):
        result = CliRunner().invoke(group, [command])
        assert result.exit_code == code, result.output
        assert len(result.stderr.splitlines()) == 1
        assert not re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", result.output)
        assert "⟨U+202E⟩gnp.exe" in result.output


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_does_not_act(terminal):
    bars, output = Bars(timer=lambda _, function: Mock(start=function)), io.StringIO()
    bars._console = Console(file=output, force_terminal=terminal, color_system=None, width=400)
    with bars.stage(f"label {ACTS} [red]x", 2) as advance:
        advance(2)
    bars.say(f"waiting for {ACTS}\nanother line")
    assert "[red]x" in output.getvalue()
    assert "another line" in output.getvalue().splitlines()[-1]
    assert "⟨U+202E⟩gnp.exe" in output.getvalue()
    # The bars themselves move the cursor.
    own = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue()) if terminal else output.getvalue()
    assert not re.findall("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", own)
    assert "\x1b[2J\x07" not in output.getvalue()
