"""A run on a folder of documents: what it pins, what it says, and that it converts nothing twice."""

import json

import polars as pl
import pytest

from corpora.errors import InputError
from flows.planning.plan import plan
from flows.run import pipeline
from flows.run.gold.finished_corpus import corpus_of_run
from flows.run.pipeline import execute
from flows.run.stores.damage import find_damage
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from tests.doubles.office_files import docx, pdf
from tests.doubles.scripted import scripted_session

NAMES = ("red", "blue", "green", "white", "black", "brown")


def body(name):
    return f"The {name} ferry leaves at nine from the northern pier and returns before noon on every working day."


def refuse(content):
    raise InputError("is converted once more", "what is in the store")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "ferries"
    made.mkdir()
    files = {
        "red.md": f"# Red\n\n{body('red')}".encode(),
        "blue.txt": body("blue").encode("utf-16"),
        "green.html": f"<h1>Green</h1><p>{body('green')}".encode(),
        "white.pdf": pdf(*body("white").split(" and ")),
        "black.docx": docx([("heading 1", "Black"), ("", body("black"))]),
        "brown.txt": body("brown").encode(),
        "scan.pdf": pdf(""),
        "pier.png": b"",
    }
    for name, content in files.items():
        (made / name).write_bytes(content)
    ids = {name.partition(".")[0]: name for name in files}
    asked = [
        {"id": f"q{n}", "text": f"Does the {name} ferry leave?", "document_ids": ids[name], "reference": "yes"}
        for n, name in enumerate(NAMES)
    ]
    (made / "questions.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    return made


def experiment_on(folder):
    return parse_experiment(
        {
            "name": "ferries",
            "corpus": {"source": "folder", "path": str(folder), "split": "all"},
            "retrieval": {"sizes": [8, 16], "k": [1], "budgets": []},
            "scoring": {"n_resamples": 100},
            "readers": [],
        },
        "the test",
    )


def test_a_run_on_a_folder_pins_files_and_texts_and_says_what_it_did_not_read(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])
    experiment = experiment_on(folder)
    left_out = "ferries: 1 of 7 documents cannot be used, and are left out: scan.pdf has no text on its only page"
    with scripted_session(tmp_path / "runs", lambda *_: (0.4, 0.3, 0.3)).session as session:
        assert any(one.startswith(left_out) for one in plan(experiment, "sweep", session).notes)
        outcome = execute(experiment, "sweep", session, Runner())
        converted = sorted((tmp_path / "runs" / "converted").glob("*.json"))
        assert len(converted) == 3
        again = execute(experiment, "sweep", session, Runner())
        assert list(find_damage(session.workspace)) == []
    assert again.folder == outcome.folder
    manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
    inputs = manifest["corpus"]["inputs"]
    assert [name for name in inputs if name.endswith("(text)")] == [
        f"{name} (text)" for name in ("black.docx", "blue.txt", "green.html", "white.pdf")
    ]
    texts = {json.loads(one.read_bytes())["original"]: json.loads(one.read_bytes())["text_sha256"] for one in converted}
    for name in ("black.docx", "green.html", "white.pdf"):
        assert texts[inputs[name]] == inputs[f"{name} (text)"]
    for line in ("ferries: read as UTF-16: blue.txt.", "ferries: 1 file of other kinds not read: 1 .png."):
        assert line in manifest["warnings"]
        assert line in outcome.report
    assert left_out in outcome.report
    assert pl.read_parquet(outcome.folder / "left_out.parquet")["file"].to_list() == ["scan.pdf"]
    # The texts of a finished run are found again without converting anything.
    monkeypatch.setattr("corpora.sources.folder.pdf.read_pdf", refuse)
    corpus = corpus_of_run(outcome.folder, manifest)
    assert corpus.texts["white.pdf"] == body("white").replace(" and ", "\n\n")
