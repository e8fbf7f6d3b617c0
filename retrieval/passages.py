"""The passages of a text that are most similar to a question: for models that cannot read the whole of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from retrieval.chunking.splitters import Chunking, split_text
from retrieval.embedding.embedder import Embedder, Vectors

_TOGETHER = 64  # passages in one forward pass


class Seen(NamedTuple):
    """What is seen of a question and its context.

    Attributes:
        question: shape (dimensions,): its vector.
        context: shape (dimensions,): the mean of the passages' vectors, of unit length; zeros without any.
        passages: the passages, in the order of the text.
        order: their numbers, the most similar to the question first.
        n_tokens: tokens that the embedder evaluated.
    """

    question: Vectors
    context: Vectors
    passages: tuple[str, ...]
    order: tuple[int, ...]
    n_tokens: int


class Passages:
    """Cuts texts into passages of whole sentences, and keeps those that are most similar to the question.

    Args:
        embedder: embeds questions and passages.
        size: most tokens of a passage, special tokens included.
        n_best: how many are kept of one text.
    """

    def __init__(self, embedder: Embedder, size: int, n_best: int) -> None:
        self._embedder, self._chunking, self._n_best = embedder, Chunking("sentences", size, 0), n_best

    @property
    def digest(self) -> str:
        """Identifies everything that changes the embedder's vectors."""
        return self._embedder.digest

    @property
    def n_embedded(self) -> int:
        """How many vectors were computed for the embedder's cache."""
        return self._embedder.n_embedded

    def tokenize(self, text: str) -> tuple[int, ...]:
        """The embedder's token ids of a text."""
        return tuple(self._embedder.tokenizer.raw.encode(text, add_special_tokens=False).ids)

    def look(self, question: str, context: str) -> Seen | None:
        """Look at one question and its context, past the embedder's cache; None if the question alone is too long."""
        if not self._fits(question):
            return None
        texts = self._split(context)
        vectors = [self._embedder.embed_once([question], "query")]
        for at in range(0, len(texts), _TOGETHER):
            vectors.append(self._embedder.embed_once(texts[at : at + _TOGETHER], "passage"))
        return self._seen(question, texts, np.concatenate(vectors))

    def look_at_all(self, pairs: Sequence[tuple[str, str]]) -> list[Seen | None]:
        """Look at many; their vectors come from the embedder's cache or go into it.

        Embedded in other batches, a vector may differ from that of `look` in its last digits.
        """
        fitting = list(dict.fromkeys(question for question, _ in pairs if self._fits(question)))
        cut = {context: self._split(context) for context in dict.fromkeys(context for _, context in pairs)}
        vectors = {
            "query": self._vectors(fitting, "query"),
            "passage": self._vectors(list(dict.fromkeys(text for texts in cut.values() for text in texts)), "passage"),
        }
        return [
            self._seen(
                question, cut[context],
                np.stack([vectors["query"][question], *(vectors["passage"][text] for text in cut[context])]),
            )
            if question in vectors["query"]
            else None
            for question, context in pairs
        ]  # fmt: skip

    def _vectors(self, texts: Sequence[str], role: str) -> Mapping[str, Vectors]:
        if not texts:
            return {}
        return dict(zip(texts, self._embedder.embed(texts, "query" if role == "query" else "passage"), strict=True))

    def _fits(self, question: str) -> bool:
        tokens = self._embedder.tokenizer
        return tokens.count(self._embedder.prompts["query"] + question) + tokens.n_special <= self._embedder.window

    def _split(self, text: str) -> list[str]:
        tokenizer = self._embedder.tokenizer
        return [text[start:end] for start, end in split_text(text, self._chunking, tokenizer)] if text.strip() else []

    def _seen(self, question: str, texts: Sequence[str], vectors: Vectors) -> Seen:
        """Keep the best passages of a text.

        Args:
            question: the question.
            texts: all passages.
            vectors: shape (1 + passages, dimensions), the question's first.
        """
        n_tokens = sum(self._embedder.tokenizer.count_all([question, *texts]))
        similarity = vectors[1:] @ vectors[0]
        best = sorted(np.argsort(-similarity, kind="stable")[: self._n_best].tolist())
        order = sorted(range(len(best)), key=lambda at: -similarity[best[at]])
        mean = vectors[1:][best].mean(axis=0) if best else np.zeros_like(vectors[0])
        length = float(np.linalg.norm(mean))
        context = mean / length if length else mean
        return Seen(vectors[0], context, tuple(texts[one] for one in best), tuple(order), n_tokens)
