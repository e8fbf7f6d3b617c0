"""Questions whose answer is not stated, end to end on a scripted reader: references, table, report, summary."""

import json

import polars as pl
import pytest

from corpora.errors import InputError
from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import check_experiment, parse_experiment
from flows.stages.runner import Runner
from results.advice.summary import record
from results.report.text.report import render_report
from results.store.finished import read_manifest, read_tables
from tests.doubles.scripted import scripted_session

N = 12


def squad_file(folder):
    """Paragraphs that say when a ferry leaves, each with a question on that and one that it does not answer."""
    paragraphs = []
    for number in range(N):
        quay = f"quay{number:04d}"
        context = f"The ferry at {quay} is painted white every spring. " * 4
        start = len(context)
        context += f"It departs {quay} around noon. " + f"Nobody sells coffee near {quay} in winter. " * 4
        answer = [{"text": f"It departs {quay} around noon.", "answer_start": start}]
        paragraphs.append(
            {"context": context, "qas": [
                {"id": f"when{number}", "question": f"Does it depart {quay} around noon?", "answers": answer,
                 "is_impossible": False},
                {"id": f"who{number}", "question": f"Does the captain of {quay} own the ferry?", "answers": [],
                 "is_impossible": True},
            ]}
        )  # fmt: skip
    file = folder / "ferries.json"
    file.write_text(json.dumps({"data": [{"title": "Ferries", "paragraphs": paragraphs}]}), encoding="utf-8")
    return file


def invents(model, prompt):
    """Answers `not stated` where the context is long enough to see that; in a small chunk it guesses."""
    if "around noon" in prompt.message.partition("Question:")[0]:
        return (0.97, 0.01, 0.01, 0.01) if prompt.question_id.startswith("when") else (0.01, 0.01, 0.01, 0.97)
    return (0.01, 0.9, 0.01, 0.08)


def experiment_of(file, **corpus):
    return parse_experiment(
        {
            "name": "abstains",
            "corpus": {"source": "squad", "path": str(file), "not_stated": "not stated"} | corpus,
            "calibration": {"per_label": 0},
            "retrieval": {"sizes": [8, 128], "k": [1], "budgets": [], "controls": []},
            "scoring": {"n_resamples": 200},
            "readers": [{"model": "ferryman"}],
        },
        "the test",
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])
    with scripted_session(tmp_path / "runs", invents).session as session:
        folder = execute(experiment_of(squad_file(tmp_path)), "run", session, Runner()).folder
    manifest = read_manifest(folder)
    return manifest, read_tables(folder, manifest)


def test_small_chunks_that_make_a_reader_invent_are_named(run):
    manifest, tables = run
    assert manifest["corpus"]["labels"] == ["yes", "no", "maybe", "not stated"]
    references = dict(tables["questions"].select("question_id", "reference").iter_rows())
    assert references == {f"who{n}": "not stated" for n in range(N)} | {f"when{n}": None for n in range(N)}
    by_reference = tables["abstention"].filter(pl.col("questions") == "all", pl.col("arm") == "retrieved").sort("size")
    assert by_reference["n_not_stated"].to_list() == [N, N]
    assert by_reference["false_answers"].to_list() == pytest.approx([0.92, 0.03])
    gold = tables["abstention"].filter(pl.col("questions") == "gold", pl.col("size") == 128).row(0, named=True)
    assert (gold["n_shown"], gold["abstained_shown"]) == (pytest.approx(N, rel=0.2), pytest.approx(0.01))
    report = render_report(manifest, tables)
    assert "## When nothing is stated" in report
    assert "ferryman" in report.partition("abstention, by its gold labels")[0][-40:]
    told = record(manifest, tables)
    scored = {(one.questions, one.cell.size) for one in told.abstention}
    assert scored == {("gold", 8), ("gold", 128), ("all", 8), ("all", 128)}
    (line,) = [one for one in told.distrust if "invent" in one]
    assert line.startswith(
        "Small chunks make the reader invent: where nothing is stated, 92 % of the answers are false"
    )
    assert line.endswith("against 3 % with the largest chunks.")


def test_without_such_a_label_nothing_changes(tmp_path):
    experiment = experiment_of(squad_file(tmp_path), not_stated=None)
    assert "not_stated" not in experiment.model_dump(mode="json")["corpus"]
    assert experiment.corpus.label_set.labels == ("yes", "no", "maybe")


@pytest.mark.parametrize(
    ("labels", "label", "found"),
    [(("yes", "no"), "YES", "differ only in case"), (tuple("abcdefgh"), "not stated", "has 9 labels")],
)
def test_a_label_that_cannot_be_added_is_refused_before_anything_is_read(tmp_path, labels, label, found):
    experiment = experiment_of(tmp_path, source="tables", labels=labels, not_stated=label)
    with pytest.raises(InputError, match=found):
        check_experiment(experiment)


def test_a_label_that_is_in_the_set_already_is_that_one(tmp_path):
    experiment = experiment_of(tmp_path, source="tables", labels=("unknown", "yes", "no"), not_stated="unknown")
    assert experiment.corpus.label_set.labels == ("unknown", "yes", "no")
