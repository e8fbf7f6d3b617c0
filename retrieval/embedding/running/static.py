"""A static embedder (model2vec, or sentence-transformers' StaticEmbedding): a table of token vectors, and their mean.

It runs no transformer, so it embeds hundreds of times as fast; what a word means does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from corpora.errors import InputError
from retrieval.embedding.vector_cache import Vectors

WEIGHTS = "model.safetensors"


class StaticEncoder:
    """Means of token vectors.

    Args:
        table: shape (tokens, dimensions).
        tokenizer: neither cuts nor pads.
    """

    def __init__(self, table: Vectors, tokenizer: Tokenizer) -> None:
        self._table, self._tokenizer = table, tokenizer

    def pools_prompt(self, prompt: str) -> bool:
        """A prompt's words count as the text's do."""
        return True

    def encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        """Embed texts; shape (texts, dimensions), unit length. Special tokens do not count, as in both libraries."""
        encoded = self._tokenizer.encode_batch_fast([prompt + text for text in texts], add_special_tokens=False)
        means = np.stack([self._table[one.ids].mean(axis=0) if one.ids else self._nothing for one in encoded])
        return self.finish(means.astype(np.float64))

    def encode_tokens(self, rows: Sequence[Sequence[int]]) -> list[Vectors]:
        """The rows of the table."""
        return [self._table[list(row)] for row in rows]

    def finish(self, means: npt.NDArray[np.float64]) -> Vectors:
        """Scale to unit length."""
        lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        unit: Vectors = (means / lengths).astype(np.float32)
        return unit

    @property
    def _nothing(self) -> Vectors:
        return np.zeros(self._table.shape[1], np.float32)


def open_static(folder: Path, tokenizer: Tokenizer) -> StaticEncoder:
    """Read a static embedder's table.

    Args:
        folder: the model's folder, as model2vec or sentence-transformers writes it.
        tokenizer: the model's, which neither cuts nor pads.

    Raises:
        InputError: the file holds no such table.
    """
    try:
        tensors = load_file(str(folder / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise _no_table(folder, str(error)) from error
    table = tensors.get("embedding.weight", tensors.get("embeddings"))
    if table is None or table.ndim != 2:
        raise _no_table(folder, f"it holds {', '.join(sorted(tensors)) or 'nothing'}")
    # model2vec may map tokens to shared rows, and weigh each token.
    if "mapping" in tensors:
        table = table[tensors["mapping"].astype(np.int64)]
    table = table.astype(np.float32)
    if "weights" in tensors:
        table = table * tensors["weights"].astype(np.float32)[:, None]
    if len(table) < tokenizer.get_vocab_size():
        raise _no_table(folder, f"{len(table)} rows for {tokenizer.get_vocab_size()} tokens")
    return StaticEncoder(table, tokenizer)


def _no_table(folder: Path, found: str) -> InputError:
    return InputError(
        f"{folder / WEIGHTS} is not a table of token vectors ({found})",
        "the file of a model2vec or StaticEmbedding model",
        "save the model again with model2vec or sentence-transformers",
    )
