"""Drafted questions are marked in tables and reports until people have accepted them; older stores are still read."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from corpora.schema import DRAFT_TAGS, QUESTIONS, iter_questions
from flows.label import load
from flows.run import pipeline
from flows.run.pipeline import execute
from flows.run.questions.documents import open_source
from flows.run.questions.drafting import Wish, draft_questions
from flows.run.questions.files import questions_text
from flows.run.review.opened import Choice, open_review
from flows.run.review.status import status_lines
from flows.session.experiment import ReaderConfig, parse_experiment
from flows.stages.runner import Runner
from results.advice.summary import record
from results.gold.export.items import take_items
from results.gold.review.reviews import REVIEWS
from results.report.html.page import render_html
from results.store.finished import read_manifest, read_tables
from tests.doubles.drafting import answers, good, write_documents
from tests.doubles.scripted import scripted_session

READER = {"model": "scripted", "name": "scripted"}


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """An experiment on eight questions that a scripted reader drafted."""
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])
    folder = write_documents(tmp_path)
    session, _ = scripted_session(tmp_path / "store", answers, writes=good)
    with session:
        wish = Wish(8, kinds=("number",))
        made = draft_questions(open_source(folder), ReaderConfig(**READER), wish, session, Runner())
    (folder / "questions.jsonl").write_text(questions_text(made), encoding="utf-8")
    columns = {"tags": list(DRAFT_TAGS)}
    corpus = {"source": "tables", "path": str(folder), "labels": ["yes", "no"], "question_columns": columns}
    retrieval = {"sizes": [16], "k": [1], "budgets": [], "controls": []}
    scoring = {"n_resamples": 100}
    sections = {"corpus": corpus, "readers": [READER], "retrieval": retrieval, "scoring": scoring}
    return parse_experiment({"name": "halls", **sections}, "the test")


def run(experiment, tmp_path):
    session, _ = scripted_session(tmp_path / "store", answers, writes=good)
    with session:
        return execute(experiment, "sweep", session, Runner())


def give(outcome, *labels):
    """People's labels on the first questions of a run."""
    opened = open_review(outcome.folder, Choice(n=8))
    rows = opened.items.rows.head(len(labels))
    said = [
        (question_id, "ann", label, None, "page", "audit", digest, datetime.now(UTC))
        for (question_id, digest), label in zip(
            rows.select("question_id", "text_digest").iter_rows(), labels, strict=True
        )
    ]
    opened.store.append(pl.DataFrame(said, schema=REVIEWS, orient="row"))
    return opened


def test_drafted_questions_are_marked_everywhere(experiment, tmp_path):
    outcome = run(experiment, tmp_path)
    said = (
        "All 8 questions were drafted by scripted, and nobody has checked them: look at them with tercet review. "
        "They were kept by the votes of scripted, so accuracy on whole documents says nothing of that reader."
    )
    assert outcome.record.distrust[0] == said
    assert outcome.record.drafted == 8
    for name in ("report.md", "report.html"):
        assert said in (outcome.folder / name).read_text(encoding="utf-8")
    for table in ("questions", "gold", "examples"):
        origins = pl.read_parquet(outcome.folder / f"{table}.parquet")["origin"]
        assert set(origins) <= {"drafted"}
        assert len(origins) == 8 or table == "examples"
    opened = open_review(outcome.folder, Choice(n=8))
    assert "A reader drafted 8 questions: 0 accepted, 0 given another answer, 8 not checked." in "\n".join(
        status_lines(opened, "RUN", 0.9)
    )


def test_one_drafted_question_is_spoken_of_as_one(experiment, tmp_path):
    table = tmp_path / "questions.jsonl"
    table.write_text(table.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    assert run(experiment, tmp_path).record.distrust[0] == (
        "The only question was drafted by scripted, and nobody has checked it: look at it with tercet review. "
        "It was kept by the votes of scripted, so accuracy on whole documents says nothing of that reader."
    )


def test_what_people_agree_with_is_accepted_and_what_they_do_not_is_rejected(experiment, tmp_path):
    first = run(experiment, tmp_path)
    reference = dict(pl.read_parquet(first.folder / "questions.parquet").select("question_id", "reference").iter_rows())
    ids = open_review(first.folder, Choice(n=8)).items.rows["question_id"].to_list()
    right = [reference[one] for one in ids[:3]]
    wrong = {"yes": "no", "no": "yes"}[reference[ids[3]]]
    opened = give(first, *right, wrong)
    assert "3 accepted, 1 given another answer, 4 not checked" in "\n".join(status_lines(opened, "RUN", 0.9))
    again = run(experiment, tmp_path)
    origins = dict(pl.read_parquet(again.folder / "questions.parquet").select("question_id", "origin").iter_rows())
    assert [origins[one] for one in ids] == ["accepted"] * 3 + ["rejected"] + ["drafted"] * 4
    assert again.record.distrust[0] == (
        "4 of 8 questions were drafted by scripted, and nobody has checked them: look at them with tercet review. "
        "They were kept by the votes of scripted, so accuracy on whole documents says nothing of that reader. "
        f"People gave 1 drafted question another answer: take it out of the table ({ids[3]}). People have "
        "accepted 3 drafted questions."
    )


def test_once_all_are_accepted_nothing_is_said(experiment, tmp_path):
    first = run(experiment, tmp_path)
    rows = open_review(first.folder, Choice(n=8)).items.rows
    give(first, *rows["reference"])
    again = run(experiment, tmp_path)
    assert not any("drafted" in line for line in again.record.distrust)
    assert "drafted" not in json.loads(again.record.model_dump_json())


def test_runs_of_the_version_before_are_still_read(experiment, tmp_path):
    outcome = run(experiment, tmp_path)
    manifest = read_manifest(outcome.folder)
    tables = {name: frame.drop("origin", strict=False) for name, frame in read_tables(outcome.folder, manifest).items()}
    found = record(manifest, tables)
    assert not any("drafted" in line for line in found.distrust)
    assert "Which chunk size?" in render_html(manifest, tables, [])
    assert take_items(tables, "scripted", ("yes", "no"), None).rows["origin"].to_list() == [None] * 8
    old = pl.DataFrame(schema=QUESTIONS).drop("origin")
    assert list(iter_questions(old)) == []


def test_origin_of_ones_own_questions_is_kept_and_means_nothing(tmp_path):
    folder = write_documents(tmp_path)
    row = {"id": "q", "text": "Is it so?", "document_ids": ["elm-hall"], "reference": "yes", "origin": "the web"}
    (folder / "questions.jsonl").write_text(json.dumps(row) + "\n")
    session, _ = scripted_session(tmp_path / "store", answers)
    corpus = {"source": "tables", "path": str(folder), "labels": ["yes", "no"]}
    with session:
        loaded = load(parse_experiment({"corpus": corpus}, "the test"), session, Runner())
    assert loaded.questions["origin"].to_list() == ["the web"]
