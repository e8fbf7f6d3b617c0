"""Label, sweep and compare end to end on scripted readers: every stage but the models themselves, in no time."""

import json
import re

import polars as pl
import pytest

from corpora.errors import InputError
from corpora.schema import LabelSet, iter_questions
from corpora.sources.bundled import read_sample
from flows.compare import compare
from flows.label import label, load
from flows.run.pipeline import execute, render_again
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from flows.sweep import sweep
from tests.doubles.scripted import scripted_session

QUESTIONS = {one.id: one for one in iter_questions(read_sample().questions)}
TEXTS = read_sample().texts
LABELS = ("yes", "no", "maybe")
LABEL_SET = LabelSet(LABELS)


def experiment_of(*models: str, questions: int = 12, **sections):
    return parse_experiment(
        {
            "name": "scripted",
            "corpus": {"source": "sample", "split": "held_out", "sample": questions},
            "calibration": {"per_label": 1},
            "retrieval": {"sizes": [8, 128], "k": [1], "budgets": [128]},
            "scoring": {"n_resamples": 100},
            "readers": [{"model": model} for model in models],
            **sections,
        },
        "the test",
    )


def reads_evidence(model, prompt):
    """Sure of the reference where the prompt shows all evidence of the question; `dull` knows nothing."""
    question = QUESTIONS[prompt.question_id]
    shown = all(TEXTS[span.document_id][span.start : span.end] in prompt.message for span in question.evidence)
    if model == "dull" or not (question.evidence and shown):
        return (0.33, 0.33, 0.34)
    return tuple(0.99 if one == question.reference else 0.005 for one in LABELS)


@pytest.fixture
def opened(tmp_path):
    """A session on `reads_evidence` in the test's own store."""

    def open_(script=reads_evidence, **sizes):
        return scripted_session(tmp_path / "runs", script, sizes)

    return open_


def test_three_votes_a_question_and_none_again(opened):
    experiment = experiment_of("clever")
    first = opened()
    with first.session as session:
        runner = Runner()
        labeled = label(experiment, load(experiment, session, runner), session, runner)
    asked = [prompt for prompt in first.readers.asked if prompt.arm == "document"]
    assert len(labeled.votes["clever"]) == 3 * 12
    assert len(asked) == 3 * (12 + len(labeled.readers["clever"].tune["question_id"].unique()))
    gold = labeled.golds["clever"].filter("kept")
    right = {one: QUESTIONS[one].reference for one in gold["question_id"]}
    assert len(gold) >= 6
    assert dict(gold.select("question_id", "label").iter_rows()) == right
    second = opened()
    with second.session as session:
        runner = Runner()
        again = label(experiment, load(experiment, session, runner), session, runner)
    assert second.readers.asked == []
    assert again.votes["clever"].equals(labeled.votes["clever"])


def test_the_chunks_that_hold_the_evidence_win(opened):
    experiment = experiment_of("clever", "dull", questions=60)
    opening = opened(dull=1, clever=2)
    with opening.session as session:
        runner = Runner()
        labeled = label(experiment, load(experiment, session, runner), session, runner)
        swept = sweep(experiment, labeled, session, runner)
    cells = swept.tables["cells"].filter(pl.col("reader") == "clever", pl.col("cut") == "k")
    small, large = cells.sort("size")["gold_accuracy"]
    assert large > small + 0.15
    # There are few documents, with several questions on each.
    assert any(one.startswith("clever: the document ") and "alone holds" in one for one in swept.warnings)
    assert set(swept.tables["answers"]["arm"]) == {"retrieved", "oracle_chunk", "random", "closed_book", "document"}
    ladder = swept.tables["ladder"].filter(pl.col("reader") == "clever", pl.col("questions") == "gold")
    # A reader that is .99 sure of its gold questions is right on that share of them.
    assert ladder["document"].to_list() == pytest.approx([0.99] * len(ladder))


def test_the_better_reader_is_named(opened):
    experiment = experiment_of("clever", "dull", questions=24)
    with opened().session as session:
        runner = Runner()
        labeled = label(experiment, load(experiment, session, runner), session, runner)
        compared = compare(experiment, labeled, session, runner, probe=True)
    accuracy = dict(labeled.tables["labelers"].select("reader", "accuracy").iter_rows())
    assert accuracy["clever"] > accuracy["dull"]
    assert len(compared.tables["pairs"]) == 1
    assert [speed["reader"] for speed in compared.speeds] == ["clever", "dull"]


def test_a_whole_run_is_sealed_with_its_plots(opened):
    with opened().session as session:
        outcome = execute(experiment_of("clever", "dull"), "run", session, Runner())
    assert {path.suffix for path in outcome.folder.iterdir()} == {".json", ".md", ".html", ".svg", ".parquet"}
    linked = set(re.findall(r"\]\(([^)#]+)\)", (outcome.folder / "report.md").read_text(encoding="utf-8")))
    assert (
        {"accuracy_by_size.svg", "ladder_1.svg", "risk_coverage.svg"}
        <= linked
        <= {path.name for path in outcome.folder.iterdir()}
    )


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize("kind", ["label", "sweep", "compare", "run"])
def test_a_run_is_sealed_and_its_report_renders_again(opened, kind):
    opening = opened()
    with opening.session as session:
        outcome = execute(experiment_of("clever", "dull"), kind, session, Runner())
    assert opening.readers.n_closed
    manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["name"], manifest["kind"]) == ("scripted", kind)
    assert manifest["headline"] == outcome.line
    assert {path.name for path in outcome.folder.iterdir()} >= {"report.md", "report.html", "votes.parquet"}
    assert render_again(outcome.folder).report == outcome.report


@pytest.mark.usefixtures("no_plots")
def test_a_sweep_without_readers_asks_nobody(opened):
    opening = opened()
    with opening.session as session:
        outcome = execute(experiment_of(), "sweep", session, Runner())
    assert opening.readers.opened == []
    assert "retrieval" in json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("no_plots")
def test_votes_before_a_failure_are_kept(opened):
    experiment = experiment_of("clever")

    def breaks(model, prompt):
        if len(first.readers.asked) > 9:
            raise RuntimeError("llama_decode answered -3")
        return reads_evidence(model, prompt)

    first = opened(breaks)
    with pytest.raises(RuntimeError, match="llama_decode"), first.session as session:
        execute(experiment, "label", session, Runner())
    second = opened()
    with second.session as session:
        execute(experiment, "label", session, Runner())
    before = {prompt.key for prompt in first.readers.asked[:9]}
    asked = [prompt.key for prompt in second.readers.asked]
    assert before.isdisjoint(asked)
    assert len(asked) == len(set(asked))


@pytest.mark.usefixtures("no_plots")
def test_an_interrupted_run_asks_only_what_is_missing(opened):
    experiment = experiment_of("clever")

    def stops(model, prompt):
        if len(first.readers.asked) > 20:
            raise KeyboardInterrupt
        return reads_evidence(model, prompt)

    first = opened(stops)
    with pytest.raises(KeyboardInterrupt), first.session as session:
        execute(experiment, "run", session, Runner())
    second, third = opened(), scripted_session(first.session.workspace.root.with_name("whole"), reads_evidence)
    with second.session as session:
        resumed = execute(experiment, "run", session, Runner())
    with third.session as session:
        whole = execute(experiment, "run", session, Runner())
    assert len(second.readers.asked) < len(third.readers.asked)
    for table in ("votes", "gold", "answers", "cells", "ladder"):
        resumed_table, whole_table = (pl.read_parquet(one.folder / f"{table}.parquet") for one in (resumed, whole))
        assert resumed_table.equals(whole_table), table


def test_two_sessions_ask_each_question_once(opened):
    experiment = experiment_of("clever")
    first, second = opened(), opened()
    with first.session as ours, second.session as theirs:
        runner = Runner()
        corpus = load(experiment, ours, runner)
        label(experiment, corpus, ours, runner)
        label(experiment, corpus, theirs, runner)
    assert first.readers.asked
    assert second.readers.asked == []


def test_a_ledger_that_cannot_be_written_is_one_line(opened, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "ledger").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match="ledger"), opened().session as session:
        execute(experiment_of("clever"), "label", session, Runner())


def test_a_closed_session_holds_nothing(opened):
    opening = opened()
    session = opening.session
    runner = Runner()
    experiment = experiment_of("clever")
    label(experiment, load(experiment, session, runner), session, runner)
    ledger = session.ledger(experiment.readers[0], LABEL_SET)
    assert ledger.claim("q")
    with opened().session as another:
        elsewhere = another.ledger(experiment.readers[0], LABEL_SET)
        assert not elsewhere.claim("q")
        session.close()
        assert elsewhere.claim("q")
    assert opening.readers.n_closed == 1
