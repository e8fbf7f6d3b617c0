import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ranking import index as dense
from retrieval.ranking.hits import DECIMALS, HITS
from retrieval.ranking.index import DenseIndex
from tests.doubles.chunk_frames import brute_force, chunks, hits_of, ids_of, peak_bytes, unit_vectors


def ranked_ids(index, question, depth):
    return index.rank(["q"], question[None, :], depth)["chunk_id"].to_list()


def first_axis_question(dimensions=8):
    question = np.zeros(dimensions, dtype=np.float32)
    question[0] = 1
    return question


def equally_near(n, score, seed, dimensions=8):
    """Distinct unit vectors with the same cosine to the first axis."""
    rest = unit_vectors(n, dimensions - 1, seed) * np.float32(np.sqrt(1 - score**2))
    return np.column_stack([np.full(n, score, dtype=np.float32), rest])


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 200).filter(lambda n: n % 7), depth=st.integers(1, 60), seed=st.integers(0, 10_000))
def test_the_ranking_is_that_of_brute_force(n, depth, seed):
    ids, vectors = ids_of(n), unit_vectors(n, 16, seed)
    questions = unit_vectors(3, 16, seed + 1)
    hits = DenseIndex(chunks(ids), vectors).rank(["a", "b", "c"], questions, depth)
    for name, question in zip("abc", questions, strict=True):
        mine = hits.filter(pl.col("question_id") == name)
        expected = brute_force(ids, vectors, question, depth)
        assert mine["chunk_id"].to_list() == [chunk_id for _, chunk_id in expected]
        np.testing.assert_allclose(mine["score"], [-negative for negative, _ in expected], atol=1.5 * 10**-DECIMALS)


def test_hits_have_the_declared_schema_and_ranks_from_one_in_the_order_of_the_questions():
    index = DenseIndex(chunks(ids_of(20)), unit_vectors(20, 8, 0))
    hits = index.rank(["z", "a"], unit_vectors(2, 8, 1), 3)
    assert hits.schema == HITS
    assert hits["question_id"].to_list() == ["z"] * 3 + ["a"] * 3
    assert hits["rank"].to_list() == [1, 2, 3, 1, 2, 3]
    assert set(hits["chunking"]) == {"tokens(size=8,overlap=0)"}


def test_a_depth_beyond_the_chunks_gives_all_of_them_once():
    ids = ids_of(10)
    index = DenseIndex(chunks(ids), unit_vectors(10, 8, 0))
    assert sorted(ranked_ids(index, unit_vectors(1, 8, 1)[0], 500)) == sorted(ids)


def test_one_chunk_is_found():
    index = DenseIndex(chunks(["d:0-1"]), unit_vectors(1, 8, 0))
    assert ranked_ids(index, unit_vectors(1, 8, 1)[0], 5) == ["d:0-1"]


def test_identical_texts_beyond_the_depth_are_taken_in_the_order_of_their_ids():
    ids = ids_of(100)
    texts = ["the same"] * 90 + [f"other {number}" for number in range(10)]
    same, others = equally_near(1, 0.9, 0), equally_near(10, 0.1, 1)
    index = DenseIndex(chunks(ids, texts), np.concatenate([np.repeat(same, 90, axis=0), others]))
    assert ranked_ids(index, first_axis_question(), 7) == sorted(ids[:90])[:7]


def test_a_better_chunk_stands_before_many_identical_ones():
    ids = ["z:0-1", *(f"a{number:02d}:0-1" for number in range(50))]
    vectors = np.concatenate([equally_near(1, 0.9, 0), np.repeat(equally_near(1, 0.5, 1), 50, axis=0)])
    index = DenseIndex(chunks(ids, ["best"] + ["the same"] * 50), vectors)
    assert ranked_ids(index, first_axis_question(), 3) == ["z:0-1", "a00:0-1", "a01:0-1"]


@pytest.mark.parametrize("depth", [1, 3, 17, 64])
def test_distinct_texts_with_equal_scores_beyond_the_depth_are_taken_in_the_order_of_their_ids(depth):
    ids = ids_of(300)
    index = DenseIndex(chunks(ids), equally_near(300, 0.6, 3))
    assert ranked_ids(index, first_axis_question(), depth) == sorted(ids)[:depth]


def test_a_tie_that_starts_behind_better_chunks_is_broken_by_id_too():
    ids = ids_of(200)
    vectors = np.concatenate([equally_near(2, 0.9, 0), equally_near(198, 0.6, 1)])
    expected = sorted(ids[:2]) + sorted(ids[2:])[:8]
    assert ranked_ids(DenseIndex(chunks(ids), vectors), first_axis_question(), 10) == expected


def test_scores_that_differ_only_by_rounding_are_ties():
    ids = ids_of(120)
    vectors = equally_near(120, 0.6, 3)
    vectors[:, 0] += np.random.default_rng(0).uniform(-1e-7, 1e-7, 120).astype(np.float32)
    assert ranked_ids(DenseIndex(chunks(ids), vectors), first_axis_question(), 5) == sorted(ids)[:5]


def test_a_difference_above_rounding_outweighs_the_id():
    vectors = np.concatenate([equally_near(1, 0.6, 0), equally_near(1, 0.60001, 1)])
    index = DenseIndex(chunks(["a:0-1", "b:0-1"]), vectors)
    assert ranked_ids(index, first_axis_question(), 2) == ["b:0-1", "a:0-1"]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), depth=st.integers(1, 40))
def test_the_ranking_does_not_depend_on_the_order_in_which_chunks_were_added(seed, depth):
    rng = np.random.default_rng(seed)
    ids = ids_of(90)
    texts = [f"text {number % 30}" for number in range(90)]  # each text three times
    vectors = unit_vectors(30, 8, seed)[np.arange(90) % 30]
    order = rng.permutation(90)
    questions = unit_vectors(4, 8, seed + 1)
    names = ["a", "b", "c", "d"]
    frame = chunks(ids, texts)
    straight = DenseIndex(frame, vectors).rank(names, questions, depth)
    shuffled = DenseIndex(frame[order.tolist()], vectors[order]).rank(names, questions, depth)
    assert straight.equals(shuffled)


def test_questions_asked_together_get_what_each_gets_alone():
    index = DenseIndex(chunks(ids_of(150)), unit_vectors(150, 32, 0))
    questions = unit_vectors(25, 32, 1)
    names = [f"q{number}" for number in range(25)]
    together = index.rank(names, questions, 10)
    alone = [index.rank([name], question[None, :], 10) for name, question in zip(names, questions, strict=True)]
    assert together.equals(pl.concat(alone))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), shallow=st.integers(1, 20), deeper=st.integers(0, 60))
def test_a_shallower_ranking_is_the_head_of_a_deeper_one(seed, shallow, deeper):
    index = DenseIndex(chunks(ids_of(100)), unit_vectors(100, 4, seed))
    question = unit_vectors(1, 4, seed + 1)[0]
    assert ranked_ids(index, question, shallow + deeper)[:shallow] == ranked_ids(index, question, shallow)


def searched(monkeypatch, spare=2):
    """FAISS searches however few the entries are, and a tie soon reaches beyond what it searched."""
    monkeypatch.setattr(dense, "SHARE", 1)
    monkeypatch.setattr(dense, "SPARE", spare)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 250).filter(lambda n: n % 7), n_vectors=st.integers(1, 400), depth=st.integers(1, 30),
    levels=st.integers(1, 4), seed=st.integers(0, 10_000), mostly=st.sampled_from([0.0, 0.9]),
)  # fmt: skip
def test_many_ties_and_shared_vectors_are_ranked_as_by_brute_force(n, n_vectors, depth, levels, seed, mostly):
    rng = np.random.default_rng(seed)
    # Coordinates on a coarse grid: distinct vectors have the same cosine, and chunks share vectors.
    grid = rng.integers(-levels, levels + 1, size=(n_vectors, 3)) + np.float32([0, 0, 0.5])
    distinct = (grid / np.linalg.norm(grid, axis=1, keepdims=True)).astype(np.float32)
    which = rng.integers(0, n_vectors, n)
    ids = ids_of(n)
    frame = chunks(ids, embedding_key=pl.Series([f"key {one}" for one in which]))
    questions = np.concatenate([np.eye(3, dtype=np.float32), unit_vectors(2, 3, seed)])
    names = list("abcde")
    with pytest.MonkeyPatch.context() as monkeypatch:
        searched(monkeypatch)
        monkeypatch.setattr(dense, "MOSTLY", mostly)
        hits = DenseIndex(frame, distinct[which]).rank(names, questions, depth)
    for name, question in zip(names, questions, strict=True):
        expected = brute_force(ids, distinct[which], question, depth)
        assert hits_of(hits, name)[0] == [chunk_id for _, chunk_id in expected]
        np.testing.assert_allclose(hits_of(hits, name)[1], [-negative for negative, _ in expected], atol=1e-12)


def test_only_the_questions_with_a_longer_tie_are_searched_wider(monkeypatch):
    searched(monkeypatch)
    ids = ids_of(1000)
    vectors = np.concatenate([equally_near(300, 0.9, 3), equally_near(700, 0.1, 4)])
    vectors[300:, 1:] = unit_vectors(700, 7, 5) * np.float32(np.sqrt(1 - 0.1**2))
    index = DenseIndex(chunks(ids), vectors)
    asked = []
    search = index._search
    monkeypatch.setattr(index, "_search", lambda x, k: asked.append((len(x), k)) or search(x, k))
    tied, clear = first_axis_question(), unit_vectors(1, 8, 6)[0]
    hits = index.rank(["clear", "tied"], np.stack([clear, tied]), 5)
    assert asked == [(2, 7), (1, 28), (1, 112), (1, 448)]
    assert hits_of(hits, "tied")[0] == sorted(ids[:300])[:5]
    assert hits_of(hits, "clear")[0] == [chunk_id for _, chunk_id in brute_force(ids, vectors, clear, 5)]


def test_searching_and_scoring_all_give_the_same(monkeypatch):
    frame, vectors, questions = chunks(ids_of(800)), unit_vectors(800, 16, 0), unit_vectors(40, 16, 1)
    names = [f"q{number}" for number in range(40)]
    index = DenseIndex(frame, vectors)
    monkeypatch.setattr(index, "_search", None)  # 16 of 800 are more than one in 32: all are scored
    scored = index.rank(names, questions, 16)
    monkeypatch.undo()
    searched(monkeypatch)
    assert DenseIndex(frame, vectors).rank(names, questions, 16).equals(scored)


def test_blocks_of_questions_change_nothing(monkeypatch):
    frame, vectors, questions = chunks(ids_of(300)), unit_vectors(300, 16, 0), unit_vectors(40, 16, 1)
    names = [f"q{number}" for number in range(40)]
    whole = DenseIndex(frame, vectors).rank(names, questions, 5)
    monkeypatch.setattr("retrieval.ranking.hits.BLOCK", 1000)
    assert DenseIndex(frame, vectors).rank(names, questions, 5).equals(whole)
    searched(monkeypatch)
    assert DenseIndex(frame, vectors).rank(names, questions, 5).equals(whole)


def test_the_same_text_with_two_keys_is_two_entries():
    ids = ["a:0-1", "b:0-1", "c:0-1"]
    vectors = np.concatenate([equally_near(1, 0.2, 0), equally_near(1, 0.8, 1), equally_near(1, 0.5, 2)])
    frame = chunks(ids, ["the same"] * 3, embedding_key=pl.Series(["x", "y", "z"]))
    assert ranked_ids(DenseIndex(frame, vectors), first_axis_question(), 3) == ["b:0-1", "c:0-1", "a:0-1"]


def test_no_questions_give_no_hits():
    hits = DenseIndex(chunks(ids_of(20)), unit_vectors(20, 8, 0)).rank([], unit_vectors(0, 8, 0), 3)
    assert hits.schema == HITS
    assert hits.is_empty()


@pytest.mark.parametrize(("n_same", "copied"), [(0, False), (9, False), (10, True), (45, True)])
def test_vectors_are_copied_only_where_many_are_shared(n_same, copied):
    which = np.maximum(np.arange(90) - n_same, 0)
    vectors = unit_vectors(90, 8, 0)[which]
    index = DenseIndex(chunks(ids_of(90), [f"text {number}" for number in which]), vectors)
    assert (index.vectors is vectors) != copied
    assert len(index.vectors) == (90 - n_same if copied else 90)
    np.testing.assert_array_equal(index.vectors[np.sort(index.by_key)], unit_vectors(90, 8, 0)[: 90 - n_same])


def test_memory_does_not_grow_with_the_questions(monkeypatch):
    monkeypatch.setattr("retrieval.ranking.hits.BLOCK", 200)
    searched(monkeypatch)
    index, questions = DenseIndex(chunks(ids_of(400)), unit_vectors(400, 8, 0)), unit_vectors(400, 8, 1)
    once, four_times = (peak_bytes(lambda n=n: index.top(questions[:n], 5)) for n in (100, 400))
    result = 300 * 5 * 16  # bytes of the ranks and scores of the questions more
    waiting = 300 * 8 * 3  # and of their numbers
    assert four_times - result - waiting < 1.1 * once
