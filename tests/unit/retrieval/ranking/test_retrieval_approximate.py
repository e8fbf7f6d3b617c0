import faiss
import numpy as np
import pytest

from retrieval.ranking.approximate import HNSW, ApproximateIndex, recall_against_exact
from retrieval.ranking.hits import Ranking
from retrieval.ranking.index import DenseIndex
from tests.doubles.chunk_frames import chunks, ids_of, unit_vectors

N = 1500


@pytest.fixture(scope="module")
def exact():
    return DenseIndex(chunks(ids_of(N)), unit_vectors(N, 32, 0))


@pytest.fixture(scope="module")
def questions():
    return unit_vectors(60, 32, 1)


def test_the_default_graph_finds_nearly_all(exact, questions):
    found = ApproximateIndex(exact).top(questions, 20)
    recall = recall_against_exact(found, exact.top(questions, 20))
    assert recall.shape == (60,)
    assert recall.mean() > 0.9


def test_scores_are_exact_and_sorted_with_ties_by_id(exact, questions):
    found = ApproximateIndex(exact).top(questions, 20)
    scores = np.round(exact.scores(questions), 6)
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, found.chunks, axis=1), atol=1e-12)
    pairs = [list(zip(-row, numbers, strict=True)) for row, numbers in zip(found.scores, found.chunks, strict=True)]
    assert all(pair == sorted(set(pair)) for pair in pairs)


def test_a_poor_graph_has_a_lower_recall_equal_to_the_overlap(exact, questions):
    poor, best = ApproximateIndex(exact, HNSW(4, 8, 4)).top(questions, 10), exact.top(questions, 10)
    overlap = [len(set(a) & set(b)) / 10 for a, b in zip(poor.chunks, best.chunks, strict=True)]
    recall = recall_against_exact(poor, best)
    assert recall.tolist() == overlap  # no ties among random vectors
    assert 0 < recall.mean() < 0.95


def test_recall_counts_a_chunk_that_ties_with_the_cut():
    best = Ranking(np.array([[0, 1, 2], [0, 1, 2]]), np.array([[0.9, 0.5, 0.5], [0.9, 0.5, 0.4]]))
    found = Ranking(np.array([[0, 7, 8], [0, 7, 8]]), np.array([[0.9, 0.5, 0.5], [0.9, 0.5, 0.3]]))
    assert recall_against_exact(found, best).tolist() == [1, pytest.approx(2 / 3)]


@pytest.fixture
def eight_threads():
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(8)
    yield
    faiss.omp_set_num_threads(before)


@pytest.mark.usefixtures("eight_threads")
def test_two_graphs_are_the_same_whatever_the_order_of_the_chunks(questions):
    frame, vectors = chunks(ids_of(N)), unit_vectors(N, 32, 0)
    order = np.random.default_rng(0).permutation(N)
    parameters = HNSW(4, 8, 4)  # poor, so that a difference would show
    one, other = (
        ApproximateIndex(DenseIndex(frame[rows.tolist()], vectors[rows]), parameters).top(questions, 10)
        for rows in (np.arange(N), order)
    )
    assert one.chunks.tolist() == other.chunks.tolist()


@pytest.mark.usefixtures("eight_threads")
def test_one_thread_builds_and_the_number_of_threads_stays_as_it_was(exact, monkeypatch):
    during = []
    add = faiss.IndexHNSWFlat.add
    monkeypatch.setattr(
        faiss.IndexHNSWFlat, "add", lambda *given: during.append(faiss.omp_get_max_threads()) or add(*given)
    )
    ApproximateIndex(exact, HNSW(4, 8, 4))
    assert during == [1]
    assert faiss.omp_get_max_threads() == 8


def test_questions_that_the_graph_cannot_serve_are_ranked_exactly(exact, questions):
    index = ApproximateIndex(exact, HNSW(2, 1, 1))
    _, found = index._graph.search(questions, 10)
    assert (found < 0).any()  # else this test shows nothing
    assert index.top(questions, 10).chunks.tolist() == exact.top(questions, 10).chunks.tolist()


@pytest.mark.parametrize("n_distinct", [5, 95])
def test_shared_vectors_fill_the_depth(n_distinct):
    which = np.arange(100) % n_distinct
    texts = [f"text {number}" for number in which]
    exact = DenseIndex(chunks(ids_of(100), texts), unit_vectors(n_distinct, 8, 0)[which])
    question = unit_vectors(3, 8, 1)
    assert ApproximateIndex(exact).top(question, 30).chunks.tolist() == exact.top(question, 30).chunks.tolist()
    assert ApproximateIndex(exact).top(question, 500).chunks.shape == (3, 100)
