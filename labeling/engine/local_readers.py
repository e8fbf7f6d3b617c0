"""The readers of this machine, all from one place: verified model files, and the one model that is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from corpora.schema import LabelSet
from labeling.engine.generate_mode import GeneratingLabeler
from labeling.engine.label_mode import LocalLabeler
from labeling.engine.llama import LlamaModel
from labeling.models.registry import ModelFile, resolve_model, verify_again
from labeling.prompting.labeler import LabelerConfig
from labeling.votes.vote import Labeler


class Readers(Protocol):
    """Opens readers that answer on this machine. Whatever asks a reader gets it here, so tests can script it."""

    def sha256(self, model: str) -> str:
        """Digest of a model, by registry name or path.

        Raises:
            InputError: the model is unknown, missing, or its bytes have another digest than the registry's.
        """
        ...

    def verify(self, model: str) -> None:
        """Read a model's file, whose digest may be remembered from an earlier day.

        Raises:
            InputError: as in `sha256`; also if its bytes have changed since.
        """
        ...

    def n_bytes(self, model: str) -> int:
        """Size of a model, used to open smaller readers first."""
        ...

    def open(self, config: LabelerConfig, labels: LabelSet) -> Labeler:
        """A reader that is ready to be asked.

        Raises:
            InputError: as in `sha256`; also if the model cannot be asked with these settings.
        """
        ...

    def close(self) -> None:
        """Free the memory that readers hold; the next one is opened again."""
        ...


class _Loaded(NamedTuple):
    key: tuple[Path, int, int | None, int]
    model: LlamaModel


class LocalReaders:
    """Readers on llama.cpp. At most one model is loaded: two 8B models do not fit where one does."""

    def __init__(self) -> None:
        self._files: dict[str, ModelFile] = {}
        self._verified: set[Path] = set()
        self._loaded: _Loaded | None = None

    def sha256(self, model: str) -> str:
        """Digest of a model's file, which is read once."""
        return self._file(model).sha256

    def verify(self, model: str) -> None:
        """Read a model's file from end to end, once."""
        file = self._file(model)
        if file.path not in self._verified:
            verify_again(file.path, file.sha256)
            self._verified.add(file.path)

    def n_bytes(self, model: str) -> int:
        """Size of a model's file."""
        return self._file(model).path.stat().st_size

    def open(self, config: LabelerConfig, labels: LabelSet) -> Labeler:
        """A reader; its model stays loaded until a reader of another model is opened."""
        file = self._file(config.model)
        kind = LocalLabeler if config.mode == "label" else GeneratingLabeler
        return kind(config, labels, self._load(file, config), file.sha256)

    def close(self) -> None:
        """Free the loaded model, if there is one."""
        if self._loaded:
            self._loaded.model.close()
            self._loaded = None

    def _file(self, model: str) -> ModelFile:
        if model not in self._files:
            self._files[model] = resolve_model(model)
        return self._files[model]

    def _load(self, file: ModelFile, config: LabelerConfig) -> LlamaModel:
        key = (file.path, config.num_ctx, config.threads, config.n_batch)
        if self._loaded is None or self._loaded.key != key:
            self.close()
            self.verify(config.model)
            self._loaded = _Loaded(key, LlamaModel(file.path, config.num_ctx, config.threads, config.n_batch))
        return self._loaded.model
