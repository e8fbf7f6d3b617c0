"""A model that is run without sentence-transformers and torch: a graph, its tokenizer, and mean or [CLS] pooling.

Both packages take seconds to import and hold some 400 MB. What they would do around such a model is a page of NumPy;
whether that page does the same is tried on the model itself when it is converted, see `is_alike`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from retrieval.embedding.embedder_config import Arithmetic
from retrieval.embedding.running.converted import is_intact
from retrieval.embedding.running.graph import Run, load_graph
from retrieval.embedding.vector_cache import Vectors

PLAIN = "plain.json"  # beside a graph: how its tokens are pooled, if that is all there is to its model
SAME = 1e-5  # largest difference of a number in two vectors of unit length, of the same arithmetic in another order
# Spaces, capitals, accents, other scripts, nothing but punctuation: where two ways to tokenize would part.
PROBES = (
    "Aspirin lowers the risk of stroke in patients with atrial fibrillation.",
    "  Two spaces before,  two within,\nand a line break.\t",
    "naïve café, ÅNGSTRÖM, İstanbul, ß, ﬁ",
    "強い雨 सत्य अहिंसा العربية ภาษาไทย",
    "3.14 % of $1,000?! ... (see [12])",
    "a " * 60,
)


class TextEncoder(Protocol):
    """A loaded model: texts to vectors in one step, or in two, tokens first and pooling later."""

    def encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        """Embed texts in one forward pass; shape (texts, dimensions), unit length."""
        ...

    def pools_prompt(self, prompt: str) -> bool:
        """Whether what comes before a text counts towards its mean."""
        ...

    def encode_tokens(self, rows: Sequence[Sequence[int]]) -> list[Vectors]:
        """Token embeddings of token sequences, one array of shape (its tokens, dimensions of a token) each."""
        ...

    def finish(self, means: npt.NDArray[np.float64]) -> Vectors:
        """Apply what follows the model's pooling, and scale to unit length."""
        ...


class Plain(NamedTuple):
    """All that there is to a plain model besides its graph and its tokenizer.

    Attributes:
        pooling: how the embeddings of a text's tokens become one.
        padding: id of the token that fills up short texts; it is masked.
    """

    pooling: Literal["mean", "cls"]
    padding: int


class PlainEncoder:
    """A graph, a tokenizer and a pooling.

    Args:
        run: the graph.
        tokenizer: neither cuts nor pads.
        plain: pooling and padding.
    """

    def __init__(self, run: Run, tokenizer: Tokenizer, plain: Plain) -> None:
        self._run, self._tokenizer, self._plain = run, tokenizer, plain

    def pools_prompt(self, prompt: str) -> bool:
        """It always counts: a model that leaves its prompt out is not plain."""
        return True

    def encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        """Embed texts in one forward pass.

        Args:
            texts: none, together with the prompt, longer than the model's window.
            prompt: put before each of them; empty for none.

        Returns:
            Shape (texts, dimensions), unit length.
        """
        rows = [one.ids for one in self._tokenizer.encode_batch_fast([prompt + text for text in texts])]
        hidden, mask = self._hidden(rows)
        if self._plain.pooling == "cls":
            return _unit(hidden[:, 0])
        return _unit(np.einsum("btd,bt->bd", hidden, mask.astype(np.float32)) / mask.sum(axis=1, keepdims=True))

    def encode_tokens(self, rows: Sequence[Sequence[int]]) -> list[Vectors]:
        """Token embeddings of token sequences, in one forward pass.

        Args:
            rows: token ids, special tokens included.

        Returns:
            For each row, an array of shape (its tokens, dimensions of a token).
        """
        hidden, _ = self._hidden(rows)
        return [hidden[at, : len(row)] for at, row in enumerate(rows)]

    def finish(self, means: npt.NDArray[np.float64]) -> Vectors:
        """Scale to unit length: nothing else follows a plain model's pooling."""
        return _unit(means.astype(np.float32))

    def _hidden(self, rows: Sequence[Sequence[int]]) -> tuple[Vectors, npt.NDArray[np.int64]]:
        ids = np.full((len(rows), max(map(len, rows))), self._plain.padding, dtype=np.int64)
        mask = np.zeros_like(ids)
        for at, row in enumerate(rows):
            ids[at, : len(row)], mask[at, : len(row)] = row, 1
        return self._run({"input_ids": ids, "attention_mask": mask}), mask


def open_plain(folder: Path, tokenizer: Tokenizer, precision: Arithmetic) -> PlainEncoder | None:
    """Open a converted model without torch; None if it is not converted yet, or not plain.

    Args:
        folder: where it was saved.
        tokenizer: the model's, which neither cuts nor pads.
        precision: of the graph's arithmetic.
    """
    if not is_intact(folder) or not (folder / PLAIN).is_file():
        return None
    plain = Plain(**json.loads((folder / PLAIN).read_text(encoding="utf-8")))
    return PlainEncoder(load_graph(folder, precision), tokenizer, plain)


def write_plain(
    folder: Path, tokenizer: Tokenizer, plain: Plain, window: int, encode: Callable[[list[str]], Vectors]
) -> None:  # fmt: skip
    """Say beside a graph that nothing else is needed, if it gives the vectors of the whole model on all probes.

    Args:
        folder: where the graph was saved.
        tokenizer: the model's, which neither cuts nor pads.
        plain: what the model's files say.
        window: most tokens that the model reads.
        encode: the whole model, in float32.
    """
    probes = [text for text in PROBES if len(tokenizer.encode(text).ids) <= window]
    if probes and is_alike(
        PlainEncoder(load_graph(folder, "float32"), tokenizer, plain).encode(probes, ""), encode(probes)
    ):
        (folder / PLAIN).write_text(json.dumps(plain._asdict()), encoding="utf-8")


def is_alike(made: Vectors, expected: Vectors) -> bool:
    """Whether two ways to run a model give the same vectors, but for the order of sums."""
    return made.shape == expected.shape and bool(np.abs(made - expected).max() <= SAME)


def _unit(vectors: Vectors) -> Vectors:
    # As torch does: what has no length stays as it is.
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit
