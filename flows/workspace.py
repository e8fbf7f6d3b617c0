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
from labeling.labeler import LabelerConfig, fingerprint
from labeling.ledger import FLUSH_SECONDS, Ledger
from labeling.models import ModelFile, file_digest, find_model, registry, resolve_model
from labeling.remote.requests import labeler_identity
from retrieval.embedding import Embedder

Reader = TypeVar("Reader", bound=LabelerConfig)


class Workspace(NamedTuple):
    """The store's folders; the ledger, the embeddings and the pinned samples are shared by all runs.

    Attributes:
        root: the store.
        base: folder that relative paths of an experiment start from: the one of its file.
        prices: the user's price table.
        max_cost: US dollars that the run may spend on remote labelers; None for no limit.
    """

    root: Path
    base: Path = Path()
    prices: Path | None = None
    max_cost: float | None = None

    @property
    def ledger(self) -> Path:
        """Folder of the votes of all labelers."""
        return self.root / "ledger"

    @property
    def embeddings(self) -> Path:
        """Folder of the embedding cache."""
        return self.root / "embeddings"

    @property
    def samples(self) -> Path:
        """Folder of pinned samples."""
        return self.root / "samples"


@cache
def model_file(name: str) -> ModelFile:
    """A reader's verified model file, looked up once a process."""
    return resolve_model(name)


@cache
def open_ledger(folder: Path, labeler: str) -> Ledger:
    """A labeler's ledger, open for the life of the process; `flush_ledgers` writes what it holds."""
    ledger = Ledger(folder, labeler, float(os.environ.get("TERCET_FLUSH_SECONDS", FLUSH_SECONDS)))
    _open_ledgers.append(ledger)
    return ledger


_open_ledgers: list[Ledger] = []


def flush_ledgers() -> None:
    """Write every open shard."""
    for ledger in _open_ledgers:
        ledger.flush()


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
def open_embedder(name: str, cache_folder: Path) -> Embedder:
    """An embedder by registry name or folder.

    Raises:
        InputError: unknown, not fetched, or not an embedder.
    """
    folder = Path(name)
    if name not in registry() and folder.is_dir():
        weights = folder / "model.safetensors"
        if not weights.is_file():
            raise InputError(f"no {weights}", "a sentence-transformers folder", "check the path of the embedder")
        return Embedder(folder, file_digest(weights), cache_folder)
    model = find_model(name)
    if model.kind != "embedder":
        raise InputError(f"model {name!r} is a {model.kind}", "an embedder", "see `tercet models list`")
    found = resolve_model(name)
    return Embedder(found.path.parent, found.sha256, cache_folder)
