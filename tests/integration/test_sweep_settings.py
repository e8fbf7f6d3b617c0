"""A sweep over splitters, embedders and retrievers without readers, through the command line, on short texts."""

import json
import shutil

import polars as pl
import pytest
from click.testing import CliRunner

from flows.cli.main import main
from results.settings import CUT, SETTING
from tests.conftest import needs_model

EXPERIMENT = """
name = "settings"
readers = []
[corpus]
source = "generated"
generator = { n_documents = 12, words = 60 }
sample = 20
[retrieval]
splitters = ["tokens", "semantic"]
sizes = [32, 64]
overlaps = [0, 8]
k = [1, 3]
budgets = [64]
retrievers = ["dense", "bm25", "hybrid", "approximate"]
embedders = ["all-minilm-l6-v2", { model = "all-minilm-l6-v2", late = true }]
[scoring]
n_resamples = 200
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    needs_model("all-minilm-l6-v2")
    folder = tmp_path_factory.mktemp("settings")
    (folder / "settings.toml").write_text(EXPERIMENT, encoding="utf-8")
    store = folder / "store"
    arguments = ["sweep", str(folder / "settings.toml"), "--store", str(store), "--quiet"]
    result = CliRunner().invoke(main, arguments, prog_name="tercet")
    assert result.exit_code == 0, result.output
    (run,) = store.glob("settings-sweep-*")
    tables = {file.stem: pl.read_parquet(file) for file in run.glob("*.parquet")}
    return store, run, tables, result.output


@pytest.mark.slow
def test_bm25_by_itself_embeds_nothing_of_a_real_model(swept, tmp_path):
    settings = EXPERIMENT.replace(', { model = "all-minilm-l6-v2", late = true }', "").replace(', "semantic"', "")
    # No embedder reads chunks of 512 tokens, and no budget of this sweep holds one.
    settings = settings.replace("[32, 64]", "[32, 64, 512]").replace("budgets = [64]", "budgets = []")
    (tmp_path / "words.toml").write_text(settings.replace('"dense", "bm25", "hybrid", "approximate"', '"bm25"'))
    store = tmp_path / "store"
    arguments = ["sweep", str(tmp_path / "words.toml"), "--store", str(store), "--quiet"]
    result = CliRunner().invoke(main, arguments, prog_name="tercet")
    assert result.exit_code == 0, result.output
    assert not list(store.glob("embeddings/**/*.parquet"))
    (run,) = store.glob("settings-sweep-*")
    # The same ranking as beside retrievers that need vectors.
    key, hits = ["chunking", "question_id", "rank"], pl.read_parquet(run / "hits.parquet")
    beside = swept[2]["hits"].filter(pl.col("retriever") == "bm25").join(hits, on="chunking", how="semi")
    assert beside["chunking"].n_unique() == 4
    both = hits.select(key).join(beside.select(key), on=key)
    ours, theirs = (one.join(both, on=key, how="semi").sort(key) for one in (hits, beside))
    assert len(both) == 3 * 4 * 20, "the three best of each chunking and question"
    assert ours.equals(theirs)


@pytest.mark.slow
def test_questions_in_blocks_are_ranked_as_they_are_together(swept, tmp_path, monkeypatch):
    monkeypatch.setattr("flows.stages.indexing.QUESTIONS_A_BLOCK", 7)  # of 20
    (tmp_path / "settings.toml").write_text(EXPERIMENT, encoding="utf-8")
    store, _, tables, _ = swept
    shutil.copytree(store / "embeddings", tmp_path / "store" / "embeddings")
    arguments = ["sweep", str(tmp_path / "settings.toml"), "--store", str(tmp_path / "store"), "--quiet"]
    result = CliRunner().invoke(main, arguments, prog_name="tercet")
    assert result.exit_code == 0, result.output
    (again,) = (tmp_path / "store").glob("settings-sweep-*")
    key = ["embedder", "retriever", "chunking", "question_id", "rank"]
    ours, theirs = (one.sort(key) for one in (pl.read_parquet(again / "hits.parquet"), tables["hits"]))
    assert ours.drop("score").equals(theirs.drop("score"))
    assert (ours["score"] - theirs["score"]).abs().max() < 1e-5
    assert pl.read_parquet(again / "index_recall.parquet")["recall"].mean() == pytest.approx(
        tables["index_recall"]["recall"].mean()
    )


def test_every_setting_is_ranked_once_a_question(swept):
    hits = swept[2]["hits"]
    key = ["embedder", "retriever", "chunking", "question_id"]
    assert hits.select(*key, "rank").is_duplicated().sum() == 0
    assert hits.select(*key, "chunk_id").is_duplicated().sum() == 0
    found = hits.select("embedder", "retriever").unique().sort("embedder", "retriever").rows()
    plain, late = sorted({embedder for embedder, _ in found})
    # BM25 needs no vectors: it is there once for two embedders that count tokens alike.
    assert found == [
        *((plain, retriever) for retriever in ("approximate", "bm25", "dense", "hybrid")),
        *((late, retriever) for retriever in ("approximate", "dense", "hybrid")),
    ]


def test_each_distinct_text_is_embedded_once(swept):
    store, _, tables, _ = swept
    caches = [pl.read_parquet(list(folder.glob("*.parquet"))) for folder in (store / "embeddings").iterdir()]
    assert all(cache["key"].is_duplicated().sum() == 0 for cache in caches if len(cache))
    chunks = tables["chunks"]
    late = chunks.filter(pl.col("embedder").str.ends_with("late"))
    places = late.select("document_id", "start", "end").unique()
    assert len(places) in [len(cache) for cache in caches]


def test_the_approximate_index_tells_what_it_misses(swept):
    recall = swept[2]["index_recall"]
    assert set(recall["retriever"]) == {"approximate"}
    assert recall["recall"].is_between(0, 1).all()
    assert recall["recall"].mean() > 0.9
    assert len(recall) == 20 * 2 * 8  # questions, embedders, chunkings


def test_retrieval_is_averaged_over_all_questions(swept):
    means = swept[2]["retrieval_means"]
    assert len(means) == 8 * 7 * 3  # chunkings, embedders with retrievers, cuts
    assert means.select(*SETTING, *CUT).is_duplicated().sum() == 0
    assert means["setting"].n_unique() == 8 * 7
    assert (means["n"] == 20).all()
    low, mean, high = (means[name] for name in ("span_f1_low", "span_f1", "span_f1_high"))
    assert ((low <= mean) & (mean <= high)).all()


def test_the_run_says_which_setting_retrieves_best_or_that_it_cannot_tell(swept):
    _, run, _, output = swept
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert [choice["cut"] for choice in manifest["retrieval"]] == ["budget=64", "k=1", "k=3"]
    assert manifest["headline"] == manifest["retrieval"][0]["line"]
    assert "retrieval alone" in output
    assert len(manifest["embedders"]) == 2
    assert [line.split(":")[0] for line in manifest["warnings"] if "BM25" in line] == ["all-minilm-l6-v2-late"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert manifest["retrieval"][0]["line"].split(", over ")[0].split("Best so far: ")[1].split(" (")[0] in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_sweep_without_readers_labels_nothing(swept):
    store, _, tables, _ = swept
    assert not (store / "ledger").exists()
    assert "cells" not in tables
    assert "gold" not in tables


def test_labels_need_a_reader(tercet, tmp_path):
    needs_model("all-minilm-l6-v2")
    file = tmp_path / "none.toml"
    file.write_text('name = "none"\nreaders = []\n[corpus]\nsource = "sample"\n', encoding="utf-8")
    result = tercet("label", file)
    assert result.exit_code == 2
    assert "without readers" in result.output
