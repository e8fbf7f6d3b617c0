"""Embedding: each distinct text once per model, longest together, cached by digest."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from corpora.digest import sha256_file, sha256_text
from corpora.errors import InputError
from retrieval.tokens import EmbedderTokenizer

Vectors = npt.NDArray[np.float32]
Progress = Callable[[int], None]

_SHARD = 4096  # texts embedded between two writes to the cache


class Embedder:
    """A sentence-transformers model in a local folder; loaded when the first text is not in the cache.

    Args:
        folder: the model's folder.
        sha256: digest of its weights, which names its cache.
        cache: folder of the embedding cache.
        batch_size: texts a forward pass.
    """

    def __init__(self, folder: Path, sha256: str, cache: Path, batch_size: int = 64) -> None:
        self.folder, self.sha256, self.batch_size = folder, sha256, batch_size
        # Weights alone are not the model: another tokenizer or pooling makes other vectors.
        beside = [folder / name for name in ("tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json")]
        parts = sha256 + "".join(sha256_file(file) for file in beside if file.is_file())
        self.digest = sha256_text(parts)
        self.cache = cache / self.digest[:16]
        self.tokenizer = EmbedderTokenizer(folder)
        self.limit = _window(folder)
        self.n_embedded = 0
        self._model: Any = None
        self._digests: set[str] = set()  # of texts known to be in the cache, and the shards that they were read from
        self._seen: set[Path] = set()

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Embed texts.

        Args:
            texts: any texts; equal ones are embedded once.
            progress: told how many distinct texts were done since the last call.

        Returns:
            Shape (texts, dimensions), unit length, float32.

        Raises:
            InputError: a text is longer than the model reads; it would be cut short without a word.
        """
        digests = [sha256_text(text) for text in texts]
        distinct = dict(zip(digests, texts, strict=True))
        known = self._cached(set(distinct))
        missing = {digest: text for digest, text in distinct.items() if digest not in known}
        self._check_lengths(list(missing.values()))
        if progress and known:
            progress(len(known))
        # Sorted by length, so that a batch holds little padding; by digest within, so that batches are repeatable.
        order = sorted(missing, key=lambda digest: (-len(missing[digest]), digest))
        for at in range(0, len(order), _SHARD):
            shard = order[at : at + _SHARD]
            vectors = self._forward([missing[digest] for digest in shard], progress)
            self._write(shard, vectors)
            known.update(zip(shard, vectors, strict=True))
        self.n_embedded += len(missing)
        return np.stack([known[digest] for digest in digests])

    def fill(self, texts: Sequence[str]) -> None:
        """Embed those texts that the cache lacks; reads no vector back.

        Raises:
            InputError: as `embed`.
        """
        for shard in set(self.cache.glob("*.parquet")) - self._seen:
            self._digests.update(pl.read_parquet(shard, columns=["text_sha256"])["text_sha256"])
            self._seen.add(shard)
        missing = [text for text in texts if sha256_text(text) not in self._digests]
        if missing:
            self.embed(missing)

    def _check_lengths(self, texts: list[str]) -> None:
        counts = self.tokenizer.count_all(texts)
        longest = max(counts, default=0) + self.tokenizer.n_special
        if longest > self.limit:
            text = texts[int(np.argmax(counts))]
            raise InputError(
                f"a text of {longest} tokens ({text!r:.50})",
                f"at most {self.limit}, where this embedder stops reading",
                "shorten it or choose an embedder with a longer window",
            )

    def _forward(self, texts: list[str], progress: Progress | None) -> Vectors:
        if self._model is None:
            self._model = _load(self.folder)
        parts = []
        for at in range(0, len(texts), self.batch_size):
            batch = texts[at : at + self.batch_size]
            encoded = self._model.encode(
                batch, batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
            )
            parts.append(encoded)
            if progress:
                progress(len(batch))
        vectors: Vectors = np.concatenate(parts).astype(np.float32)
        return vectors

    def _cached(self, digests: set[str]) -> dict[str, npt.NDArray[np.float32]]:
        shards = sorted(self.cache.glob("*.parquet"))
        if not shards:
            return {}
        frame = pl.scan_parquet(shards).filter(pl.col("text_sha256").is_in(digests)).collect()
        return dict(zip(frame["text_sha256"], frame["vector"].to_numpy(), strict=True))

    def _write(self, digests: list[str], vectors: Vectors) -> None:
        file = self.cache / f"{uuid.uuid4().hex}.parquet"
        partial = file.with_suffix(".partial")
        schema = pl.Schema({"text_sha256": pl.String(), "vector": pl.Array(pl.Float32(), vectors.shape[1])})
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            pl.DataFrame({"text_sha256": digests, "vector": vectors}, schema=schema).write_parquet(partial)
            partial.replace(file)
        except (OSError, pl.exceptions.ComputeError) as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise InputError(
                f"cannot write embeddings to {self.cache} ({error})",
                "a writable folder with free space",
                "free some space and run again: finished shards are kept",
            ) from error


def _load(folder: Path) -> Any:
    # The files are local: a look at the hub would only fail, or tell somebody what runs here.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    # Imported here: torch takes seconds to import, and cached texts need no model.
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no annotation there
    return SentenceTransformer(str(folder), device=None, local_files_only=True)


def _window(folder: Path) -> int:
    """Most tokens that the model reads, from the file in which sentence-transformers keeps it."""
    file = folder / "sentence_bert_config.json"
    if file.is_file():
        limit = json.loads(file.read_text(encoding="utf-8")).get("max_seq_length")
        if limit:
            return int(limit)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return int(config["max_position_embeddings"])
