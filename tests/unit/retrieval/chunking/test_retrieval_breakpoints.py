import numpy as np
import pytest

from retrieval.chunking.semantic import best_cut, gap_distances

EAST, NORTH, NORTH_EAST = (1.0, 0.0), (0.0, 1.0), (0.5**0.5, 0.5**0.5)


def distances(*vectors):
    return gap_distances(np.array(vectors, np.float32), np.arange(len(vectors))).tolist()


def totals(*counts):
    return np.cumsum([0, *counts])


def test_like_sentences_are_at_distance_zero_and_right_angles_at_one():
    assert distances(EAST, EAST) == [0]
    assert distances(EAST, NORTH) == [1]
    assert distances(EAST, (-1.0, 0.0)) == [2]


def test_three_sentences_on_either_side_are_compared():
    # At the middle three EAST stand against three NORTH; one gap earlier two EAST against EAST + 2 NORTH, 1 / sqrt(5).
    found = distances(EAST, EAST, EAST, NORTH, NORTH, NORTH, NORTH)
    assert found == pytest.approx([1 - 2 / 5**0.5, 1 - 1 / 5**0.5, 1, 1 - 1 / 5**0.5, 1 - 2 / 5**0.5, 0], abs=1e-6)


def test_sums_that_cancel_are_at_distance_one():
    assert distances(EAST, (-1.0, 0.0), NORTH)[1] == 1


def test_repeated_sentences_share_a_row():
    vectors = np.array([EAST, NORTH], np.float32)
    assert gap_distances(vectors, np.array([0, 1, 0])).tolist() == distances(EAST, NORTH, EAST)


def test_one_sentence_has_no_gap():
    assert distances(EAST) == []


def test_distances_agree_whatever_batch_a_gap_falls_in(monkeypatch):
    vectors = np.random.default_rng(5).standard_normal((40, 8)).astype(np.float32)
    rows = np.random.default_rng(6).integers(0, 40, 100)
    whole = gap_distances(vectors, rows)
    monkeypatch.setattr("retrieval.chunking.semantic._BATCH", 7)
    assert (gap_distances(vectors, rows) == whole).all()


def test_noise_below_the_sixth_decimal_does_not_show():
    noisy = np.array([EAST, NORTH_EAST], np.float64) + 1e-8
    assert gap_distances(noisy, np.arange(2)).tolist() == distances(EAST, NORTH_EAST)


def test_a_stretch_is_cut_at_its_greatest_distance():
    assert best_cut(np.array([0.1, 0.9, 0.3, 0.95]), totals(5, 5, 5, 5, 5), 0, 4, least=1) == 2


def test_of_equal_distances_the_one_next_to_the_middle_is_cut():
    assert best_cut(np.full(5, 0.5), totals(1, 1, 1, 1, 1, 7), 0, 6, least=0) == 5
    assert best_cut(np.full(3, 0.5), totals(5, 5, 5, 5), 0, 4, least=0) == 2


def test_a_cut_that_would_leave_a_sliver_is_passed_over():
    assert best_cut(np.array([0.9, 0.2, 0.3, 0.8]), totals(2, 9, 9, 9, 2), 0, 5, least=3) == 3


def test_where_every_cut_leaves_a_sliver_the_greatest_distance_decides():
    assert best_cut(np.array([0.2, 0.9]), totals(1, 20, 1), 0, 3, least=5) == 2
