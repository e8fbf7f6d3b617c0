"""Ollama's store of models on this machine: which file a model's name stands for, and what was packed with it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import InputError
from corpora.reading.strict_json import parse_json, read_json

LAYER = "application/vnd.ollama.image."
DEFAULTS = ("registry.ollama.ai", "library")
PART = re.compile(r"\w[\w.:-]*", re.ASCII)
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class OllamaName(NamedTuple):
    """A model's full name, including the parts that may be left out."""

    host: str
    namespace: str
    model: str
    tag: str

    def __str__(self) -> str:
        short = f"{self.model}:{self.tag}"
        if self.host != DEFAULTS[0]:
            return f"{self.host}/{self.namespace}/{short}"
        return short if self.namespace == DEFAULTS[1] else f"{self.namespace}/{short}"


class StoredModel(NamedTuple):
    """A model of the store: its GGUF file and what was packed with it; None or empty for what was not.

    `also` names what else was packed that changes answers: adapter, message.
    """

    path: Path
    template: str | None
    system: str | None
    parameters: Mapping[str, Any]
    also: tuple[str, ...]


def store_folder() -> Path:
    """Folder of Ollama's store: `$OLLAMA_MODELS`, or the one in the user's home folder."""
    return Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models")


def parse_name(text: str, where: str) -> OllamaName:
    """Read `llama3.2`, `llama3.2:1b`, `somebody/model:tag` or `hf.co/somebody/repo:tag`.

    Args:
        text: the name.
        where: file and line, for the error message.

    Raises:
        InputError: the text is not a model's name.
    """
    *owner, last = re.sub(r"^.*://", "", text).split("/")
    model, _, tag = last.partition(":")
    host, namespace = (*DEFAULTS[: 2 - len(owner)], *owner)[:2]
    name = OllamaName(host, namespace, model, tag or "latest")
    if len(owner) > 2 or not all(PART.fullmatch(part) for part in name):
        raise InputError(
            f"{where}: {text!r} is neither a file nor a model's name",
            "the path of a .gguf file, or a name such as llama3.2:1b",
            "correct the name",
        )
    return name


def stored_model(name: OllamaName) -> StoredModel | None:
    """The model of that name; None if the store does not have it, or does not have its file.

    Raises:
        InputError: the store cannot be read, or the model's file is in several pieces.
    """
    manifest_file = store_folder().joinpath("manifests", *name)
    if not manifest_file.is_file():
        return None
    layers = _layers(manifest_file)
    files = [blob for kind, blob in layers if kind == "model"]
    if len(files) > 1:
        raise InputError(
            f"{name} is in Ollama's store in {len(files)} pieces",
            "one GGUF file",
            "join them with llama.cpp's `llama-gguf-split --merge` and give the path of the result",
        )
    if not files or not files[0].is_file():
        return None
    # The template's layer has an older name, `prompt`.
    texts = {kind: _text(blob) for kind, blob in layers if kind in ("template", "prompt", "system", "params")}
    return StoredModel(
        path=files[0],
        template=texts.get("template", texts.get("prompt")),
        system=texts.get("system"),
        parameters=_parameters(texts.get("params", "{}"), name),
        also=tuple(sorted({kind.removesuffix("s") for kind, _ in layers if kind in ("adapter", "messages")})),
    )


def _layers(manifest_file: Path) -> list[tuple[str, Path]]:
    """Kind and blob of each layer that a manifest names."""
    try:
        layers = read_json(manifest_file)["layers"]
        return [(str(layer["mediaType"]).removeprefix(LAYER), _blob(layer["digest"])) for layer in layers]
    except (InputError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{manifest_file} cannot be read ({error})", "a manifest of Ollama", "pull the model again with Ollama"
        ) from error


def _blob(digest: str) -> Path:
    match = DIGEST.fullmatch(digest)
    if match is None:
        raise ValueError(f"digest {digest!r}")
    return store_folder() / "blobs" / f"sha256-{match[1]}"


def _text(blob: Path) -> str:
    try:
        return blob.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{blob} cannot be read ({error})", "a layer of a model", "pull the model again with Ollama"
        ) from error


def _parameters(text: str, name: OllamaName) -> Mapping[str, Any]:
    parameters = parse_json(text, f"the parameters of {name} in Ollama's store")
    if not isinstance(parameters, dict):
        found = f"the parameters of {name} in Ollama's store cannot be read"
        raise InputError(found, "a JSON object", "pull the model again with Ollama")
    return parameters
