"""Vectors on disk: Parquet shards in one folder, each vector under a key that names what it was made from.

The name of a shard carries the digest of its bytes. A damaged shard is moved aside when it is read, and its vectors are
computed again: a vector is either the one that was written, or not there.
"""

from __future__ import annotations

import io
import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import polars as pl

from corpora.errors import InputError, is_out_of_memory, out_of_memory
from corpora.reading.damage import Damage, DamageError, digest_in, read_sealed, set_aside, write_sealed
from corpora.storage import StorePath, entries, files_in, parse_frame

Vectors = npt.NDArray[np.float32]

EFFECT = "its vectors are computed again"
UNIT = 1e-3  # how far from 1 the length of a vector may be that only rounding has touched
LOG = logging.getLogger("tercet")


class VectorCache:
    """The vectors of one embedder in one role; several processes may read and add at the same time.

    Args:
        folder: where the shards are; its name must identify the embedder, as the keys identify only the texts.
    """

    def __init__(self, folder: StorePath) -> None:
        self.folder = folder
        self._shards: dict[str, StorePath] = {}  # those whose keys were read, by name
        self._where: dict[str, str] = {}  # key to the name of the shard that has it

    def read(self, keys: set[str]) -> dict[str, Vectors]:
        """The vectors that are in the cache, by key; each of shape (dimensions,)."""
        return {key: vector for some, vectors in self.each(keys) for key, vector in zip(some, vectors, strict=True)}

    def each(self, keys: set[str]) -> Iterator[tuple[list[str], Vectors]]:
        """The keys that are in the cache and their vectors, of shape (keys, dimensions), shard by shard."""
        self._look()
        wanted: dict[str, list[str]] = {}
        for key in keys & self._where.keys():
            wanted.setdefault(self._where[key], []).append(key)
        for name, of_shard in wanted.items():
            frame = self._shard(self._shards[name])
            if frame is not None:
                some = frame.filter(pl.col("key").is_in(of_shard))
                yield some["key"].to_list(), some["vector"].to_numpy()

    def missing(self, keys: Iterable[str]) -> set[str]:
        """The keys that have no vector yet; no shard is read twice."""
        self._look()
        return set(keys) - self._where.keys()

    def _look(self) -> None:
        """Learn the keys of the shards that were written since the last look."""
        shards = {shard.name: shard for shard in files_in(self.folder, "*.parquet")}
        if not self._shards.keys() <= shards.keys():  # a shard was damaged, or somebody has emptied the store
            self._shards.clear()
            self._where.clear()
        for name in sorted(shards.keys() - self._shards.keys()):
            frame = self._shard(shards[name], columns=["key"])
            for key in [] if frame is None else frame["key"]:
                # Two processes may both have made a vector, differing in the last digit: all of them read the same one.
                self._where[key] = min(name, self._where.get(key, name))
            self._shards[name] = shards[name]

    def _shard(self, shard: StorePath, columns: list[str] | None = None) -> pl.DataFrame | None:
        """As `read_shard`; None if it is gone, or was damaged and is now moved aside."""
        try:
            return read_shard(shard, columns)
        except FileNotFoundError:
            return None
        except DamageError as error:
            LOG.warning("%s is damaged (%s): it is moved aside, and %s.", shard, error.damage.found, EFFECT)
            with suppress(OSError):  # a store that cannot be written: the next run will say it again
                set_aside(error.damage)
            return None

    def write(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Add a shard, whole or not at all.

        Args:
            keys: one per row.
            vectors: shape (keys, dimensions), unit length.

        Raises:
            InputError: the disk is full, or the folder cannot be written to.
        """
        schema = pl.Schema({"key": pl.String(), "vector": pl.Array(pl.Float32(), vectors.shape[1])})
        content = io.BytesIO()
        # No statistics: nothing here looks them up.
        pl.DataFrame({"key": keys, "vector": vectors}, schema=schema).write_parquet(content, statistics=False)
        try:
            write_sealed(self.folder, uuid.uuid4().hex, ".parquet", content.getvalue())
        except OSError as error:
            raise InputError(
                f"cannot write embeddings to {self.folder} ({error})",
                "a writable folder with free space",
                "free some space and run again, as finished shards are kept",
            ) from error


def read_shard(shard: StorePath, columns: list[str] | None = None) -> pl.DataFrame:
    """Keys and vectors of a shard, as they were written.

    Args:
        shard: the file.
        columns: which of the two are wanted; both by default. The digest is that of the whole file in any case.

    Raises:
        DamageError: it is not as it was written.
        InputError: memory ran out, which says nothing about the shard.
        FileNotFoundError: there is no such shard any more.
    """
    content = read_sealed(shard, EFFECT)
    is_sealed = digest_in(shard.name) is not None
    try:
        frame = parse_frame(content, columns=columns if is_sealed else None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, MemoryError) as error:
        if is_out_of_memory(error):
            raise out_of_memory(f"{shard} cannot be read, because memory ran out", error) from error
        raise DamageError(Damage(shard, "it is not a Parquet file", EFFECT)) from error
    if not is_sealed and not _is_plausible(frame):
        raise DamageError(Damage(shard, "it does not hold keys and vectors of unit length", EFFECT))
    return frame if columns is None else frame.select(columns)


def _is_plausible(frame: pl.DataFrame) -> bool:
    """Whether a shard of an older version, which has no digest, holds what it should as far as can be seen."""
    kinds = frame.schema
    if list(kinds) != ["key", "vector"] or kinds["key"] != pl.String or not isinstance(kinds["vector"], pl.Array):
        return False
    if kinds["vector"].inner != pl.Float32 or sum(frame.null_count().row(0)):
        return False
    lengths = np.linalg.norm(frame["vector"].to_numpy().astype(np.float64), axis=1)
    return bool((np.abs(lengths - 1) <= UNIT).all()) and frame["key"].str.contains("^[0-9a-f]{64}$").all()


def damaged_vectors(embeddings: StorePath) -> Iterator[Damage]:
    """Every damaged shard below the folder of all embedding caches."""
    for folder in entries(embeddings):
        for shard in files_in(folder, "*.parquet"):
            try:
                read_shard(shard)
            except DamageError as error:
                yield error.damage
