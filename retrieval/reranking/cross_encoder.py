"""A sentence-transformers `CrossEncoder` in a local folder: one score for a question and a chunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.errors import InputError, is_out_of_memory
from corpora.reading.strict_json import read_json

Pair = tuple[str, str]
ScorePairs = Callable[[Sequence[Pair]], npt.NDArray[np.float32]]


def check_cross_encoder(folder: Path) -> None:
    """Refuse a folder that does not hold a trained cross-encoder with one score, before it is loaded.

    sentence-transformers would open any encoder, and give it a last layer of random numbers.

    Raises:
        InputError: as said.
    """
    config = _object(folder / "config.json")
    kinds = [str(one) for one in config.get("architectures") or []]
    labels = config.get("id2label")
    n_scores = len(labels) if isinstance(labels, dict) else config.get("num_labels", 2)
    is_whole = (folder / "modules.json").is_file() and not any("ForSequenceClassification" in kind for kind in kinds)
    names_cross = "CrossEncoder" in (folder / "config_sentence_transformers.json").read_text("utf-8") if (
        folder / "config_sentence_transformers.json").is_file() else False  # fmt: skip
    if is_whole and names_cross:
        return  # a language model that is asked whether the chunk answers: its modules give one score
    found = f"{', '.join(kinds) or 'no architecture'}" + (f" with {n_scores} scores" if kinds else "")
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds) or n_scores != 1:
        raise InputError(
            f"reranker {folder} is a model of another kind ({found})",
            "a cross-encoder that gives one score to a question and a text (...ForSequenceClassification)",
            "choose a reranker, such as cross-encoder/ms-marco-MiniLM-L6-v2",
        )


def load_cross_encoder(folder: Path, window: int) -> ScorePairs:
    """Load a cross-encoder in float32, on a GPU where there is one; the network is never used.

    Args:
        folder: the model's folder.
        window: most tokens of a pair, special tokens included.

    Returns:
        A function that scores pairs in one forward pass: what the model's last layer says, which no activation has
        rounded to 0 or 1.

    Raises:
        InputError: the folder's files do not make up a cross-encoder.
    """
    # Imported here: torch takes seconds to import, and scores that are known need no model.
    import torch
    from sentence_transformers import CrossEncoder
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no annotation there
    try:
        model = CrossEncoder(
            str(folder), max_length=window, local_files_only=True, model_kwargs={"dtype": torch.float32}
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise InputError(
            f"cannot load the reranker in {folder} ({str(error).splitlines()[0]:.200})",
            "a sentence-transformers cross-encoder that needs no code of its own",
            "choose another reranker",
        ) from error

    def score(pairs: Sequence[Pair]) -> npt.NDArray[np.float32]:
        found = model.predict(
            list(pairs), batch_size=len(pairs), show_progress_bar=False, activation_fn=torch.nn.Identity()
        )
        return np.asarray(found, dtype=np.float32).reshape(len(pairs))

    return score


def _object(file: Path) -> dict[str, Any]:
    content = read_json(file, nan_is_null=True) if file.is_file() else {}
    return content if isinstance(content, dict) else {}
