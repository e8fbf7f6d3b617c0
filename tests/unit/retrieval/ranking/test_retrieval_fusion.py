from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ranking.bm25 import BM25Index
from retrieval.ranking.fusion import rank_fused, ranks_of, reciprocal_rank_fusion
from retrieval.ranking.index import DenseIndex
from tests.doubles.chunk_frames import chunks, ids_of, unit_vectors


def test_scores_are_those_by_hand():
    dense, lexical = np.array([[1, 2, 3]]), np.array([[3, 1, 2]])
    expected = [[1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 63 + 1 / 62]]
    assert reciprocal_rank_fusion([dense, lexical]) == pytest.approx(np.array(expected), abs=1e-15)
    assert expected[0] == pytest.approx([0.0322665, 0.0325225, 0.0320020], abs=1e-7)


def test_ranks_count_from_one_and_ties_by_id():
    assert ranks_of(np.array([[0.5, 0.9, 0.5, 0.1]])).tolist() == [[2, 1, 3, 4]]


def made(n, seed):
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(list("abcdef"), rng.integers(1, 6))) for _ in range(n)]
    ids, frame_texts = ids_of(n), [f"{text} {number}" for number, text in enumerate(texts)]
    vectors, questions = unit_vectors(n, 6, seed), unit_vectors(3, 6, seed + 1)
    frame = chunks(ids, frame_texts)
    return DenseIndex(frame, vectors), BM25Index(frame), ["a b", "f", "nothing known"], questions


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 90).filter(lambda n: n % 7), depth=st.integers(1, 40), seed=st.integers(0, 1000))
def test_the_fused_ranking_is_that_of_exact_fractions_over_the_whole_rankings(n, depth, seed):
    dense, bm25, texts, questions = made(n, seed)
    fused = rank_fused(dense, bm25, texts, questions, depth)
    by_vector, by_word = dense.top(questions, n).chunks, bm25.top(texts, n)
    for row in range(3):
        sums = {number: Fraction(1, 60 + rank) for rank, number in enumerate(by_vector[row].tolist(), 1)}
        for rank, (number, score) in enumerate(zip(by_word.chunks[row].tolist(), by_word.scores[row], strict=True), 1):
            sums[number] += Fraction(1, 60 + rank) if score > 0 else 0
        expected = sorted(range(n), key=lambda number, sums=sums: (-sums[number], number))[:depth]
        assert fused.chunks[row].tolist() == expected
        np.testing.assert_allclose(fused.scores[row], [float(sums[number]) for number in expected], atol=1e-12)


def test_a_shallower_ranking_is_the_head_of_a_deeper_one(monkeypatch):
    dense, bm25, texts, questions = made(80, 3)
    deep = rank_fused(dense, bm25, texts, questions, 60)
    monkeypatch.setattr("retrieval.ranking.hits.BLOCK", 100)  # and blocks of questions change nothing
    assert rank_fused(dense, bm25, texts, questions, 4).chunks.tolist() == deep.chunks[:, :4].tolist()


def test_a_question_without_a_known_word_keeps_the_dense_order():
    dense, bm25, _, questions = made(80, 3)
    fused = rank_fused(dense, bm25, ["nothing known"] * 3, questions, 80)
    assert fused.chunks.tolist() == dense.top(questions, 80).chunks.tolist()
