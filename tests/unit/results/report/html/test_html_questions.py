"""The list of all questions, and what every page has besides its sections."""

import base64
import hashlib
import html
import re
from pathlib import Path

import polars as pl
import pytest

from results.report.html.furniture import both_widths, furniture
from results.report.html.page import render_html
from results.report.html.question_list import list_questions
from results.report.plots.plot import Plot

CELL = {"splitter": "tokens", "overlap": 0, "embedder": "m", "retriever": "dense", "cut": "k", "amount": 3}
NO_CELL = dict.fromkeys([*CELL, "size"])


def answer(question, arm, label, size=None, reader="r"):
    cell = NO_CELL if size is None else CELL | {"size": size}
    return cell | {"reader": reader, "question_id": question, "arm": arm, "label": label, "failure": None}


def tables_of(answers, votes=None, reference="yes", kept=True):
    """One question, q, whose gold label is yes."""
    gold = {
        "reader": "r", "question_id": "q", "votes": votes or ["yes"] * 3, "label": "yes" if kept else None,
        "kept": kept, "reason": "unanimous" if kept else "votes differ", "reference": reference,
    }  # fmt: skip
    questions = pl.DataFrame([{"question_id": "q", "text": "Is it\n so?", "reference": reference}])
    frame = pl.DataFrame(answers, infer_schema_length=None)
    return {"questions": questions, "gold": pl.DataFrame([gold]), "answers": frame}


def only(tables):
    (question,) = list_questions(tables, 10_000).questions
    return question


def test_a_question_is_lost_where_it_is_right_in_one_arm_and_wrong_in_the_next():
    right = [answer("q", "document", "yes"), answer("q", "closed_book", "yes")]
    cells = [answer("q", "oracle_chunk", "no", 64), answer("q", "retrieved", "yes", 64)]
    assert only(tables_of(right + cells)).kinds == ["chunking"]
    cells = [answer("q", "oracle_chunk", "yes", 64), answer("q", "retrieved", "no", 64)]
    assert only(tables_of(right + cells)).kinds == ["retrieval", "harmed"]
    # In different cells nothing is lost between the arms.
    cells = [answer("q", "oracle_chunk", "yes", 64), answer("q", "retrieved", "no", 128)]
    assert only(tables_of([answer("q", "closed_book", "no"), *cells])).kinds == []


def test_a_failure_is_wrong_and_votes_that_differ_are_split():
    failed = answer("q", "retrieved", None, 64) | {"failure": "timeout"}
    question = only(tables_of([answer("q", "closed_book", "yes"), failed], ["yes", None, "yes"]))
    assert question.kinds == ["harmed", "split"]
    assert question.told == "harmed by context, votes split"
    assert "votes yes, failed, yes; gold label yes" in question.answers
    assert "retrieved: timeout in 1 of 1 cells" in question.answers


def test_outside_the_gold_set_right_is_what_the_reference_says():
    wrong = [answer("q", "document", "no"), answer("q", "oracle_chunk", "yes", 64)]
    assert only(tables_of(wrong, reference="no", kept=False)).kinds == ["chunking"]
    assert only(tables_of(wrong, reference=None, kept=False)).kinds == []


def test_answers_are_told_by_cell():
    cells = [answer("q", "retrieved", label, size) for label, size in (("yes", 64), ("no", 128), ("yes", 256))]
    cells.append(answer("q", "retrieved", "yes", 64) | {"cut": "budget", "amount": 256})
    question = only(tables_of([answer("q", "document", "yes"), *cells]))
    assert question.text == "Is it so?"
    assert question.answers.splitlines()[0] == "Reference label: yes"
    (line,) = [one.strip() for one in question.answers.splitlines() if "retrieved" in one]
    assert "yes in 3 of 4 cells" in line
    assert "no in 1 of 4 cells (128-token chunks: 3 chunks)" in line
    assert "64-token chunks: 3 chunks and 256 tokens" in line


def test_what_does_not_fit_is_counted(small_run):
    every = list_questions(small_run.tables, 10_000_000)
    assert [one.question_id for one in every.questions] == small_run.tables["questions"]["question_id"].to_list()
    assert every.note == ""
    some = list_questions(small_run.tables, 4000)
    assert 0 < len(some.questions) < len(every.questions)
    assert some.note.startswith(f"… and {len(every.questions) - len(some.questions)} more in questions.parquet")
    assert list_questions({"cells": small_run.tables["cells"]}, 1000) is None


@pytest.fixture(scope="module")
def page(small_run):
    return render_html(small_run.manifest, small_run.tables, [])


def test_every_question_is_on_the_page_without_a_script(page, small_run):
    assert page.count('<details class="question"') == len(small_run.tables["questions"])
    kinds = re.findall(r'<details class="question" data-kinds="([^"]*)"', page)
    assert {kind for of in kinds for kind in of.split()} == {"chunking", "retrieval", "harmed"}


def test_only_the_pages_own_script_may_run(page):
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert html.unescape(policy).endswith(f"script-src 'sha256-{digest}'")
    assert policy.startswith("default-src 'none'; ")


def test_the_words_are_those_of_the_documentation(page):
    docs = Path(__file__).parents[5] / "docs" / "glossary.md"
    packaged = Path(__file__).parents[5] / "results" / "report" / "html" / "templates" / "glossary.md"
    assert packaged.read_text() == docs.read_text(), "copy docs/glossary.md over it"
    assert len(furniture().words) == docs.read_text().count("| **")
    assert "<dt>gold set</dt>" in page


def test_a_plot_is_there_for_both_widths_and_no_id_twice():
    svg = '<svg width="300"><clipPath id="clip0"/><g clip-path="url(#clip0)"/></svg>'
    shown = [both_widths(Plot("a.svg", "t", "d", svg, svg), number) for number in (1, 2)]
    ids = re.findall(r'id="([^"]+)"', "".join(shown))
    assert len(set(ids)) == len(ids) == 4
    assert all(f"url(#{one})" in "".join(shown) for one in ids)
    assert shown[0].count('<div class="broad">') == shown[0].count('<div class="slim">') == 1
    assert "<div" not in both_widths(Plot("a.svg", "t", "d", svg), 1)
