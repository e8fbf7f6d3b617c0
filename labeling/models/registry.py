"""The model registry: each name stands for a file that is pinned by its digest, wherever it comes from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from corpora.errors import InputError, did_you_mean
from corpora.published.pinned import Pin, cache_folder, check_pinned
from corpora.storage import sha256_file
from labeling.models.memory import Memory

REGISTRY = Path(__file__).with_name("models.toml")
SPECIALIST = "specialist:"  # before the name of a model that was trained here and lies in the store


class Mirror(BaseModel):
    """A package on PyPI that carries the file, whole or in numbered parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    version: str
    parts: int
    member: str

    def requirements(self) -> list[str]:
        """The packages to download, in the order in which their parts make up the file."""
        return [f"{self.package.format(n=n)}=={self.version}" for n in range(1, self.parts + 1)]


class Model(BaseModel):
    """A model of the registry: its official file, the digest of its bytes, and where else to get them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["reader", "embedder"]
    family: str
    licence: str
    repo: str
    file: str
    revision: str = "main"
    sha256: str = ""
    bytes: int = 0
    mirror: Mirror | None = None
    ollama: tuple[str, ...] = ()
    language: str = ""
    query_prompt: str = ""
    passage_prompt: str = ""

    @property
    def path(self) -> Path:
        """Where the verified file is once it is fetched."""
        return cache_folder() / "models" / self.name / self.file

    @property
    def pin(self) -> Pin:
        """What the file must be."""
        return Pin(self.name, f"tercet models fetch {self.name}", self.sha256, self.bytes)


class ModelFile(BaseModel):
    """A model file on this machine, with the digest of its bytes.

    Attributes:
        is_pinned: whether the registry knows the digest, so that the file is known to be sound.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    path: Path
    sha256: str
    is_pinned: bool = False


@cache
def registry() -> Mapping[str, Model]:
    """All models that are known by name."""
    entries = tomllib.loads(REGISTRY.read_text(encoding="utf-8"))["models"]
    return {entry["name"]: Model.model_validate(entry) for entry in entries}


def find_model(name: str) -> Model:
    """The registry's model of that name.

    Raises:
        InputError: there is no such model; the nearest name is suggested.
    """
    model = registry().get(name)
    if model is None:
        raise InputError(
            f"model {name!r} is not in the registry",
            "a name from `tercet models list`, or the path of a .gguf file",
            f"correct the name{did_you_mean(name, registry())}",
        )
    return model


def find_ollama_model(name: str) -> Model | None:
    """The registry's model that Ollama's library has under this name; None if the registry does not have it.

    Args:
        name: the name with its tag, such as `llama3.2:1b`; case does not matter, as in Ollama.
    """
    return next((model for model in registry().values() if name.lower() in model.ollama), None)


def is_path(name: str) -> bool:
    """Whether a model is given by its file and not by a name from the registry."""
    return name.endswith(".gguf") or os.sep in name


def is_specialist(name: str) -> bool:
    """Whether a model is a specialist of the store, which `tercet specialise` trained."""
    return name.startswith(SPECIALIST)


def resolve_model(name: str) -> ModelFile:
    """The file of a model given by registry name or by path, verified.

    Raises:
        InputError: the name is unknown, the file is not fetched yet, or its digest differs from the registry's.
    """
    if is_path(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise InputError(f"no model file {path}", "an existing .gguf file", "check the path")
        digest = file_digest(path)
        known = any(digest == one.sha256 for one in registry().values())
        return ModelFile(name=path.stem, path=path, sha256=digest, is_pinned=known)
    model = find_model(name)
    if not model.path.is_file():
        raise InputError(
            f"model {name!r} is not on this machine ({model.path})",
            "the model's file",
            f"fetch it with `tercet models fetch {name}`",
        )
    return ModelFile(name=name, path=model.path, sha256=verify(model, model.path), is_pinned=bool(model.sha256))


def verify(model: Model, path: Path) -> str:
    """Digest of a model's file, checked against the registry; where the registry has none, any digest is accepted.

    Raises:
        InputError: the size or the digest differs.
    """
    return check_pinned(path, model.pin, file_digest)


def verify_again(path: Path, sha256: str) -> None:
    """Read a file whose digest was only remembered: a bit that flips on the disk changes neither its size nor its time.

    Raises:
        InputError: the file does not have the digest any more.
    """
    digest = sha256_file(path)
    if digest != sha256:
        raise InputError(
            f"{path} is damaged: it has sha256 {digest}, and nobody has written to it since it had another",
            f"sha256 {sha256}",
            "delete it and fetch or copy it again",
        )


def file_digest(path: Path) -> str:
    """Sha256 of a large file, remembered in the cache folder by path, size and modification time."""
    stat = path.stat()
    key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    memory = Memory(cache_folder(), "digests")
    digest = memory.get(key)
    if digest is None:
        digest = sha256_file(path)
        memory.put(key, digest)
    return digest
