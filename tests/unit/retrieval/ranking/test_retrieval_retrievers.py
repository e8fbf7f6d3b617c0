from typing import get_args

import numpy as np
import pytest

from retrieval.ranking import retrievers
from retrieval.ranking.bm25 import BM25Index
from retrieval.ranking.hits import HITS
from retrieval.ranking.index import DenseIndex
from retrieval.ranking.retrievers import Questions, Rankers, Retriever
from tests.doubles.chunk_frames import chunks, hits_of, ids_of, unit_vectors

N = 120
QUESTIONS = Questions(["z", "a"], ["number 3", "text"], unit_vectors(2, 16, 1))


def frame():
    return chunks(ids_of(N), [f"text number {number}" for number in range(N)])


@pytest.mark.parametrize("retriever", get_args(Retriever))
@pytest.mark.parametrize("depth", [1, 7, 1000])
def test_every_retriever_ranks_each_question_as_deep_as_asked(retriever, depth):
    hits, recall = Rankers(frame(), unit_vectors(N, 16, 0)).rank(retriever, QUESTIONS, depth)
    deep = min(depth, N)
    assert hits.schema == HITS
    assert hits["question_id"].to_list() == ["z"] * deep + ["a"] * deep
    assert hits["rank"].to_list() == list(range(1, deep + 1)) * 2
    for name in QUESTIONS.ids:
        ids, scores = hits_of(hits, name)
        assert len(set(ids)) == deep
        assert [(-score, one) for score, one in zip(scores, ids, strict=True)] == sorted(
            (-score, one) for score, one in zip(scores, ids, strict=True)
        )
    assert (recall is not None) == (retriever == "approximate")


@pytest.mark.parametrize("retriever", get_args(Retriever))
def test_the_order_of_the_chunks_changes_nothing(retriever):
    order = np.random.default_rng(0).permutation(N)
    vectors = unit_vectors(N, 16, 0)
    straight = Rankers(frame(), vectors).rank(retriever, QUESTIONS, 9).hits
    shuffled = Rankers(frame()[order.tolist()], vectors[order]).rank(retriever, QUESTIONS, 9).hits
    assert straight.equals(shuffled)


def test_each_index_is_built_once(monkeypatch):
    built = []
    for made in (DenseIndex, BM25Index):
        monkeypatch.setattr(
            retrievers, made.__name__, lambda *given, made=made: built.append(made.__name__) or made(*given)
        )
    rankers = Rankers(frame(), unit_vectors(N, 16, 0))
    for retriever in (*get_args(Retriever), *get_args(Retriever)):
        rankers.rank(retriever, QUESTIONS, 3)
    assert sorted(built) == ["BM25Index", "DenseIndex"]


def test_bm25_needs_no_vectors_and_finds_the_word():
    hits = Rankers(frame()).rank("bm25", QUESTIONS._replace(vectors=None), 1).hits
    assert hits_of(hits, "z")[0] == [frame()["chunk_id"][3]]


@pytest.mark.parametrize("retriever", ["dense", "hybrid", "approximate"])
def test_the_others_say_what_they_lack(retriever):
    with pytest.raises(ValueError, match="need the vectors"):
        Rankers(frame()).rank(retriever, QUESTIONS, 1)
    with pytest.raises(ValueError, match="need the vectors"):
        Rankers(frame(), unit_vectors(N, 16, 0)).rank(retriever, QUESTIONS._replace(vectors=None), 1)
