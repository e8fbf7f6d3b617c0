"""Headings before chunks, end to end: found by them, read without them, recorded, and named wherever settings are."""

import json

import polars as pl
import pytest

from corpora.storage import sha256_text
from flows.run.pipeline import execute, render_again
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from tests.doubles.scripted import scripted_session

pytestmark = pytest.mark.usefixtures("no_plots")

NAMES = ("Ashford", "Birchley", "Cranmore", "Dunwick", "Elmstead", "Foxhole")
WITH = "all-minilm-l6-v2-headings"


@pytest.fixture
def experiment(tmp_path):
    """Documents alike but for their headings, so that only these tell which one a question is about."""
    rows = [
        {"id": f"d{n}", "text": f"# Ferries\n\n## {name}\n\nThe boat leaves at {n} o'clock, except on Sundays.\n"}
        for n, name in enumerate(NAMES)
    ]
    starts = [row["text"].index("The boat") for row in rows]
    evidence = [[{"document_id": f"d{n}", "start": at, "end": at + 20}] for n, at in enumerate(starts)]
    asked = [
        {"id": f"q{n}", "text": f"When does the {name} boat leave?", "document_ids": f"d{n}", "reference": "yes",
         "evidence": evidence[n]}
        for n, name in enumerate(NAMES)
    ]  # fmt: skip
    for table, content in (("documents", rows), ("questions", asked)):
        lines = "".join(json.dumps(row) + "\n" for row in content)
        (tmp_path / f"{table}.jsonl").write_text(lines, encoding="utf-8")

    def make(**more):
        embedders = ["all-minilm-l6-v2", {"model": "all-minilm-l6-v2", "headings": True}]
        retrieval = {"splitters": ["markdown"], "sizes": [14], "k": [1], "budgets": [], "embedders": embedders}
        return parse_experiment(
            {
                "name": "ferries",
                "corpus": {"source": "tables", "path": str(tmp_path)},
                "retrieval": {**retrieval, "retrievers": ["dense", "bm25"], "controls": ["oracle_chunk"], **more},
                "calibration": {"per_label": 0},
                "scoring": {"n_resamples": 100},
                "readers": [{"model": "one"}],
            },
            "the test",
        )

    return make


def test_headings_help_to_find_chunks_and_readers_see_the_chunks_alone(experiment, tmp_path):
    opened = scripted_session(tmp_path / "runs", lambda *_: (0.8, 0.1, 0.1))
    outcome = execute(experiment(), "run", opened.session, Runner())
    paths = pl.read_parquet(outcome.folder / "heading_paths.parquet")
    chunks = pl.read_parquet(outcome.folder / "chunks.parquet").filter(embedder=WITH)
    assert paths.select("chunk_id").equals(chunks.select("chunk_id"))
    said = paths.filter(pl.col("chunk_id").str.starts_with("d1:"))["heading_path"].to_list()
    assert said[-1] == "Ferries > Birchley"
    texts = [row["text"] for row in map(json.loads, (tmp_path / "documents.jsonl").read_text().splitlines())]
    last = chunks.filter(document_id="d1").row(-1, named=True)
    chunk = texts[1][last["start"] : last["end"]]
    assert paths["embedded_sha256"].to_list().count(sha256_text(f"Ferries > Birchley\n\n{chunk}")) == 1
    assert sha256_text(chunk) == last["text_sha256"]  # the chunk itself stays what it is

    means = pl.read_parquet(outcome.folder / "retrieval_means.parquet")
    found = dict(means.filter(retriever="dense").select("embedder", "span_recall").iter_rows())
    assert found[WITH] > found["all-minilm-l6-v2"]
    assert means.filter(retriever="bm25")["embedder"].to_list() == ["all-minilm-l6-v2"]  # it sees the chunks alone
    assert any(WITH in name for name in means["setting"])
    shown = [prompt.message for prompt in opened.readers.asked if prompt.arm in ("retrieved", "oracle_chunk")]
    assert shown
    assert not [message for message in shown if "Ferries >" in message]
    for report in ("report.md", "report.html"):
        assert WITH in (outcome.folder / report).read_text(encoding="utf-8")
    assert WITH in render_again(outcome.folder).report


def test_headings_that_the_embedder_would_not_read_are_left_out_and_that_is_said(experiment, tmp_path):
    opened = scripted_session(tmp_path / "runs", lambda *_: (0.8, 0.1, 0.1))
    embedder = opened.session.embedder(experiment().retrieval.embedders[1])
    embedder.window = 15
    outcome = execute(experiment(), "sweep", opened.session, Runner())
    manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
    (line,) = [one for one in manifest["warnings"] if "outer headings" in one]
    paths = pl.read_parquet(outcome.folder / "heading_paths.parquet")
    n_short = len(paths.filter(pl.col("n_left_out") > 0))
    assert n_short
    assert line.startswith(f"{WITH}, markdown(size=14,overlap=0): outer headings are left out before {n_short} of ")


def test_one_open_embedder_serves_both(experiment, tmp_path):
    session = scripted_session(tmp_path / "runs", lambda *_: (1.0, 0.0, 0.0)).session
    plain, headed = experiment().retrieval.embedders
    assert session.embedder(plain) is session.embedder(headed)
