"""`tercet review`: what it says, what it writes and takes back, and that people's labels outlive the run."""

import csv
import shutil
import socket

import polars as pl
import pytest

from corpora.errors import InputError
from flows.run.review.exchange import export_queue
from flows.run.review.opened import open_review
from results.gold.review.storage import ReviewFolder
from tercet import load
from tests.doubles.reviews import finished_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with a run of twelve questions."""
    store = tmp_path_factory.mktemp("review") / "runs"
    finished_run(store, 12)
    return store


@pytest.fixture
def run(made, tmp_path):
    """Its run, in a store of this test's own."""
    store = tmp_path / "runs"
    shutil.copytree(made, store, ignore=shutil.ignore_patterns("embeddings"))
    (folder,) = store.glob("scripted-*")
    return folder


def rows_of(file):
    with file.open(encoding="utf-8-sig", newline="") as content:
        return list(csv.DictReader(content))


def write_rows(file, rows):
    with file.open("w", encoding="utf-8-sig", newline="") as content:
        table = csv.DictWriter(content, rows[0])
        table.writeheader()
        table.writerows(rows)


def fill_in(file, reviewer, label=lambda row: row["label"] or "maybe", note=""):
    """What a person does in a spreadsheet; the rows for which `label` gives None stay blank."""
    rows = rows_of(file)
    for row in rows:
        if label(row) is not None:
            row |= {"reviewer": reviewer, "reviewer_label": label(row), "reviewer_note": note}
    write_rows(file, rows)
    return rows


@pytest.fixture
def exported(tercet, run, tmp_path):
    """The queue as a CSV file."""
    file = tmp_path / "queue.csv"
    exported = tercet("review", run, "--export", file)
    assert exported.exit_code == 0
    assert exported.stdout.splitlines()[-1].startswith(f"Next: tercet review {run} --import {file} --as csv  #")
    return file


def test_it_says_what_there_is_to_review_and_how(tercet, run):
    result = tercet("review", run)
    assert result.exit_code == 0, result.output
    first, order, *ways = result.output.splitlines()
    assert first.startswith("scripted, one: 12 questions, ")
    assert order.startswith("To review, in this order: ")
    assert "The audit sample is the whole gold set, as a 95 % interval of 10 points (--width 0.1)" in order
    assert [one.partition("tercet review")[2].split()[0] for one in ways] == [str(run), str(run)]


def test_the_next_commands_ask_about_the_same_questions(tercet, run):
    result = tercet("review", run, "--only", "audit", "--n", "3")
    assert (
        "To review, in this order: 3 of the audit sample (among them 1 against the reference). The audit"
        in result.output
    )
    assert "The audit sample is 3 of the 11 questions in the gold set, drawn at random (seed 0)" in result.output
    assert f"tercet review {run} --only audit --n 3 --serve" in result.output


def test_a_run_by_its_name_in_the_store(tercet, run):
    assert tercet("review", run.name, "--store", run.parent).output == tercet("review", run).output


def test_what_is_exported_comes_back_as_labels_and_says_how_many(tercet, run, exported):
    rows = fill_in(exported, "ann")
    first, following = tercet("review", run, "--import", exported).output.splitlines()
    assert first == f"From {exported}: {len(rows)} labels by ann: {len(rows)} new and 0 changed."
    assert following.startswith(f"Next: tercet review {run}  # what these labels say about the gold set")
    again = tercet("review", run, "--import", exported).output.splitlines()
    assert again[0] == f"From {exported}: {len(rows)} labels by ann: 0 new, 0 changed and {len(rows)} known already."
    rows[0] |= {"reviewer_label": "maybe" if rows[0]["reviewer_label"] != "maybe" else "no"}
    fill_in(
        exported, "ann", lambda row: rows[0]["reviewer_label"] if row["question_id"] == rows[0]["question_id"] else None
    )
    changed = tercet("review", run, "--import", exported)
    assert "0 new, 1 changed and" in changed.output


def test_labels_are_exported_with_their_reviewers_and_come_back_elsewhere(tercet, run, exported, made, tmp_path):
    fill_in(exported, "ann", lambda row: "yes" if row["review_reason"] == "audit" else "", note='a\nb, "c"')
    tercet("review", run, "--import", exported)
    fill_in(exported, "bob", lambda row: "no")
    tercet("review", run, "--import", exported)
    told = tmp_path / "told.csv"
    assert tercet("review", run, "--export", told, "--with-labels").exit_code == 0
    said = rows_of(told)
    queue = [row["question_id"] for row in rows_of(exported)]
    assert [row["question_id"] for row in said] == [one for one in queue for _ in range(2)]
    assert {row["reviewer"] for row in said} == {"ann", "bob"}
    assert {row["reviewer_label"] for row in said if row["reviewer"] == "ann"} == {"yes", ""}
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(made, elsewhere)
    assert f"{2 * len(queue)} new" in tercet("review", elsewhere / run.name, "--import", told).output
    assert f"{2 * len(queue)} known already" in tercet("review", run, "--import", told).output
    here, there = (tercet("review", one).output.splitlines()[2:-2] for one in (run, elsewhere / run.name))
    assert here == there


def test_it_says_what_reviewers_bought(tercet, run, exported):
    fill_in(exported, "ann")
    tercet("review", run, "--import", exported)
    fill_in(exported, "bob", lambda row: "maybe")
    tercet("review", run, "--import", exported)
    output = tercet("review", run).output
    n = len(rows_of(exported))
    assert f"Reviewed so far: {n} questions, by ann {n} and bob {n}." in output
    assert "Reviewers agree with each other on " in output
    assert "kappa " in output
    assert "Reviewers agree with one on " in output
    assert "of the audit sample" in output
    assert len(output.splitlines()) <= 10
    assert all(len(line) < 400 for line in output.splitlines())


def test_it_says_what_the_audit_sample_proves(tercet, run, exported):
    rows = fill_in(exported, "ann")
    tercet("review", run, "--import", exported)
    n = sum(row["review_reason"] == "audit" for row in rows)
    *_, accuracy, promised, _, _ = tercet("review", run).output.splitlines()
    assert accuracy == f"All of the {n} questions of the gold set were looked at, and {n} are right, 100 %."
    assert promised.startswith("The whole gold set is right in at least 95 %, ")
    assert "in at least 60 %, at 95 %" in tercet("review", run, "--promise", "0.6").output


def test_the_report_says_what_an_audit_found(tercet, run, exported):
    assert "Audit of" not in tercet("report", run).output
    fill_in(exported, "ann", lambda row: "yes" if row["review_reason"] == "audit" else None)
    tercet("review", run, "--import", exported)
    said = next(one for one in tercet("review", run).output.splitlines() if " of the gold set were looked at" in one)
    *_, audit, report, _ = tercet("report", run).output.splitlines()
    assert audit == f"Audit of one: {said}"
    assert report.startswith("Report: ")
    reviewed = finished_run(run.parent, 12, rule="reviewed")
    assert "Audit of" not in tercet("report", reviewed).output


def test_an_audit_of_what_people_chose_themselves_is_no_audit(tercet, run, exported):
    fill_in(exported, "ann")
    tercet("review", run, "--import", exported)
    reviewed = finished_run(run.parent, 12, rule="reviewed")
    assert "This gold set goes by people's labels, so they cannot say " in tercet("review", reviewed).output


def test_a_file_with_one_wrong_row_brings_nothing(tercet, run, exported):
    for column, value, told in (
        ("question_id", "q-unknown", "question 'q-unknown': the run has no such question"),
        ("reviewer_label", "perhaps", "the label is 'perhaps'"), ("reviewer", "../ann", "the reviewer name '../ann'"),
        ("reviewer", "", "nobody is named"),
    ):  # fmt: skip
        rows = fill_in(exported, "ann", lambda row: "yes")
        before, rows[-1][column] = rows[-1][column], value
        write_rows(exported, rows)
        result = tercet("review", run, "--import", exported)
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.stderr
        assert told in result.stderr
        rows[-1][column] = before
        write_rows(exported, rows)
    assert not (run.parent / "reviews").exists()


def test_a_file_that_nobody_filled_in_has_no_labels(tercet, run, exported):
    assert tercet("review", run, "--import", exported).output == f"From {exported}: no labels in it yet.\n"


def test_a_name_can_be_given_for_a_file_without_one(tercet, run, exported):
    fill_in(exported, "", lambda row: "yes")
    assert "labels by ann: " in tercet("review", run, "--import", exported, "--reviewer", "ann").output


def test_labels_outlive_the_run_and_count_for_those_of_other_readers(tercet, run, exported):
    n = len(fill_in(exported, "ann", lambda row: "yes"))
    tercet("review", run, "--import", exported)
    votes = (run / "votes.parquet").read_bytes()
    assert tercet("runs", "remove", run, "--yes").exit_code == 0
    assert finished_run(run.parent, 12) == run
    assert (run / "votes.parquet").read_bytes() == votes, "votes are as they were"
    said = f"Reviewed so far: {n} questions, by ann {n}."
    assert said in tercet("review", run).output
    both = finished_run(run.parent, 12, readers=("one", "two"))
    unnamed = tercet("review", both)
    assert unnamed.exit_code == 2
    assert "has 2 readers, each with a queue of its own" in unnamed.stderr
    assert "did you mean 'two'" in tercet("review", both, "--reader", "twe").stderr
    for options, named in (((), "one"), (("--reader", "two"), "two")):
        brought = tercet("review", both, "--import", exported, *options).output.splitlines()
        assert brought[1].startswith(f"Next: tercet review {both} --reader {named}  #")
    two = tercet("review", both, "--reader", "two").output
    assert "scripted, two: 12 questions" in two
    assert said in two
    assert f"{both} --reader two --serve" in two


def test_python_has_the_labels_that_count(tercet, run, exported, caplog):
    n = len(fill_in(exported, "ann", lambda row: "yes"))
    tercet("review", run, "--import", exported)
    loaded = load(run)
    assert loaded.reviews.equals(open_review(run).reviews().reviews)
    assert (len(loaded.reviews), set(loaded.reviews["label"])) == (n, {"yes"})
    (file,) = (run.parent / "reviews").rglob("*.jsonl")
    ReviewFolder(file.parent).append(loaded.reviews[:1].with_columns(label=pl.lit("no"), reviewer=pl.lit("bob")))
    assert len(loaded.reviews) == n + 1, "read each time"
    other = loaded.reviews[:1].with_columns(text_digest=pl.lit("old"), reviewer=pl.lit("eve"))
    ReviewFolder(file.parent).append(other)
    assert len(loaded.reviews) == n + 1
    assert "1 label does not count, as it is given for another text of the question." in caplog.text
    assert "given for another text" in tercet("review", run).output


def test_options_that_make_no_sense_are_refused(tercet, run):
    for options in (
        ("--serve", "--export", "x.csv"), ("--export", "x.csv", "--import", "y.csv"), ("--with-labels",),
        ("--width", "0"), ("--width", "nan"), ("--n", "0"), ("--only", "wrong"),
        ("--export", "x", "--as", "argilla", "--with-labels"),
    ):  # fmt: skip
        assert tercet("review", run, *options).exit_code == 2, options
    assert not (run.parent / "reviews").exists()


@pytest.mark.parametrize("kind", ["label-studio", "argilla"])
def test_the_queue_is_written_for_other_programs_in_its_order(tercet, run, tmp_path, kind):
    result = tercet("review", run, "--only", "audit", "--n", "4", "--export", tmp_path / "out", "--as", kind)
    assert result.exit_code == 0, result.stderr
    assert "4 questions in the order of the queue" in result.output
    assert any((tmp_path / "out").rglob("*.json"))


def test_what_is_there_is_not_written_over(tercet, run, exported):
    before = exported.read_bytes()
    result = tercet("review", run, "--export", exported)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert exported.read_bytes() == before


@pytest.mark.parametrize(("kind", "name"), [("csv", "queue.csv"), ("argilla", "queue")])
def test_a_queue_is_not_exported_into_the_run(tercet, run, kind, name):
    result = tercet("review", run, "--export", run / name, "--as", kind)
    assert result.exit_code == 2
    assert f"{run / name} is in the folder of the run {run.name}: expected a place outside" in result.stderr
    assert not (run / name).exists()


def test_an_empty_queue_is_not_exported(run, tmp_path):
    opened = open_review(run)
    with pytest.raises(InputError, match="an empty queue"):
        export_queue(opened._replace(chosen=opened.chosen.clear()), tmp_path / "x.csv", "csv")
    assert not (tmp_path / "x.csv").exists()


def test_the_store_check_finds_a_damaged_line_and_keeps_the_others(tercet, run, exported):
    n = len(fill_in(exported, "ann", lambda row: "yes"))
    tercet("review", run, "--import", exported)
    (file,) = (run.parent / "reviews").rglob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b'"yes"', b'"no"', 1))
    assert f"{file}: line 1 did not keep its checksum" in tercet("store", "check", "--store", run.parent).stderr
    assert tercet("store", "check", "--store", run.parent, "--set-aside").exit_code == 0
    assert tercet("store", "check", "--store", run.parent).exit_code == 0
    assert f"Reviewed so far: {n - 1} questions, by ann {n - 1}." in tercet("review", run).output


def test_a_port_that_is_taken_is_said_in_a_line(tercet, run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = tercet("review", run, "--serve", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "cannot be opened" in result.stderr
    assert "choose another --port" in result.stderr
