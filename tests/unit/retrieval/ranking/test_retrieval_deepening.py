"""Rankings that are deepened only where a budget is not full are those that are deep for every question."""

import numpy as np
import polars as pl
import pytest

from retrieval.context import Cut, depth_for, shown_by_any, usual_depth
from retrieval.ranking.deepening import rank_for_cuts
from retrieval.ranking.retrievers import Questions, Rankers
from tests.doubles.chunk_frames import chunks, ids_of, unit_vectors

N = 300
CUTS = [Cut("k", 1), Cut("k", 4), Cut("budget", 60)]


@pytest.fixture
def made():
    random = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in random.zipf(1.4, 8) % 90) for _ in range(N)]
    lengths = pl.Series(np.where(random.random(N) < 0.2, 1, random.integers(20, 30, N)), dtype=pl.Int32())
    frame = chunks(ids_of(N), texts, n_tokens=lengths)
    asked = [f"w{n % 40} w{n % 7}" for n in range(25)]
    questions = Questions([f"q{(n * 11) % 25}" for n in range(25)], asked, unit_vectors(25, 8, 2))
    return Rankers(frame, unit_vectors(N, 8, 1)), questions, frame.select("chunk_id", "document_id", "n_tokens")


@pytest.mark.parametrize("retriever", ["bm25", "dense", "hybrid", "approximate"])
def test_what_the_cuts_show_is_the_same_as_of_a_ranking_that_is_deep_for_all(made, retriever, monkeypatch):
    rankers, questions, facts = made
    depth = depth_for(CUTS, facts)
    assert usual_depth(CUTS, facts) < depth / 4
    complete = rankers.rank(retriever, questions, depth)
    expected = shown_by_any(complete.hits.join(facts, on="chunk_id", how="left", maintain_order="left"), CUTS)
    asked = []
    rank = Rankers.rank
    monkeypatch.setattr(
        Rankers,
        "rank",
        lambda self, name, some, deep: asked.append((len(some.ids), deep)) or rank(self, name, some, deep),
    )
    shown = list(rank_for_cuts(rankers, retriever, questions, facts, CUTS, 13))
    assert pl.concat([one.hits for one in shown]).equals(expected)
    if retriever == "approximate":
        recall = np.concatenate([one.recall_against_exact for one in shown])
        np.testing.assert_array_equal(recall, complete.recall_against_exact)
        assert asked == [(12, depth), (13, depth)]
    else:
        assert sum(n for n, deep in asked if deep == depth) < 13  # of 25: the others' budgets are full before


def test_without_a_budget_nothing_is_ranked_twice(made, monkeypatch):
    rankers, questions, facts = made
    rank, asked = Rankers.rank, []
    monkeypatch.setattr(Rankers, "rank", lambda self, *args: asked.append(args[2]) or rank(self, *args))
    list(rank_for_cuts(rankers, "dense", questions, facts, [Cut("k", 3)], 2048))
    assert asked == [3]
