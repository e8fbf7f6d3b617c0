"""How fast the readers of this machine were when they last answered: remembered beside the models for the next plan."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

from corpora.published.pinned import cache_folder
from labeling.engine.machine.kernels import cpu_name
from labeling.models.memory import Memory
from labeling.prompting.labeler import LabelerConfig

Kernels = Literal["repacked", "plain"]  # how the model's matrices are run
LONG_ENOUGH = 1.0  # seconds of asking; what took less says little


class Speed(NamedTuple):
    """How fast a reader is on this machine.

    Attributes:
        tokens_per_second: evaluated, generated ones included.
        memory: resident bytes that the model added, for weights, KV cache and buffers.
    """

    tokens_per_second: float
    memory: int


class Speeds:
    """The file `speeds.json` of the cache folder: by model, processor, threads, context size, kernels, mode.

    Args:
        folder: the cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._memory = Memory(folder or cache_folder(), "speeds")
        self._pairs = Memory(folder or cache_folder(), "pair_speeds")
        self._asked: dict[str, tuple[int, float]] = {}

    def find(self, sha256: str, config: LabelerConfig, kernels: Kernels | None) -> Speed | None:
        """The speed that was seen last; None if none was, or if what is remembered cannot be read.

        Args:
            sha256: digest of the model.
            config: the reader.
            kernels: how its model is run; None if that is not settled, for the faster way that was seen.
        """
        ways: tuple[Kernels, ...] = (kernels,) if kernels else ("repacked", "plain")
        seen = [_parse(self._memory.get(_key(sha256, config, way))) for way in ways]
        return max((one for one in seen if one), default=None)

    def note(self, sha256: str, config: LabelerConfig, kernels: Kernels, evaluated: int, seconds: float, memory: int,
             *, afresh: bool = False) -> None:  # fmt: skip
        """Remember how fast a reader answers, once it has answered for long enough to tell.

        Args:
            sha256: digest of the model.
            config: the reader.
            kernels: how its model is run.
            evaluated: tokens that were evaluated now.
            seconds: how long that took.
            memory: as in `Speed`.
            afresh: whether this is a measurement, which what was asked before does not count in.
        """
        key = _key(sha256, config, kernels)
        before = (0, 0.0) if afresh else self._asked.get(key, (0, 0.0))
        self._asked[key] = tokens, took = before[0] + evaluated, before[1] + seconds
        if tokens and (afresh or took >= LONG_ENOUGH):
            self._memory.put(key, json.dumps([round(tokens / took, 1), memory]))

    def find_pairs(self, digest: str) -> float | None:
        """Pairs a second of a reranker, as last seen; None if none were."""
        with suppress(TypeError, ValueError):
            seen = float(self._pairs.get(f"{digest}|{cpu_name()}") or 0)
            return seen if seen > 0 else None
        return None

    def note_pairs(self, digest: str, n_pairs: int, seconds: float, *, afresh: bool = False) -> None:
        """Remember how fast a reranker scores, once it has scored for long enough to tell or nothing is known.

        Args:
            digest: of the reranker.
            n_pairs: how many pairs it has scored now.
            seconds: how long that took.
            afresh: whether this is a measurement.
        """
        if n_pairs and seconds > 0 and (afresh or seconds >= LONG_ENOUGH or self.find_pairs(digest) is None):
            self._pairs.put(f"{digest}|{cpu_name()}", f"{n_pairs / seconds:.1f}")


def _key(sha256: str, config: LabelerConfig, kernels: Kernels) -> str:
    threads = config.threads or os.cpu_count() or 1
    library = f"llama-cpp-python {version('llama-cpp-python')}"
    return f"{sha256}|{cpu_name()}|threads {threads}|num_ctx {config.num_ctx}|{kernels}|{config.mode}|{library}"


def _parse(text: str | None) -> Speed | None:
    """What was remembered; None if it is not what `note` writes."""
    with suppress(TypeError, ValueError):
        rate, memory = json.loads(text or "null")
        return Speed(float(rate), int(memory)) if rate > 0 else None
    return None
