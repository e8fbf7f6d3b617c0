"""Embedding: each distinct text once per model and role, batched by length, cached by digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from corpora.errors import InputError
from corpora.storage import StorePath, require_folder, sha256_text
from retrieval.embedding.embedder_config import EmbedderConfig, Role, check_installed
from retrieval.embedding.late_chunking import OVERLAP, Place, place_key, pool_documents, read_document
from retrieval.embedding.model_folder import NO_LIMIT, check_late, fingerprint, is_static, prompt_of, window_of
from retrieval.embedding.running.graph import cpus
from retrieval.embedding.vector_cache import VectorCache, Vectors
from retrieval.tokens import EmbedderTokenizer, minibatches

if TYPE_CHECKING:
    import polars as pl

    from retrieval.embedding.running.plain_encoder import TextEncoder

__all__ = ["Embedder", "Place", "Progress", "Vectors"]

Progress = Callable[[int], None]
Computed = Iterator[tuple[list[str], Vectors]]
Item = TypeVar("Item", str, Place)

_SHARD = 4096  # about this many vectors are computed between two writes to the cache
_LISTED = 1000  # texts of a column that are Python's at a time
_BATCH_TOKENS = 8192  # at most, per forward pass, padding included
_BATCH_TOKENS_A_CPU = 1024  # a processor that has as much to do is busy; more would only take memory


class Embedder:
    """A sentence-transformers model in a local folder; loaded when the first vector is not in the cache.

    Args:
        config: backend, precision, prompts, and whether chunks are pooled late.
        folder: the model's folder.
        sha256: digest of its weights.
        cache: folder of the embedding cache.
        converted: folder for models converted for a backend; None for one next to the cached embeddings.
        before_loading: called before the weights are read, to check that they are still those of the digest.

    Raises:
        InputError: the backend's package is missing, the model cannot do late chunking, or a prompt fills its window.
    """

    def __init__(
        self, config: EmbedderConfig, folder: Path, sha256: str, cache: StorePath, converted: Path | None = None,
        before_loading: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        check_installed(config)
        if config.late:
            check_late(folder)
        self.is_static = is_static(folder)
        if self.is_static and config.arithmetic != "float32":
            raise InputError(
                f"static embedder {config.label!r} with precision {config.precision!r}",
                "precision 'float32', as such a model has no arithmetic to speed up",
                "leave `precision` out",
            )
        self.config, self.folder, self.sha256 = config, folder, sha256
        self.tokenizer = EmbedderTokenizer(folder)
        self.window = window_of(folder)
        self.prompts: dict[Role, str] = {"query": prompt_of(folder, config, "query")}
        self.prompts["passage"] = prompt_of(folder, config, "passage")
        for role in self.prompts:
            self._check_room(role)
        self.n_embedded = 0
        self._is_openvino = config.backend == "openvino"
        self._before_loading = before_loading
        self._converted = converted or require_folder(cache, "models to convert") / "converted"
        model = fingerprint(folder, config, sha256)
        # Roles with the same prompt share their vectors.
        named = {role: sha256_text(f"{model} {prompt!r}") for role, prompt in self.prompts.items()}
        late = sha256_text(f"{named['passage']} late {OVERLAP}")
        self._texts = {role: VectorCache(cache / named[role][:16]) for role in self.prompts}
        self._late = VectorCache(cache / late[:16])
        self.digest = sha256_text(" ".join([named["query"], late if config.late else named["passage"]]))

    @property
    def limit(self) -> int | None:
        """Maximum tokens of a chunk, special tokens included, with room set aside for the prompt.

        None if there is no limit: with a static embedder, or with late chunking, where a chunk may be longer than the
        model's window, because its tokens are then read in several windows.
        """
        return None if self.config.late or self.window >= NO_LIMIT else self._room("passage")

    def embed(self, texts: Sequence[str] | pl.Series, role: Role, progress: Progress | None = None) -> Vectors:
        """Embed texts, each on its own.

        Args:
            texts: one or more; equal ones are embedded once; a column stays one: only what the cache lacks is listed.
            role: decides which prompt is put before each.
            progress: called with the number of distinct texts done since the last call.

        Returns:
            Shape (texts, dimensions), unit length, float32.

        Raises:
            InputError: a text is longer than the model's window, and would silently be cut short.
        """
        blocks = (texts[at : at + _LISTED] for at in range(0, len(texts), _LISTED))
        keys = [sha256_text(text) for block in blocks for text in block]
        forward = partial(self._forward, role=role)
        return self._complete(keys, texts.__getitem__, self._texts[role], forward, progress)

    def embed_once(self, texts: Sequence[str], role: Role) -> Vectors:
        """Embed texts together, past the cache: for those that are not expected again.

        Args:
            texts: one or more.
            role: as for `embed`.

        Returns:
            As `embed`.

        Raises:
            InputError: as `embed`.
        """
        self.check(texts, role)
        return self._encoder.encode(list(texts), self.prompts[role])

    def fill(self, texts: Sequence[str], role: Role) -> None:
        """Embed the texts that the cache lacks; reads no vectors back.

        Raises:
            InputError: as `embed`.
        """
        distinct = {sha256_text(text): text for text in texts}
        lacking = {key: distinct[key] for key in self._texts[role].missing(distinct)}
        self._drain(self._kept(self._forward(lacking, role), self._texts[role]))

    def check(self, texts: Sequence[str], role: Role) -> None:
        """Reject texts that this embedder would cut short, before any work starts; embeds nothing.

        Raises:
            InputError: as `embed`.
        """
        self._counts({text: text for text in texts}, role)

    def count(self, texts: Sequence[str], role: Role) -> list[int]:
        """Tokens of each text as this embedder reads it, with its prompt and the special tokens."""
        prompted = [self.prompts[role] + text for text in texts]
        return [n + self.tokenizer.n_special for n in self.tokenizer.count_all(prompted)]

    def embed_chunks(
        self, documents: Mapping[str, str], places: Sequence[Place], progress: Progress | None = None
    ) -> Vectors:
        """Embed chunks of any number of chunkings: late if the config says so, else each on its own as a passage.

        With late chunking, a document is read once however many chunks it has; token embeddings are held for one
        document, or for a few short ones, at a time.

        Args:
            documents: text of each document by its id.
            places: one or more chunks.
            progress: called with the number of distinct chunks done since the last call.

        Returns:
            Shape (places, dimensions), unit length, float32.

        Raises:
            InputError: without late chunking, a chunk is longer than the model's window.
        """
        if not self.config.late:
            return self.embed(_texts_at(documents, places), "passage", progress)
        keys = self.chunk_keys(documents, places)
        return self._complete(keys, places.__getitem__, self._late, partial(self._pool, documents), progress)

    def fill_chunks(self, documents: Mapping[str, str], places: Sequence[Place]) -> None:
        """Embed the chunks that the cache lacks, as `embed_chunks`; reads no vectors back.

        Raises:
            InputError: as `embed_chunks`.
        """
        if not self.config.late:
            self.fill(_texts_at(documents, places), "passage")
            return
        distinct = dict(zip(self.chunk_keys(documents, places), places, strict=True))
        lacking = {key: distinct[key] for key in self._late.missing(distinct)}
        self._drain(self._kept(self._pool(documents, lacking), self._late))

    def chunk_keys(self, documents: Mapping[str, str], places: Sequence[Place]) -> list[str]:
        """The key of each chunk's vector: chunks with equal keys share one vector.

        Args:
            documents: text of each document by its id.
            places: the chunks.

        Returns:
            The sha256 of each chunk's text; with late chunking, of its document's text and its place in it.
        """
        if not self.config.late:
            return [sha256_text(text) for text in _texts_at(documents, places)]
        digests = {one: sha256_text(documents[one]) for one in {place.document_id for place in places}}
        return [place_key(digests[place.document_id], place.start, place.end) for place in places]

    def _complete(
        self,
        keys: Sequence[str],
        item_at: Callable[[int], Item],
        cache: VectorCache,
        compute: Callable[[dict[str, Item]], Computed],
        progress: Progress | None,
    ) -> Vectors:
        """Vectors in the order of their keys, from the cache or computed; at most a shard of them is held twice."""
        row: dict[str, int] = {}
        first: list[int] = []  # where the item of each distinct key stands
        for at, key in enumerate(keys):
            if key not in row:
                row[key] = len(row)
                first.append(at)
        lacking = set(row)
        found: Vectors | None = None
        for some, vectors in cache.each(set(row)):
            found = _put(found, vectors, [row[key] for key in some], len(row))
            lacking.difference_update(some)
        if progress and len(lacking) < len(row):
            progress(len(row) - len(lacking))
        left = {key: item_at(first[number]) for key, number in row.items() if key in lacking}
        for some, vectors in self._kept(compute(left), cache, progress):
            found = _put(found, vectors, [row[key] for key in some], len(row))
        if found is None:
            raise ValueError("no text to embed")
        return found if len(row) == len(keys) else found[[row[key] for key in keys]]

    def _kept(self, computed: Computed, cache: VectorCache, progress: Progress | None = None) -> Computed:
        """The same vectors in shards, each written before it is passed on."""
        held: list[str] = []
        parts: list[Vectors] = []
        for keys, vectors in computed:
            held += keys
            parts.append(vectors)
            if progress:
                progress(len(keys))
            if len(held) >= _SHARD:
                yield self._write(held, parts, cache)
                held, parts = [], []
        if held:
            yield self._write(held, parts, cache)

    def _write(self, keys: list[str], parts: list[Vectors], cache: VectorCache) -> tuple[list[str], Vectors]:
        vectors = np.concatenate(parts)
        cache.write(keys, vectors)
        self.n_embedded += len(keys)
        return keys, vectors

    @staticmethod
    def _drain(computed: Computed) -> None:
        for _ in computed:
            pass

    def _forward(self, texts: Mapping[str, str], role: Role) -> Computed:
        """Vectors of texts by key, batch by batch; all texts are checked before the first batch."""
        counts = self._counts(texts, role)
        # Sorted by length, so that a batch holds little padding, then by digest, so that batches are repeatable.
        order = sorted(texts, key=lambda key: (-counts[key], key))
        for batch in minibatches(order, counts.__getitem__, self._batch_tokens):
            yield batch, self._encoder.encode([texts[key] for key in batch], self.prompts[role])

    def _pool(self, documents: Mapping[str, str], places: Mapping[str, Place]) -> Computed:
        """Vectors of chunks by key, document by document, from one reading of each distinct text."""
        keys: dict[str, list[str]] = {}
        for key, place in places.items():
            keys.setdefault(documents[place.document_id], []).append(key)
        order = sorted(keys, key=lambda text: (-len(text), text))
        read = (
            (
                read_document(text, self.prompts["passage"], self.tokenizer, self.window),
                [(places[key].start, places[key].end) for key in keys[text]],
            )
            for text in order
        )
        if order:
            encoder = self._encoder
            counts_prompt = encoder.pools_prompt(self.prompts["passage"])
            pooled = pool_documents(read, encoder.encode_tokens, counts_prompt, self._batch_tokens)
            for text, means in zip(order, pooled, strict=True):
                yield keys[text], encoder.finish(means)

    def rest(self) -> None:
        """Free the model; it is loaded again if another vector is needed."""
        self.__dict__.pop("_encoder", None)

    @property
    def _batch_tokens(self) -> int:
        """Tokens of a forward pass: OpenVINO, which only runs on the CPU, holds as much as the processors need."""
        return min(_BATCH_TOKENS, max(2, cpus()) * _BATCH_TOKENS_A_CPU) if self._is_openvino else _BATCH_TOKENS

    @cached_property
    def _encoder(self) -> TextEncoder:
        self._before_loading()
        return _load(self.config, self.folder, self.sha256, self._converted)

    def _counts(self, texts: Mapping[str, str], role: Role) -> dict[str, int]:
        """Tokens of each text with its prompt and the special tokens; rejects texts that would be cut short."""
        counts = self.count(list(texts.values()), role)
        longest = max(counts, default=0)
        if longest > self.window:
            prompted = [self.prompts[role] + text for text in texts.values()]
            raise InputError(
                f"a text of {longest} tokens ({prompted[counts.index(longest)]!r:.50})",
                f"at most {self.window} tokens, where this embedder stops reading (prompt and special tokens included)",
                "shorten the text, or choose an embedder with a longer window",
            )
        return dict(zip(texts, counts, strict=True))

    def _room(self, role: Role) -> int:
        return self.window - self.tokenizer.count(self.prompts[role])

    def _check_room(self, role: Role) -> None:
        if self._room(role) <= self.tokenizer.n_special:
            raise InputError(
                f"{role} prompt {self.prompts[role]!r:.50} of {self.tokenizer.count(self.prompts[role])} tokens",
                f"a prompt that leaves room for text in the embedder's window of {self.window} tokens",
                "shorten the prompt",
            )


def _put(found: Vectors | None, vectors: Vectors, rows: list[int], n_rows: int) -> Vectors:
    """Put vectors into their rows of all that are wanted."""
    if found is None:
        found = np.empty((n_rows, vectors.shape[1]), np.float32)
    found[rows] = vectors
    return found


def _texts_at(documents: Mapping[str, str], places: Sequence[Place]) -> list[str]:
    return [documents[place.document_id][place.start : place.end] for place in places]


def _load(config: EmbedderConfig, folder: Path, weights: str, converted: Path) -> TextEncoder:
    # Imported here: cached texts need no model.
    from retrieval.embedding.running.opening import open_model

    return open_model(config, folder, weights, converted)
