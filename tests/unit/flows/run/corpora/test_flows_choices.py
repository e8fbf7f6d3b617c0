"""Questions with choices of their own, end to end on a scripted reader: label, sweep and compare."""

import json

import polars as pl
import pytest

from corpora.choices import in_drawn_order
from corpora.errors import InputError
from flows.planning.checking.input_check import check_input
from flows.planning.plan import plan
from flows.run import pipeline
from flows.run.gold.specialist.source import read_source
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from results.advice.summary import record
from results.gold.export.items import take_items
from results.report.html.question_list import list_questions
from results.report.text.report import render_report
from results.store.finished import read_manifest, read_tables
from tests.doubles.scripted import scripted_session

N = 12
COLOURS = ("white", "green", "deep red", "deep red and gold")


def write_corpus(folder, colours=COLOURS, **more):
    """Documents that give the colour of a ferry, and a question each; the last ones have three choices."""
    documents, questions = [], []
    for number in range(N):
        quay, colour = f"quay{number:04d}", colours[number % len(colours)]
        text = (
            "Nobody sells coffee here in winter. " * 6
            + f"The ferry at {quay} is painted {colour}. "
            + "It sails. " * 20
        )
        documents.append({"id": f"d{number}", "text": text})
        choices = list(colours) if number < N - 3 else [colour, *(one for one in colours if one != colour)][:3]
        questions.append(
            {"id": f"q{number}", "text": f"Which colour has the ferry at {quay}?", "document_ids": f"d{number}",
             "choices": choices, "reference": colour} | more
        )  # fmt: skip
    for name, rows in (("documents", documents), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def reads(model, prompt):
    """Sure of the colour that the context gives; `dull` takes what is shown first, and so does whoever sees none."""
    context = prompt.message.partition("Question:")[0]
    said = context.partition("is painted ")[2].partition(". ")[0]
    if model == "dull" or said not in prompt.choices:
        return [0.85, *[0.15 / (len(prompt.choices) - 1)] * (len(prompt.choices) - 1)]
    return [0.97 if one == said else 0.03 / (len(prompt.choices) - 1) for one in prompt.choices]


def experiment_of(folder, *models, reader=None, **corpus):
    return parse_experiment(
        {
            "name": "colours",
            "corpus": {"source": "tables", "path": str(folder)} | corpus,
            "consensus": {"rule": "unanimous_and_correct"},
            "retrieval": {"sizes": [16, 64], "k": [1], "budgets": [], "controls": ["closed_book"]},
            "scoring": {"n_resamples": 200},
            "readers": [{"model": model} | (reader or {}) for model in models],
        },
        "the test",
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = write_corpus(tmp_path_factory.mktemp("colours"))
    opening = scripted_session(folder / "runs", reads)
    with pytest.MonkeyPatch.context() as patch, opening.session as session:
        patch.setattr(pipeline, "draw_plots", lambda _: [])
        outcome = execute(experiment_of(folder, "clever", "dull"), "run", session, Runner())
    manifest = read_manifest(outcome.folder)
    return folder, opening, manifest, read_tables(outcome.folder, manifest)


def test_a_reader_is_shown_the_choices_of_each_question_and_nothing_else(made):
    _, opening, _, _ = made
    prompt = next(one for one in opening.readers.asked if one.question_id == "q0" and one.arm == "document")
    assert prompt.choices == in_drawn_order("q0", COLOURS)
    listed = "\n".join(f"- {one}" for one in prompt.choices)
    assert f"Possible answers:\n{listed}\nReply" in prompt.message


def test_the_ledger_has_the_texts_and_the_tables_of_a_run_their_places(made):
    folder, opening, _, tables = made
    with scripted_session(folder / "runs", reads).session as session:
        names = {one.fingerprint for one in opening.readers.opened}
        ledger = pl.concat(session.ledger_of(name).votes() for name in sorted(names))
    assert set(ledger["label"]) == set(COLOURS)
    questions = {row["question_id"]: row for row in tables["questions"].iter_rows(named=True)}
    gold = tables["gold"].filter(pl.col("reader") == "clever", "kept")
    assert len(gold) >= N - 2
    for question_id, label in gold.select("question_id", "label").iter_rows():
        row = questions[question_id]
        assert label == row["reference"]
        assert row["choices"]["ABCD".index(label)] == COLOURS[int(question_id[1:]) % 4]
    fewer = tables["votes"].filter(pl.col("question_id") == f"q{N - 1}")
    assert {len(one) for one in fewer["probabilities"]} == {4}
    assert {one[3] for one in fewer["probabilities"]} == {0.0}


def test_a_choice_at_random_is_what_a_reader_is_held_against(made):
    _, _, manifest, tables = made
    rows = {row["reader"]: row for row in tables["labelers"].iter_rows(named=True)}
    expected = (9 / 4 + 3 / 3) / N
    assert rows["clever"]["majority_label"] is None
    assert rows["clever"]["majority_share"] == pytest.approx(expected)
    assert (rows["clever"]["accuracy"], rows["clever"]["qualified"], rows["dull"]["qualified"]) == (1.0, True, False)
    answer = next(one.sentence for one in record(manifest, tables).answers if one.question.startswith("Can the reader"))
    assert "against 27 % for a choice at random" in answer
    whole, closed = (
        tables["baselines"].filter(pl.col("reader") == "clever", pl.col("arm") == arm)["gold_accuracy"].item()
        for arm in ("document", "closed_book")
    )
    assert whole == pytest.approx(0.97)
    assert closed < 0.6
    # Chunks that are as small as the sentence or smaller lose it; that shows as always.
    by_size = tables["cells"].filter(pl.col("reader") == "clever").sort("size")["gold_accuracy"]
    assert by_size[1] > 0.9


def test_the_report_says_what_labels_are_and_shows_the_choices(made):
    _, _, manifest, tables = made
    report = render_report(manifest, tables)
    assert "Each question has 3 to 4 choices of its own, which are scored as whole strings." in report
    assert "which are places of choices here" in report
    shown = next(one for one in list_questions(tables, 10**6).questions if one.question_id == "q0").text
    assert shown.startswith("Which colour has the ferry at quay0000? A: ")
    assert all(colour in shown for colour in COLOURS)
    calibrated = tables["calibration"].filter(pl.col("reader") == "clever")["note"].item()
    assert calibrated


def test_what_is_taken_away_has_the_choices_in_its_questions_and_the_digest_of_both(made):
    folder, _, manifest, tables = made
    rows = (json.loads(line) for line in (folder / "documents.jsonl").read_text(encoding="utf-8").splitlines())
    items = take_items(tables, "clever", manifest["corpus"]["labels"], {row["id"]: row["text"] for row in rows})
    row = items.rows.filter(question_id="q1").row(0, named=True)
    assert f"\n{row['label']}: green" in row["question"]
    assert row["probabilities"][row["label"]] == pytest.approx(0.97)
    # The last questions have three choices, so nobody can label them D.
    shown = {row["question_id"]: one.labels for row, one in items.shown()}
    assert (shown["q1"], shown[f"q{N - 1}"]) == (("A", "B", "C", "D"), ("A", "B", "C"))


def test_a_specialist_cannot_learn_places(made):
    folder, _, _, _ = made
    (run,) = (folder / "runs").glob("colours-run-*")
    with scripted_session(folder / "runs", reads).session as session, pytest.raises(InputError, match="of their own"):
        read_source(run, "clever", folder, session)


def test_nothing_is_asked_again_when_another_question_has_more_choices(made, tmp_path):
    folder, _, _, _ = made
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8")
    more = {"id": "new", "text": "Which?", "document_ids": "d0", "choices": [*COLOURS, "blue"], "reference": "white"}
    for name, text in (("questions", lines + json.dumps(more) + "\n"), ("documents", None)):
        text = text or (folder / "documents.jsonl").read_text(encoding="utf-8")
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    again = scripted_session(folder / "runs", reads)
    with pytest.MonkeyPatch.context() as patch, again.session as session:
        patch.setattr(pipeline, "draw_plots", lambda _: [])
        execute(experiment_of(tmp_path, "clever"), "label", session, Runner())
    assert {one.question_id for one in again.readers.asked} == {"new"}


def test_the_label_for_what_is_not_stated_is_one_more_option(tmp_path):
    folder = write_corpus(tmp_path)
    opening = scripted_session(tmp_path / "runs", lambda model, prompt: [0.01] * (len(prompt.choices) - 1) + [0.9])
    with pytest.MonkeyPatch.context() as patch, opening.session as session:
        patch.setattr(pipeline, "draw_plots", lambda _: [])
        experiment = experiment_of(folder, "shy", not_stated="not stated").model_copy(update={"name": "shy"})
        experiment = experiment.model_copy(
            update={"consensus": experiment.consensus.model_copy(update={"rule": "unanimous"})}
        )
        outcome = execute(experiment, "run", session, Runner())
    tables = read_tables(outcome.folder, read_manifest(outcome.folder))
    assert {one.choices[-1] for one in opening.readers.asked} == {"not stated"}
    assert set(tables["gold"].filter("kept")["label"]) == {"not stated"}
    row = tables["abstention"].filter(pl.col("questions") == "all", pl.col("arm") == "document").row(0, named=True)
    assert row["abstained_shown"] > 0.9


REFUSED = {
    "batch": ({"remote": {"provider": "groq", "logprobs": "off"}}, 'set remote.api = "direct"'),
    "first token": ({"remote": {"provider": "server", "base_url": "http://127.0.0.1:1/v1"}}, 'remote.logprobs = "off"'),
    "copies": ({"diversity": "permute", "temperature": 0.0}, "use 'paraphrase'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_readers_that_cannot_answer_are_refused_before_anything_is_asked(tmp_path, case):
    reader, remedy = REFUSED[case]
    folder = write_corpus(tmp_path, colours=COLOURS[:2] if case == "copies" else COLOURS)
    opening = scripted_session(tmp_path / "runs", reads)
    experiment = experiment_of(folder, "clever", reader=reader)
    with opening.session as session:
        for start in (
            lambda: execute(experiment, "label", session, Runner()),
            lambda: plan(experiment, "run", session),
        ):
            with pytest.raises(InputError, match=remedy):
                start()
    assert opening.readers.asked == []


def test_check_says_that_labels_are_places(tmp_path):
    folder = write_corpus(tmp_path)
    file = folder / "my.toml"
    file.write_text(
        '[corpus]\nsource = "tables"\npath = "."\n[retrieval]\nretrievers = ["bm25"]\ncontrols = []\nsizes = [16]\n'
        '[[readers]]\nmodel = "clever"\n', encoding="utf-8",
    )  # fmt: skip
    checked = check_input(file, lambda experiment, base: scripted_session(folder / "runs", reads, base=base).session)
    assert checked.mistakes == []
    assert "labels A, B, C and D (A and so on are the places of each question's own choices)" in checked.line
