"""The vector cache reads what it is asked for, and no shard more; a damaged vector is never given back."""

import logging
import random
import shutil

import numpy as np
import pytest

from corpora.errors import InputError
from corpora.reading.damage import DamageError
from retrieval.embedding import vector_cache
from retrieval.embedding.vector_cache import VectorCache, damaged_vectors

VECTORS = np.eye(4, dtype=np.float32)


@pytest.fixture
def opened(monkeypatch):
    """How many of its columns each read took of a shard: all of them for None."""
    reads = []
    read = vector_cache.parse_frame

    def noting(shard, **options):
        reads.append(options.get("columns"))
        return read(shard, **options)

    monkeypatch.setattr(vector_cache, "parse_frame", noting)
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
        VectorCache(tmp_path / name).write(["f" * 64], VECTORS[[at]])
        (shard,) = (tmp_path / name).glob("*.parquet")
        shard.rename(tmp_path / f"{name}.parquet")
        if looks:  # at a shard at a time, in the order in which they were written
            cache.missing(set())
    assert cache.read({"f" * 64})["f" * 64].tolist() == VECTORS[1].tolist()


def test_shards_of_others_are_found_and_those_that_are_gone_are_forgotten(tmp_path):
    cache = VectorCache(tmp_path / "vectors")
    assert cache.missing({"a"}) == {"a"}
    VectorCache(tmp_path / "vectors").write(["a"], VECTORS[[0]])
    assert cache.missing({"a"}) == set()
    shutil.rmtree(tmp_path / "vectors")
    assert cache.missing({"a"}) == {"a"}
    assert cache.read({"a"}) == {}


KEYS = [f"{number:064x}" for number in range(4)]


def flip(file, at):
    content = bytearray(file.read_bytes())
    content[at // 8] ^= 1 << at % 8
    file.write_bytes(content)


def only_shard(folder):
    (shard,) = folder.glob("*.parquet")
    return shard


def test_a_flipped_bit_costs_the_shard_and_no_vector_is_wrong(tmp_path, caplog):
    draw = random.Random(0)
    for number in range(60):
        folder = tmp_path / f"{number}" / "vectors"
        VectorCache(folder).write(KEYS[:2], VECTORS[:2])
        VectorCache(folder / "other").write(KEYS[2:], VECTORS[2:])
        shard, other = only_shard(folder), only_shard(folder / "other")
        other.rename(folder / other.name)
        flip(shard, draw.randrange(8 * shard.stat().st_size))
        cache = VectorCache(folder)
        assert cache.missing(KEYS) == set(KEYS[:2])
        assert {key: vector.tolist() for key, vector in cache.read(set(KEYS)).items()} == {
            key: vector.tolist() for key, vector in zip(KEYS[2:], VECTORS[2:], strict=True)
        }
        assert not shard.exists()
        assert (folder / "damaged" / shard.name).exists()
    assert len(caplog.messages) == 60
    assert all("its vectors are computed again" in line for line in caplog.messages)


def test_damage_after_the_keys_were_read_is_noticed_too(tmp_path):
    cache = VectorCache(tmp_path)
    cache.write(KEYS, VECTORS)
    assert cache.missing(KEYS) == set()
    flip(only_shard(tmp_path), 3000)
    assert cache.read(set(KEYS)) == {}
    assert cache.missing(KEYS) == set(KEYS)
    cache.write(KEYS, VECTORS)
    assert len(cache.read(set(KEYS))) == 4


@pytest.mark.parametrize("length", [0, 3, 200, -1])
def test_a_shard_cut_short_is_damaged(tmp_path, length):
    VectorCache(tmp_path).write(KEYS, VECTORS)
    shard = only_shard(tmp_path)
    shard.write_bytes(shard.read_bytes()[:length])
    assert VectorCache(tmp_path).read(set(KEYS)) == {}


def of_the_version_before(folder):
    """A shard as it was named then, without a digest."""
    VectorCache(folder).write(KEYS, VECTORS)
    shard = only_shard(folder)
    return shard.rename(folder / "0123456789abcdef0123456789abcdef.parquet")


def test_a_shard_of_the_version_before_is_read(tmp_path):
    of_the_version_before(tmp_path)
    assert len(VectorCache(tmp_path).read(set(KEYS))) == 4


def test_a_shard_of_the_version_before_that_does_not_parse_or_is_implausible_is_computed_again(tmp_path):
    shard = of_the_version_before(tmp_path)
    shard.write_bytes(shard.read_bytes()[:-9])
    assert VectorCache(tmp_path).read(set(KEYS)) == {}
    VectorCache(tmp_path).write(KEYS, VECTORS * np.float32(1.5))
    only_shard(tmp_path).rename(shard)
    assert VectorCache(tmp_path).read(set(KEYS)) == {}
    assert not shard.exists()


def test_a_cache_that_cannot_be_written_is_read_all_the_same(tmp_path, monkeypatch, caplog):
    def refuse(_):
        raise PermissionError

    monkeypatch.setattr(vector_cache, "set_aside", refuse)
    VectorCache(tmp_path).write(KEYS, VECTORS)
    flip(only_shard(tmp_path), 500)
    with caplog.at_level(logging.WARNING, "tercet"):
        assert VectorCache(tmp_path).missing(KEYS) == set(KEYS)
    assert len(caplog.messages) == 1


def test_damaged_shards_are_listed_and_nothing_is_moved(tmp_path):
    for name in "ab":
        VectorCache(tmp_path / name).write(KEYS, VECTORS)
    assert list(damaged_vectors(tmp_path)) == []
    shard = only_shard(tmp_path / "b")
    flip(shard, 700)
    assert [damage.path for damage in damaged_vectors(tmp_path)] == [shard]
    assert list(damaged_vectors(tmp_path / "none")) == []


@pytest.mark.parametrize("is_older", [False, True])
def test_memory_that_runs_out_is_said_and_no_shard_is_taken_for_damaged(tmp_path, monkeypatch, is_older):
    folder = tmp_path / "vectors"
    if is_older:
        of_the_version_before(folder)
    else:
        VectorCache(folder).write(KEYS, VECTORS)
    shard = only_shard(folder)

    def full(*_, **__):
        raise MemoryError("Unable to allocate 3 TiB")

    monkeypatch.setattr(vector_cache, "parse_frame", full)
    for read in (lambda: VectorCache(folder).missing(KEYS), lambda: list(damaged_vectors(tmp_path))):
        with pytest.raises(InputError, match=r"cannot be read, because memory ran out \(Unable") as refused:
            read()
        assert not isinstance(refused.value, DamageError)
    monkeypatch.undo()
    assert VectorCache(folder).missing(KEYS) == set()
    assert shard.exists()
