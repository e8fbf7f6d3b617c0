import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ranking.hits import Ranking, blocks, ranking_hits, top_chunks
from tests.doubles.chunk_frames import chunks


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 80), depth=st.integers(1, 80), seed=st.integers(0, 10_000), largest=st.sampled_from([1, 300]))
def test_the_top_is_that_of_a_full_sort_by_rounded_score_and_number(n, depth, seed, largest):
    rng = np.random.default_rng(seed)
    scores = rng.choice(rng.uniform(-largest, largest, 7), (3, n)) + rng.uniform(-1e-8, 1e-8, (3, n))
    depth = min(depth, n)
    ranking = top_chunks(scores, depth)
    for row, (numbers, kept) in enumerate(zip(*ranking, strict=True)):
        expected = sorted((-round(score, 6), number) for number, score in enumerate(scores[row].tolist()))[:depth]
        assert list(zip(kept, numbers, strict=True)) == [(-negative, number) for negative, number in expected]


def test_a_score_that_rounds_to_zero_is_not_minus_zero():
    scores = top_chunks(np.array([[-1e-9, 0.0]]), 2).scores
    assert not np.signbit(scores).any()


def test_blocks_hold_each_question_once_however_large_a_question_is(monkeypatch):
    monkeypatch.setattr("retrieval.ranking.hits.BLOCK", 10)
    assert [block.tolist() for block in blocks(np.arange(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [block.tolist() for block in blocks(np.arange(2), 99)] == [[0], [1]]


def test_a_question_without_a_ranking_is_refused():
    ranking = Ranking(np.zeros((2, 1), np.int64), np.zeros((2, 1)))
    with pytest.raises(pl.exceptions.PolarsError):
        ranking_hits(ranking, ["a", "b", "c"], chunks(["d:0-1"]))
