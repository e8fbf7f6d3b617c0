"""Vectors on disk: Parquet shards in one folder, each vector under a key that names what it was made from."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from corpora.errors import InputError
from corpora.storage import StorePath, files_in, read_frame, write_frame

Vectors = npt.NDArray[np.float32]


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
        self._look()
        wanted: dict[str, list[str]] = {}
        for key in keys & self._where.keys():
            wanted.setdefault(self._where[key], []).append(key)
        found: dict[str, Vectors] = {}
        for name, of_shard in wanted.items():
            frame = read_frame(self._shards[name]).filter(pl.col("key").is_in(of_shard))
            found.update(zip(frame["key"], frame["vector"].to_numpy(), strict=True))
        return found

    def missing(self, keys: Iterable[str]) -> set[str]:
        """The keys that have no vector yet; reads no vectors, and no shard twice."""
        self._look()
        return set(keys) - self._where.keys()

    def _look(self) -> None:
        """Learn the keys of the shards that were written since the last look."""
        shards = {shard.name: shard for shard in files_in(self.folder, "*.parquet")}
        if not self._shards.keys() <= shards.keys():  # somebody has emptied the store
            self._shards.clear()
            self._where.clear()
        for name in shards.keys() - self._shards.keys():
            for key in read_frame(shards[name], columns=["key"])["key"]:
                # Two processes may both have made a vector, differing in the last digit: all of them read the same one.
                self._where[key] = min(name, self._where.get(key, name))
            self._shards[name] = shards[name]

    def write(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Add a shard, whole or not at all.

        Args:
            keys: one per row.
            vectors: shape (keys, dimensions).

        Raises:
            InputError: the disk is full, or the folder cannot be written to.
        """
        file = self.folder / f"{uuid.uuid4().hex}.parquet"
        schema = pl.Schema({"key": pl.String(), "vector": pl.Array(pl.Float32(), vectors.shape[1])})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_frame(file, pl.DataFrame({"key": keys, "vector": vectors}, schema=schema))
        except (OSError, pl.exceptions.ComputeError) as error:
            raise InputError(
                f"cannot write embeddings to {self.folder} ({error})",
                "a writable folder with free space",
                "free some space and run again, as finished shards are kept",
            ) from error
