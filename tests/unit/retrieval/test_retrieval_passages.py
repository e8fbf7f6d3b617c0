"""The passages of a text that are most similar to a question."""

import numpy as np
import pytest

from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.passages import Passages
from tests.doubles.scripted import scripted_session

TEXT = "The ferry leaves at seven. Nobody knows the captain well. Herons nest behind the mill. Tides are low in May."


@pytest.fixture
def passages(tmp_path):
    session = scripted_session(tmp_path, lambda *_: (1, 0, 0)).session

    def open_(size=8, n_best=2):
        return Passages(session.embedder(EmbedderConfig()), size, n_best)

    return open_


def test_the_best_passages_are_kept_in_the_order_of_the_text(passages):
    seen = passages().look("Who has seen herons, and is the ferry late?", TEXT)
    assert [one.strip() for one in seen.passages] == ["The ferry leaves at seven.", "Herons nest behind the mill."]
    assert sorted(seen.order) == [0, 1]


def test_passages_are_slices_of_the_text(passages):
    seen = passages(n_best=9).look("Herons?", TEXT)
    assert "".join(seen.passages) == TEXT or all(one in TEXT for one in seen.passages)
    assert len(seen.passages) == 4


def test_looking_at_many_sees_the_same(passages):
    look = passages()
    pairs = [("Is the ferry late?", TEXT), ("Herons?", TEXT), ("Herons?", "")]
    for pair, seen in zip(pairs, look.look_at_all(pairs), strict=True):
        alone = look.look(*pair)
        assert seen.passages == alone.passages
        assert seen.n_tokens == alone.n_tokens
        assert np.allclose(seen.context, alone.context, atol=1e-6)


def test_no_context_is_a_vector_of_zeros(passages):
    seen = passages().look("Herons?", "")
    assert (seen.passages, float(np.abs(seen.context).sum())) == ((), 0.0)


def test_a_question_longer_than_the_window_is_not_cut(passages):
    assert passages().look("word " * 300, TEXT) is None
    assert passages().look_at_all([("word " * 300, TEXT)]) == [None]
