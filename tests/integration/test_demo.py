"""The demonstration as a newcomer runs it: with the embedder alone, and no reader's model on the machine."""

import json

import polars as pl
import pytest

from labeling.models.registry import find_model

NOISE = 2e-6  # CPUs round cosines differently by less than a microunit; a closer call could fall the other way


@pytest.mark.slow
def test_the_demo_needs_no_reader_and_ends_in_findings(tercet, tmp_path, monkeypatch, minilm):
    embedder = find_model("all-minilm-l6-v2").path.parent
    (tmp_path / "cache/models").mkdir(parents=True)
    (tmp_path / "cache/models/all-minilm-l6-v2").symlink_to(embedder)
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "cache"))
    result = tercet("demo", "--store", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    (folder,) = (tmp_path / "runs").glob("demo-run-*")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert all(one["recommended"] for one in manifest["retrieval"])  # the first act tells, under both cuts
    assert [one["new"] for asked in manifest["sessions"][0]["asked"].values() for one in asked] == [0] * 4
    cells = pl.read_parquet(folder / "cells.parquet")
    assert cells["gold_n"].min() > 10  # no act ends in a figure on a few questions
    # Another machine ranks the same: a context that was not recorded would be missing.
    hits = pl.read_parquet(folder / "hits.parquet").sort("chunking", "question_id", "rank")
    gaps = hits.select(pl.col("score").shift(1).over("chunking", "question_id") - pl.col("score")).to_series()
    assert gaps.min() > NOISE
