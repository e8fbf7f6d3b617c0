import csv
import json

import polars as pl
import pytest

from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from flows.session.experiment import load_experiment
from tests.benchmarks.peers.__main__ import Measured, summed_up
from tests.benchmarks.peers.agreement import Agreement, agree
from tests.benchmarks.peers.given import GRIDS, experiment_of, write_all
from tests.benchmarks.peers.table import render
from tests.benchmarks.processes import Took


def hits(*rows):
    return pl.DataFrame(rows, schema=["chunking", "question_id", "chunk_id", "score"], orient="row")


def test_agreement_is_of_each_question_and_chunking():
    exact = hits(("a", "1", "x", 0.9), ("a", "1", "y", 0.8), ("a", "2", "x", 0.7), ("b", "1", "x", 0.6))
    other = hits(("a", "1", "y", 0.79), ("a", "1", "z", 0.78), ("a", "2", "x", 0.72), ("b", "1", "y", 0.6))
    agreement = agree(exact, other)
    assert agreement.overlap == pytest.approx((0.5 + 1 + 0) / 3)
    assert agreement.largest_change == pytest.approx(0.02)
    assert agree(exact, exact) == Agreement(1.0, 0.0)


def test_a_peer_is_held_beside_each_precision_and_the_gate_reads_it():
    took = {
        "Tercet": [Took(10.0, 8.0, 100), Took(12.0, 7.0, 120)],
        "Tercet in bfloat16": [Took(5.0, 4.0, 100)],
        "other": [Took(25.0, 21.0, 150)],
    }
    found = summed_up(Measured(took, {"bfloat16": Agreement(0.9987, 0.0021)}), 8.0)
    assert found["ratios"] == {
        "other: CPU time": 2.5, "other: time": 3.0, "other: memory": 1.5,
        "other beside bfloat16: CPU time": 5.0, "other beside bfloat16: time": 5.25,
        "other beside bfloat16: memory": 1.5,
    }  # fmt: skip
    page = render({"4 cells": {"articles": 2, "questions": 9, "distinct questions": 3} | found})
    assert "| 4 cells | other | float32 | 2.50 | 3.00 | 1.50 |" in page
    assert "| 4 cells | other | bfloat16 | 5.00 | 5.25 | 1.50 |" in page
    assert "takes 80% of its CPU time. With nothing else to do, Tercet would be 3.12 times as fast" in page
    assert (
        "99.87% of the retrieved chunks are those of float32; the largest change of a score (cosine) is 0.0021" in page
    )


def test_every_tool_is_given_the_same_questions_and_evidence(tmp_path):
    corpus = load_corpus(CorpusConfig(split="all"))
    asked = corpus.questions.filter(pl.col("evidence").list.len() > 0, pl.col("document_ids").list.len() == 1).head(4)
    write_all(corpus.with_questions(asked), tmp_path)
    for precision in ("float32", "bfloat16"):
        (tmp_path / "peers.toml").write_text(experiment_of(GRIDS[0], precision), encoding="utf-8")
        assert load_experiment(tmp_path / "peers.toml").retrieval.embedders[0].precision == precision
    chunklab = json.loads((tmp_path / "chunklab.yaml").read_text())["questions"]
    with (tmp_path / "chroma.csv").open(newline="") as stream:
        chroma = list(csv.DictReader(stream))
    assert len(chroma) == len(chunklab) == 4
    for mine, theirs in zip(chunklab, chroma, strict=True):
        assert mine["query"] == theirs["question"]
        text = (tmp_path / "documents" / f"{theirs['corpus_id']}.txt").read_text()
        references = json.loads(theirs["references"])
        assert [one["content"] for one in references] == mine["gold_snippets"]
        assert all(text[one["start_index"] : one["end_index"]] == one["content"] for one in references)
