"""How far two embeddings of the same texts rank alike."""

import numpy as np
import pytest

from retrieval.ranking.agreement import Embedded, agreement


def unit(*rows):
    vectors = np.array(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_same_vectors_agree():
    one = Embedded(unit([1, 0], [0, 1]), unit([1, 0], [1, 1], [0, 1]))
    assert agreement(one, one, 2) == (2, 1.0, 0.0)


def test_overlap_and_change_by_hand():
    questions = unit([1, 0])
    exact = Embedded(questions, unit([1, 0], [4, 3], [3, 4]))  # cosines 1, .8, .6
    other = Embedded(questions, unit([1, 0], [3, 4], [4, 3]))  # cosines 1, .6, .8
    found = agreement(exact, other, 2)
    assert found.overlap == 0.5  # of the best two, only the first is among the other's best two
    assert found.largest_change == pytest.approx(0.2, abs=1e-6)
    assert agreement(exact, other, 9).k == 3
