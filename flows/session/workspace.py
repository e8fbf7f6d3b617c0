"""Where runs keep what they compute, and what a worker process keeps open: one model, its ledgers, one embedder."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from corpora.errors import InputError
from corpora.schema import LabelSet
from corpora.storage import StorePath, sha256_text
from labeling.models import registry as models
from labeling.models.registry import ModelFile, file_digest, find_model, registry, resolve_model
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.remote.requests import labeler_identity
from labeling.votes.ledger import FLUSH_SECONDS, Ledger
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.hub import hub_folder, is_hub_id

Reader = TypeVar("Reader", bound=LabelerConfig)


class Workspace(NamedTuple):
    """The store's folders; the ledger, the embeddings and the pinned samples are shared by all runs.

    Attributes:
        root: the store.
        base: folder that relative paths of an experiment start from: the one of its file.
        prices: the user's price table.
        max_cost: US dollars that the run may spend on remote labelers; None for no limit.
    """

    root: StorePath
    base: Path = Path()
    prices: Path | None = None
    max_cost: float | None = None

    @property
    def ledger(self) -> StorePath:
        """Folder of the votes of all labelers."""
        return self.root / "ledger"

    @property
    def embeddings(self) -> StorePath:
        """Folder of the embedding cache."""
        return self.root / "embeddings"

    @property
    def samples(self) -> StorePath:
        """Folder of pinned samples."""
        return self.root / "samples"


@cache
def model_file(name: str) -> ModelFile:
    """A reader's verified model file, looked up once a process."""
    return resolve_model(name)


@cache
def open_ledger(folder: StorePath, labeler: str) -> Ledger:
    """A labeler's ledger, open for the life of the process; `release_ledgers` writes what it holds."""
    ledger = Ledger(folder, labeler, float(os.environ.get("TERCET_FLUSH_SECONDS", FLUSH_SECONDS)))
    _open_ledgers.append(ledger)
    return ledger


_open_ledgers: list[Ledger] = []


def release_ledgers() -> None:
    """Write every open shard, and let other runs ask what this one does not ask any more."""
    for ledger in _open_ledgers:
        ledger.release()


def forget_ledgers() -> None:
    """Close every ledger as it is: what could not be written is lost, and asked again by whoever comes next."""
    while _open_ledgers:
        _open_ledgers.pop().abandon()
    open_ledger.cache_clear()


def by_size(readers: Sequence[Reader]) -> list[Reader]:
    """Readers with the smallest model file first; those that another machine answers for come last, as given."""
    return sorted(
        readers, key=lambda one: math.inf if one.remote.is_remote else model_file(one.model).path.stat().st_size
    )


def labeler_fingerprint(config: LabelerConfig, labels: LabelSet) -> str:
    """Fingerprint of a labeler: on this machine's model file, or as a provider is asked."""
    if config.remote.is_remote:
        return fingerprint(config, labels, labeler_identity(config))
    return fingerprint(config, labels, model_file(config.model).sha256)


@cache
def open_embedder(config: EmbedderConfig, cache_folder: StorePath) -> Embedder:
    """An embedder by registry name, folder or hub id; the hub is asked only for a hub id that is not here yet.

    Raises:
        InputError: unknown, not fetched, or not an embedder.
    """
    # Beside the fetched models: a conversion serves every store of this machine.
    return Embedder(config, *find_embedder(config), cache_folder, models.cache_folder() / "converted")


def find_embedder(config: EmbedderConfig) -> tuple[Path, str]:
    """The folder of an embedder, and the digest of its weights.

    Raises:
        InputError: as `open_embedder`.
    """
    name = config.model
    if name in registry():
        model = find_model(name)
        if model.kind != "embedder":
            raise InputError(f"model {name!r} is a {model.kind}", "an embedder", "see `tercet models list`")
        found = resolve_model(name)
        return found.path.parent, found.sha256
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if not is_hub_id(name):
            find_model(name)  # raises, with the nearest name
        folder = hub_folder(name, onnx=config.backend == "onnx")
    return folder, weights_digest(folder)


def weights_digest(folder: Path) -> str:
    """Digest of a model folder's weights; of several files, the digest of their digests.

    Raises:
        InputError: the folder holds none.
    """
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise InputError(
            f"no {folder / 'model.safetensors'}", "a sentence-transformers folder", "check the path of the embedder"
        )
    digests = [file_digest(file) for file in files]
    return digests[0] if len(digests) == 1 else sha256_text(" ".join(digests))
