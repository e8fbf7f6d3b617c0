"""Scores of questions and chunks by a cross-encoder: each distinct pair once per model, cached by digest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from corpora.errors import InputError
from corpora.storage import StorePath, sha256_file, sha256_text
from retrieval.embedding.model_folder import window_of
from retrieval.embedding.vector_cache import VectorCache
from retrieval.ranking.hits import Scores
from retrieval.reranking.cross_encoder import Pair, ScorePairs, check_cross_encoder, load_cross_encoder
from retrieval.tokens import EmbedderTokenizer, minibatches

_SHARD = 4096  # about this many scores are computed between two writes to the cache
_BATCH_TOKENS = 4096  # per forward pass, padding included
_FILES = ("*.json", "*.txt", "*.model")  # what changes scores, besides the weights


class Reranker:
    """A cross-encoder in a local folder; loaded when the first score is not in the cache.

    Args:
        name: its name in reports.
        folder: the model's folder.
        sha256: digest of its weights.
        cache: folder of the caches of this store.
        before_loading: called before the weights are read, to check that they are still those of the digest.

    Attributes:
        digest: of everything that changes a score.
        n_scored: pairs that were scored in this process, not looked up.
        seconds: how long that took, without loading the model.

    Raises:
        InputError: the folder holds no cross-encoder.
    """

    def __init__(
        self, name: str, folder: Path, sha256: str, cache: StorePath, before_loading: Callable[[], None] = lambda: None
    ) -> None:
        check_cross_encoder(folder)
        self.name, self.folder, self.sha256 = name, folder, sha256
        self.tokenizer = EmbedderTokenizer(folder)
        self.window = window_of(folder)
        self._n_special = int(self.tokenizer.raw.num_special_tokens_to_add(is_pair=True))
        files = sorted(one for pattern in _FILES for one in folder.glob(pattern))
        self.digest = sha256_text(" ".join([sha256, *(f"{one.name} {sha256_file(one)}" for one in files)]))
        self._cache = VectorCache(cache / f"{sha256_text(f'reranker {self.digest}')[:16]}")
        self._before_loading = before_loading
        self.n_scored, self.seconds = 0, 0.0

    def check(self, questions: Iterable[str], chunks: Iterable[str]) -> None:
        """Refuse questions and chunks if the longest two together would be cut short.

        Raises:
            InputError: as said.
        """
        longest = [max(self.tokenizer.count_all(list(texts)), default=0) for texts in (questions, chunks)]
        if sum(longest) + self._n_special > self.window:
            raise InputError(
                f"a question of {longest[0]} tokens and a chunk of {longest[1]} for reranker {self.name!r}",
                f"at most {self.window} tokens together, where it stops reading ({self._n_special} special tokens "
                "included)",
                "remove the largest chunk sizes, shorten the question, or choose a reranker that reads more",
            )

    def scores(self, pairs: Sequence[Pair]) -> Scores:
        """Score pairs of a question and a chunk.

        Args:
            pairs: one or more; equal ones have the same score.

        Returns:
            Shape (pairs,); higher is better, on a scale of the model's own.

        Raises:
            InputError: a pair is longer than the model reads.
        """
        self.fill(pairs)
        keys = [pair_key(*pair) for pair in pairs]
        known = self._cache.read(set(keys))
        return np.array([known[key][0] for key in keys], dtype=np.float64)

    def fill(self, pairs: Sequence[Pair]) -> None:
        """Score the pairs that the cache lacks, and keep them.

        Raises:
            InputError: as `scores`.
        """
        distinct = {pair_key(*pair): pair for pair in pairs}
        lacking = {key: distinct[key] for key in self._cache.missing(distinct)}
        held: list[str] = []
        parts = []
        for keys, scores in self._computed(lacking):
            held += keys
            parts.append(scores)
            if len(held) >= _SHARD:
                self._write(held, parts)
                held, parts = [], []
        if held:
            self._write(held, parts)

    def missing(self, pairs: Sequence[Pair]) -> int:
        """How many distinct pairs have no score yet."""
        return len(self._cache.missing({pair_key(*pair) for pair in pairs}))

    def measure(self, pairs: Sequence[Pair]) -> tuple[int, float]:
        """Score pairs past the cache, after a few to warm up; returns how many and how many seconds that took."""
        self._score(pairs[:4])
        started = time.perf_counter()
        self._score(pairs)
        return len(pairs), time.perf_counter() - started

    def rest(self) -> None:
        """Free the model; it is loaded again if another score is needed."""
        self.__dict__.pop("_score", None)

    def _write(self, keys: list[str], parts: list[np.ndarray]) -> None:
        self._cache.write(keys, np.concatenate(parts).reshape(-1, 1))

    def _computed(self, pairs: dict[str, Pair]) -> Iterable[tuple[list[str], np.ndarray]]:
        counts = self._counts(pairs)
        # Sorted by length, so that a batch holds little padding, then by digest, so that batches are repeatable.
        order = sorted(pairs, key=lambda key: (-counts[key], key))
        for batch in minibatches(order, counts.__getitem__, _BATCH_TOKENS):
            score = self._score
            started = time.perf_counter()
            scores = score([pairs[key] for key in batch])
            self.seconds += time.perf_counter() - started
            self.n_scored += len(batch)
            yield batch, scores

    def _counts(self, pairs: dict[str, Pair]) -> dict[str, int]:
        questions = dict.fromkeys(question for question, _ in pairs.values())
        self.check(questions, [chunk for _, chunk in pairs.values()])
        chunks = self.tokenizer.count_all([chunk for _, chunk in pairs.values()])
        of_question = dict(zip(questions, self.tokenizer.count_all(list(questions)), strict=True))
        return {
            key: of_question[question] + n + self._n_special
            for (key, (question, _)), n in zip(pairs.items(), chunks, strict=True)
        }

    @cached_property
    def _score(self) -> ScorePairs:
        self._before_loading()
        return load_cross_encoder(self.folder, self.window)


def pair_key(question: str, chunk: str) -> str:
    """The key of a pair's score: which texts they are."""
    return sha256_text(sha256_text(question) + sha256_text(chunk))
