"""The vector cache reads what it is asked for, and no shard more."""

import shutil

import numpy as np
import pytest

from retrieval.embedding import vector_cache
from retrieval.embedding.vector_cache import VectorCache

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


@pytest.mark.parametrize("looks", [False, True])
def test_of_a_vector_that_several_processes_made_every_process_reads_the_same(tmp_path, looks):
    cache = VectorCache(tmp_path)
    for at, name in enumerate("bac"):
        VectorCache(tmp_path / name).write(["k"], VECTORS[[at]])
        (shard,) = (tmp_path / name).glob("*.parquet")
        shard.rename(tmp_path / f"{name}.parquet")
        if looks:  # at a shard at a time, in the order in which they were written
            cache.missing(set())
    assert cache.read({"k"})["k"].tolist() == VECTORS[1].tolist()


def test_shards_of_others_are_found_and_those_that_are_gone_are_forgotten(tmp_path):
    cache = VectorCache(tmp_path / "vectors")
    assert cache.missing({"a"}) == {"a"}
    VectorCache(tmp_path / "vectors").write(["a"], VECTORS[[0]])
    assert cache.missing({"a"}) == set()
    shutil.rmtree(tmp_path / "vectors")
    assert cache.missing({"a"}) == {"a"}
    assert cache.read({"a"}) == {}
