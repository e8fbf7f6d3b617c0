"""The readers of this machine, all from one place: verified model files, and the one model that is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from corpora.schema import LabelSet
from labeling.engine.chat import ChatFrame
from labeling.engine.generate_mode import GeneratingLabeler
from labeling.engine.label_mode import LocalLabeler, scoring_of
from labeling.engine.llama import LlamaModel
from labeling.engine.machine.device import device_line
from labeling.engine.machine.kernels import KernelChoice, Kernels
from labeling.engine.machine.trial import prove_loadable
from labeling.engine.vocabulary import Vocabulary, load_library
from labeling.models.registry import ModelFile, resolve_model, verify_again
from labeling.prompting.labeler import LabelerConfig, Scoring
from labeling.votes.vote import Labeler, Prompt

Tokenize = Callable[[Prompt], tuple[int, ...]]


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

    def scoring(self, config: LabelerConfig, labels: LabelSet) -> Scoring:
        """Which version of the scoring rule a reader's votes come from, which is part of its fingerprint.

        Raises:
            InputError: as in `open`.
        """
        ...

    def kernels(self, model: str) -> KernelChoice | None:
        """How this process runs a model's matrices, if it has loaded it."""
        ...

    def memory(self) -> int:
        """Resident bytes that the loaded model has added to the process; 0 if none is loaded.

        They are found at the first call after it was loaded, which belongs after its first answers: what else grows in
        the process later is not the model's.
        """
        ...

    def device(self) -> str:
        """What the readers run on, in a sentence; empty where none is run."""
        ...

    def tokenizer(self, config: LabelerConfig) -> Tokenize:
        """The token ids of a prompt as a reader's model sees it, without loading its weights.

        It is not to be used once another model is opened, or after `close`: both free the vocabulary that it reads.

        Raises:
            InputError: as in `open`.
        """
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
    key: tuple[Path, int, int | None, int, bool, int]
    model: LlamaModel
    before: int  # resident bytes of the process


class LocalReaders:
    """Readers on llama.cpp. At most one model is loaded: two 8B models do not fit where one does.

    Args:
        kernels: chooses how a model's matrices are run.
        reads_again: whether a model's file is read from end to end before it is opened, although its digest is
            remembered; a plan, which asks nothing, does without.
    """

    def __init__(self, kernels: Kernels | None = None, *, reads_again: bool = True) -> None:
        self._reads_again = reads_again
        self._vocabularies: dict[Path, Vocabulary] = {}
        self._kernels = kernels or Kernels()
        self._files: dict[str, ModelFile] = {}
        self._scoring: dict[tuple[str, LabelSet], Scoring] = {}
        self._chosen: dict[str, KernelChoice] = {}
        self._verified: set[Path] = set()
        self._loaded: _Loaded | None = None
        self._added: int | None = None  # resident bytes of the loaded model, once they are found

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

    def scoring(self, config: LabelerConfig, labels: LabelSet) -> Scoring:
        """Which version of the scoring rule applies; the model's vocabulary is read for it, without its weights."""
        key = (config.model_dump_json(include={"model", "prompts", "diversity", "template", "frame"}), labels)
        if key not in self._scoring:
            self._scoring[key] = scoring_of(config, labels, self._vocabulary(config))
        return self._scoring[key]

    def kernels(self, model: str) -> KernelChoice | None:
        """How this process runs a model's matrices, if it has loaded it."""
        return self._chosen.get(model)

    def memory(self) -> int:
        """Resident bytes that the loaded model had added to the process when this was first called."""
        if self._loaded is None:
            return 0
        if self._added is None:
            self._added = max(0, psutil.Process().memory_info().rss - self._loaded.before)
        return self._added

    def device(self) -> str:
        """What llama.cpp runs on; the library is loaded for it."""
        return device_line(offloads=bool(load_library().llama_supports_gpu_offload()))

    def tokenizer(self, config: LabelerConfig) -> Tokenize:
        """The token ids of a prompt; the model's vocabulary stays open until `close`."""
        return ChatFrame(config, self._vocabulary(config)).tokenize

    def open(self, config: LabelerConfig, labels: LabelSet) -> Labeler:
        """A reader; its model stays loaded until a reader of another model is opened."""
        file = self._safe_file(config.model)
        if config.mode == "generate":
            return GeneratingLabeler(config, labels, self._load(file, config), file.sha256)
        scoring = self.scoring(config, labels)
        return LocalLabeler(config, labels, self._load(file, config), file.sha256, scoring)

    def close(self) -> None:
        """Free the loaded model, if there is one."""
        if self._loaded:
            self._loaded.model.close()
            self._loaded = self._added = None
        while self._vocabularies:
            self._vocabularies.popitem()[1].close()

    def _file(self, model: str) -> ModelFile:
        if model not in self._files:
            self._files[model] = resolve_model(model)
        return self._files[model]

    def _safe_file(self, model: str) -> ModelFile:
        """A model's file, of which it is known that llama.cpp does not abort the process over it."""
        if self._reads_again:
            self.verify(model)
        file = self._file(model)
        if not file.is_pinned:
            prove_loadable(file)
        return file

    def _vocabulary(self, config: LabelerConfig) -> Vocabulary:
        path = self._safe_file(config.model).path
        if path not in self._vocabularies:
            self._vocabularies[path] = Vocabulary(path)
        return self._vocabularies[path]

    def _load(self, file: ModelFile, config: LabelerConfig) -> LlamaModel:
        if self._loaded is None or self._loaded.key[0] != file.path:
            self.close()  # before a measurement, which loads a model
        choice = self._kernels.choose(file, config)
        how = (config.num_ctx, config.threads, config.n_batch)
        key = (file.path, *how, choice.repack, config.n_gpu_layers)
        if self._loaded is None or self._loaded.key != key:
            self.close()
            before = psutil.Process().memory_info().rss
            model = LlamaModel(file.path, *how, repack=choice.repack, n_gpu_layers=config.n_gpu_layers)
            self._loaded = _Loaded(key, model, before)
        self._chosen[config.model] = choice
        return self._loaded.model
