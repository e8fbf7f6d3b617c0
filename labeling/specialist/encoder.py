"""The encoder specialist: a sentence-transformers `CrossEncoder` that reads the question and the passages together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from logging import ERROR, getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from corpora.errors import InputError, is_out_of_memory
from labeling.specialist.look import Scores, Seen

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

FOLDER = "encoder"
MOST_TOKENS = 512  # of question and passages together; fewer if the model reads fewer
KEPT = (".json", ".txt", ".safetensors", ".model")  # a model card would name the day


class Encoder:
    """Reads the question and as many of the best passages, best first, as fit beside it; the text's order is kept.

    Args:
        model: gives a score for each label.
    """

    def __init__(self, model: CrossEncoder) -> None:
        self.model = model

    def probabilities(self, question: str, seen: Seen) -> Scores | None:
        """Shape (labels,), sums to 1; None if not even the best passage fits beside the question."""
        pair = self.pair(question, seen)
        return None if pair is None else self.of([pair])[0]

    def of(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Shape (pairs, labels), from pairs that fit."""
        scores = self.model.predict(list(pairs), batch_size=16, show_progress_bar=False, activation_fn=_as_it_is())
        given: Scores = softmax(np.asarray(scores, dtype=np.float64), axis=1)
        return given

    def n_tokens(self, question: str, seen: Seen) -> int:
        """Tokens of the question and the passages that are read with it."""
        pair = self.pair(question, seen)
        return 0 if pair is None else self._count(*pair)

    def pair(self, question: str, seen: Seen) -> tuple[str, str] | None:
        """The question and the text that is read with it; None if they do not fit."""
        for n in range(len(seen.order), 0, -1):
            text = " ".join(seen.passages[one] for one in sorted(seen.order[:n]))
            if self._count(question, text) <= self.window:
                return question, text
        return None if seen.order or self._count(question, "") > self.window else (question, "")

    @property
    def shape(self) -> Mapping[str, Any]:
        """What the model's own config says."""
        inner: Any = self.model[0]
        config: Mapping[str, Any] = inner.model.config.to_dict()
        return config

    @property
    def window(self) -> int:
        """Most tokens of a pair, special tokens included."""
        return int(self.model.tokenizer.model_max_length)

    def _count(self, question: str, text: str) -> int:
        return len(self.model.tokenizer(question, text, truncation=False, verbose=False)["input_ids"])

    def save(self, folder: Path) -> None:
        """Write the model into a folder, without what would differ from day to day."""
        self.model.save_pretrained(str(folder / FOLDER), create_model_card=False)
        for file in (folder / FOLDER).iterdir():
            if file.suffix not in KEPT:
                file.unlink()


def open_encoder(folder: Path, n_labels: int, seed: int = 0) -> Encoder:
    """Open a specialist's folder, or any encoder to train, whose last layer is then drawn by the seed.

    On a GPU where there is one.

    Args:
        folder: a model's folder; the network is never used.
        n_labels: size of the label set.
        seed: of the last layer.

    Raises:
        InputError: the folder's files do not make up an encoder.
    """
    # Imported here: torch takes seconds to import, and a linear specialist does without.
    import torch
    from sentence_transformers import CrossEncoder
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no annotation there
    quiet = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # that the last layer is new is meant
    said = getLogger("sentence_transformers")
    level = said.level
    said.setLevel(ERROR)
    torch.manual_seed(seed)
    try:
        model = CrossEncoder(str(folder), num_labels=n_labels, local_files_only=True, model_kwargs=_float32())
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise InputError(
            f"{folder} cannot be opened as an encoder ({str(error).splitlines()[0]:.200})",
            "the folder of an encoder such as BERT, with its tokenizer",
            "choose another --encoder",
        ) from error
    finally:
        logging.set_verbosity(quiet)
        said.setLevel(level)
    encoder = Encoder(model)
    model.tokenizer.model_max_length = min(MOST_TOKENS, encoder.window, _positions(encoder.shape))
    return encoder


def n_parameters(encoder: Encoder) -> int:
    """How many numbers are trained."""
    return sum(one.numel() for one in encoder.model.parameters())


def _positions(shape: Mapping[str, Any]) -> int:
    """How many tokens a model can number; RoBERTa's relatives number theirs from 2 on."""
    return int(shape.get("max_position_embeddings") or MOST_TOKENS) - 2


def _float32() -> dict[str, Any]:
    import torch

    return {"dtype": torch.float32}


def _as_it_is() -> Any:
    import torch

    return torch.nn.Identity()
