"""Scores of pairs, each once, and the order that they give."""

import json

import polars as pl
import pytest

from corpora.errors import InputError
from retrieval.ranking.hits import HITS
from retrieval.reranking.cross_encoder import check_cross_encoder
from retrieval.reranking.reorder import reorder
from tests.doubles.scripted_reranker import ScriptedReranker, write_cross_encoder


@pytest.fixture
def folder(tmp_path):
    return write_cross_encoder(tmp_path / "model", window=20)


def reranker_in(tmp_path, folder, script=lambda question, chunk: float(len(chunk))):
    return ScriptedReranker("longest", folder, tmp_path / "cache", script)


def test_a_pair_is_scored_once_and_kept(tmp_path, folder):
    pairs = [("q", "long one"), ("q", "one"), ("p", "one"), ("q", "one")]
    first = reranker_in(tmp_path, folder)
    assert first.scores(pairs).tolist() == [8.0, 3.0, 3.0, 3.0]
    assert sorted(first.asked) == sorted(set(pairs))
    assert (first.n_scored, first.missing(pairs)) == (3, 0)
    later = reranker_in(tmp_path, folder)
    assert later.scores([*pairs, ("p", "two")]).tolist() == [8.0, 3.0, 3.0, 3.0, 3.0]
    assert later.asked == [("p", "two")]


def test_another_model_has_scores_of_its_own(tmp_path, folder):
    first = reranker_in(tmp_path, folder)
    first.fill([("q", "one")])
    (folder / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    other = reranker_in(tmp_path, folder)
    assert other.digest != first.digest
    assert other.missing([("q", "one")]) == 1


def test_a_pair_that_would_be_cut_is_refused(tmp_path, folder):
    reranker = reranker_in(tmp_path, folder)
    reranker.scores([("three words here", "word " * 14)])  # and three special tokens: exactly 20
    with pytest.raises(InputError, match=r"a question of 3 tokens and a chunk of 15 .* at most 20 tokens together"):
        reranker.scores([("three words here", "word " * 15)])
    with pytest.raises(InputError, match="at most 20 tokens together"):
        reranker.check(["three words here"], ["short", "word " * 15])


@pytest.mark.parametrize(
    ("n_labels", "kind"), [(3, "Bert"), (2, "XLMRoberta")], ids=["a classifier", "a classifier of two"]
)
def test_a_model_with_several_scores_is_refused(tmp_path, n_labels, kind):
    with pytest.raises(InputError, match=rf"{kind}ForSequenceClassification with {n_labels} scores"):
        check_cross_encoder(write_cross_encoder(tmp_path, n_labels, kind=kind))


def test_an_encoder_without_a_trained_last_layer_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}), encoding="utf-8")
    with pytest.raises(InputError, match="a model of another kind"):
        check_cross_encoder(tmp_path)


def hits(*rows):
    frame = pl.DataFrame(rows, schema=["question_id", "rank", "chunk_id", "score"], orient="row")
    return frame.with_columns(chunking=pl.lit("c")).select(HITS.names()).cast(HITS)


def test_the_head_is_ordered_by_score_then_by_id_and_the_rest_follows():
    ranked = hits(
        *(("b", rank, f"x{rank}", 1.0 / rank) for rank in (1, 2, 3, 4)),
        *(("a", rank, f"y{rank}", 1.0 / rank) for rank in (1, 2)),
    )
    found = reorder(ranked, [0.1, 0.7, 0.7000000001, 5.0, 9.0], 3)
    assert found.select("question_id", "rank", "chunk_id", "score").rows() == [
        ("b", 1, "x2", 0.7), ("b", 2, "x3", 0.7), ("b", 3, "x1", 0.1), ("b", 4, "x4", None),
        ("a", 1, "y2", 9.0), ("a", 2, "y1", 5.0),
    ]  # fmt: skip
    assert found.schema == HITS
