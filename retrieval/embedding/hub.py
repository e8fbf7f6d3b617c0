"""Embedders by hub id: from the local hub cache if they are in it, else from the hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from corpora.errors import InputError
from retrieval.tokens import no_fast_tokenizer

# What a sentence-transformers model consists of; nothing executable, no pickles.
_PATTERNS = ("*.json", "*.txt", "*.safetensors", "*.model")


def is_hub_id(name: str) -> bool:
    """Whether a name has the form `org/name` or `org/name@revision`."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*(@[\w./-]+)?", name) is not None


def hub_folder(name: str, onnx: bool, what: str = "embedder") -> Path:
    """Folder of a hub model; the network is used only for what the local hub cache lacks.

    Args:
        name: `org/name` or `org/name@revision`.
        onnx: fetch the authors' ONNX file too, if they publish one.
        what: what the model is for.

    Raises:
        InputError: the model is neither in the cache nor to be had from the hub, or has no safetensors weights.
    """
    # Imported here: huggingface_hub is slow to import and only this path needs it.
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of its transport, not in __all__

    here = cached_folder(name, onnx)
    if here is not None:
        return here
    try:
        folder = _snapshot(name, onnx, local=False)
    except (HTTPError, OSError, ValueError) as error:
        raise InputError(
            f"{what} {name!r} is not in the hub cache, and the hub did not provide it ({type(error).__name__})",
            "a hub that can be reached and has this model",
            "check the id and the network (set HF_TOKEN for a gated model), or give the path of a model folder",
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{what} {name!r} has no safetensors weights",
            "a sentence-transformers model with such weights",
            f"choose another {what}, or save this one with sentence-transformers and give its folder",
        )
    if not (folder / "tokenizer.json").is_file():
        raise no_fast_tokenizer(folder)
    return folder


def cached_folder(name: str, onnx: bool) -> Path | None:
    """Folder of a hub model that is in the local hub cache; None if the hub would have to be asked.

    Args:
        name: as for `hub_folder`.
        onnx: as for `hub_folder`.
    """
    try:
        here = _snapshot(name, onnx, local=True)
    except OSError:
        return None
    return here if _is_whole(here) else None


def _snapshot(name: str, onnx: bool, *, local: bool) -> Path:
    # Imported here, as above.
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    patterns = [*_PATTERNS, "onnx/model.onnx"] if onnx else list(_PATTERNS)
    return Path(snapshot_download(
        repository, revision=revision or None, allow_patterns=patterns, local_files_only=local,
        cache_dir=os.environ.get("SENTENCE_TRANSFORMERS_HOME"),
    ))  # fmt: skip


def _is_whole(folder: Path) -> bool:
    return (folder / "tokenizer.json").is_file() and any(folder.glob("*.safetensors"))
