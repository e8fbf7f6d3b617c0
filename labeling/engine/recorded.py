"""Readers whose votes were recorded on another machine: they answer from the ledger, and no model is opened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple, NoReturn

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.engine.machine.kernels import KernelChoice
from labeling.models.registry import find_model
from labeling.prompting.labeler import LabelerConfig, Scoring


class Recorded(NamedTuple):
    """A model whose votes were recorded.

    Attributes:
        sha256: digest of the model's file.
        scoring: version of the scoring rule that its votes come from.
    """

    sha256: str
    scoring: Scoring


class RecordedReaders:
    """Stands for `LocalReaders` where every vote is recorded.

    Args:
        models: what was recorded, by the model's name in the registry.
        on: the day of the recording.
        remedy: what to do where the recording lacks a vote.
    """

    def __init__(self, models: Mapping[str, Recorded], on: date, remedy: str) -> None:
        self._models, self._on, self._remedy = models, on, remedy

    def sha256(self, model: str) -> str:
        """Digest of the file that was asked."""
        return self._find(model).sha256

    def verify(self, model: str) -> None:
        """No file of this machine is read."""

    def n_bytes(self, model: str) -> int:
        """Size of the model, as the registry has it."""
        return find_model(model).bytes

    def scoring(self, config: LabelerConfig, labels: LabelSet) -> Scoring:
        """Which version of the scoring rule the recorded votes come from."""
        return self._find(config.model).scoring

    def kernels(self, model: str) -> KernelChoice | None:
        """None: this process runs no model."""

    def memory(self) -> int:
        """Nothing is loaded."""
        return 0

    def device(self) -> str:
        """Empty: no reader is run."""
        return ""

    def tokenizer(self, config: LabelerConfig) -> NoReturn:
        """Refuse: no model is here whose tokens could be counted."""
        self._refuse(config)

    def open(self, config: LabelerConfig, labels: LabelSet) -> NoReturn:
        """Refuse: whatever is asked for is not in the recording."""
        self._refuse(config)

    def close(self) -> None:
        """Nothing is open."""

    def _refuse(self, config: LabelerConfig) -> NoReturn:
        raise InputError(
            f"the votes recorded on {self._on} lack one of {config.label!r} that this run needs",
            "a recorded vote for every question",
            self._remedy,
        )

    def _find(self, model: str) -> Recorded:
        if model not in self._models:
            raise InputError(f"no recorded votes of model {model!r}", " or ".join(self._models), self._remedy)
        return self._models[model]
