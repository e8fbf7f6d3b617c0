"""BM25 by itself needs no embedder but its tokenizer, and ranks as it does beside retrievers that need vectors."""

import polars as pl
import pytest

from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from tests.doubles.scripted import WordEncoder, scripted_session

CORPUS = {"source": "generated", "generator": {"n_documents": 12, "words": 60}, "sample": 20}


def swept(store, **retrieval):
    """The folder of a sweep without readers."""
    given = {"overlaps": [0, 4], "k": [1, 3], "budgets": [], **retrieval}
    made = {"corpus": CORPUS, "retrieval": given, "scoring": {"n_resamples": 100}, "readers": []}
    with scripted_session(store, lambda *_: (1.0, 0.0)).session as session:
        return execute(parse_experiment(made, "the test"), "sweep", session, Runner()).folder


def test_bm25_by_itself_embeds_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])
    beside = swept(tmp_path / "beside", retrievers=["dense", "bm25"], sizes=[16, 32])
    monkeypatch.setattr(WordEncoder, "encode", lambda *_: pytest.fail("something was embedded"))
    # No embedder reads chunks of 512 tokens.
    alone = swept(tmp_path / "alone", retrievers=["bm25"], sizes=[16, 32, 512])
    assert not list((tmp_path / "alone").glob("embeddings/**/*.parquet"))
    key, ours = ["chunking", "question_id", "rank"], pl.read_parquet(alone / "hits.parquet")
    theirs = pl.read_parquet(beside / "hits.parquet").filter(pl.col("retriever") == "bm25")
    both = ours.select(key).join(theirs.select(key), on=key)
    assert len(both) == 3 * 4 * 20, "the three best of each chunking and question"
    ours, theirs = (one.join(both, on=key, how="semi").sort(key) for one in (ours, theirs))
    assert ours.equals(theirs)
