"""A loaded sentence-transformers model: texts to vectors in one step, or in two, tokens first and pooling later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer

from retrieval.embedding.vector_cache import Vectors


class Encoder:
    """Runs a model whose transformer may run on any backend; pooling and what follows it are the model's own.

    Args:
        model: its first module maps token ids to token embeddings.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model.eval()

    def pools_prompt(self, prompt: str) -> bool:
        """Whether what comes before a text counts towards its mean; without a prompt, [CLS] always does."""
        return not prompt or bool(getattr(self._modules[1], "include_prompt", True))

    def encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        """Embed texts in one forward pass.

        Args:
            texts: none, together with the prompt, longer than the model's window.
            prompt: put before each of them; empty for none.

        Returns:
            Shape (texts, dimensions), unit length.
        """
        vectors = self._model.encode(
            list(texts), prompt=prompt, batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return vectors.astype(np.float32)

    @torch.inference_mode()
    def encode_tokens(self, rows: Sequence[Sequence[int]]) -> list[Vectors]:
        """Token embeddings of token sequences, in one forward pass.

        Args:
            rows: token ids, special tokens included.

        Returns:
            For each row, an array of shape (its tokens, dimensions of a token).
        """
        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width), self._padding, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = torch.tensor(row, dtype=torch.long)
            mask[at, : len(row)] = 1
        device = self._model.device
        features = self._modules[0]({"input_ids": ids.to(device), "attention_mask": mask.to(device)})
        embeddings = features["token_embeddings"].float().cpu().numpy()
        return [embeddings[at, : len(row)] for at, row in enumerate(rows)]

    @torch.inference_mode()
    def finish(self, means: npt.NDArray[np.float64]) -> Vectors:
        """Apply what follows the model's pooling (a Dense layer, say), and scale to unit length.

        Args:
            means: shape (texts, dimensions of a token).

        Returns:
            Shape (texts, dimensions), unit length.
        """
        features: dict[str, Any] = {"sentence_embedding": torch.from_numpy(means).float().to(self._model.device)}
        for module in self._modules[2:]:
            features = module(features)
        unit = torch.nn.functional.normalize(features["sentence_embedding"], dim=1)
        vectors: Vectors = unit.cpu().numpy()
        return vectors

    @property
    def _modules(self) -> list[torch.nn.Module]:
        return list(self._model)

    @property
    def _padding(self) -> int:
        return int(getattr(self._model.tokenizer, "pad_token_id", None) or 0)
