"""The vector cache reads what it is asked for, and no shard more."""

import shutil

import numpy as np
import pytest

from retrieval import vector_cache
from retrieval.vector_cache import VectorCache

VECTORS = np.eye(4, dtype=np.float32)


@pytest.fixture
def opened(monkeypatch):
    """How many of its columns each read took of a shard: all of them for None."""
    reads = []
    read = vector_cache.read_frame

    def noting(shard, **options):
        reads.append(options.get("columns"))
        return read(shard, **options)

    monkeypatch.setattr(vector_cache, "read_frame", noting)
    return reads


def test_vectors_are_read_from_the_shards_that_have_them_only(tmp_path, opened):
    for at, key in enumerate("abcd"):
        VectorCache(tmp_path).write([key], VECTORS[[at]])
    cache = VectorCache(tmp_path)
    found = cache.read({"b", "d", "e"})
    assert {key: vector.tolist() for key, vector in found.items()} == {"b": [0, 1, 0, 0], "d": [0, 0, 0, 1]}
    assert opened == [["key"]] * 4 + [None] * 2
    opened.clear()
    assert cache.missing({"a", "e"}) == {"e"}
    assert cache.read({"e"}) == {}
    assert opened == [], "which keys a shard has is read once"


def test_shards_of_others_are_found_and_those_that_are_gone_are_forgotten(tmp_path):
    cache = VectorCache(tmp_path / "vectors")
    assert cache.missing({"a"}) == {"a"}
    VectorCache(tmp_path / "vectors").write(["a"], VECTORS[[0]])
    assert cache.missing({"a"}) == set()
    shutil.rmtree(tmp_path / "vectors")
    assert cache.missing({"a"}) == {"a"}
    assert cache.read({"a"}) == {}
