"""How a model's matrices are run on this CPU: as they lie in the file, or rearranged ("repacked") when they are loaded.

llama.cpp rearranges by default. On some machines that is the slower way by a third, on others it is much faster, so it
is measured: once a machine, model and version of the library. The two ways round differently, as two numbers of
threads do. So that one store's votes on a model are not a mixture, the first choice that a store sees stays its choice.
"""

from __future__ import annotations

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

from corpora.published.pinned import cache_folder
from labeling.engine.llama import LlamaModel
from labeling.models.memory import Memory
from labeling.models.registry import ModelFile
from labeling.prompting.labeler import LabelerConfig

SMALL = 600_000_000  # bytes; of the files below it, hardly any matrix is of a kind that is rearranged
N_TOKENS = 128  # evaluated each way, after as many that warm up
CLEARLY = 1.1  # times as fast as llama.cpp's default, for another choice than the default

Origin = Literal["given", "small", "measured", "store"]


class KernelChoice(NamedTuple):
    """How a model is run.

    Attributes:
        repack: whether llama.cpp rearranges the weights.
        origin: where the choice is from: the reader's settings, the size of the model, a measurement, or the store.
        tokens_per_second: what was measured with and without; empty if nothing was.
    """

    repack: bool
    origin: Origin
    tokens_per_second: tuple[float, ...] = ()


class Kernels:
    """Chooses, and remembers what it measured in the cache folder."""

    def choose(self, file: ModelFile, config: LabelerConfig) -> KernelChoice:
        """The choice for a model on this machine.

        Args:
            file: the model's file.
            config: a reader of it; its `repack` decides unless it is "auto".
        """
        if config.repack != "auto":
            return KernelChoice(config.repack == "on", "given")
        if file.path.stat().st_size < SMALL:
            return KernelChoice(repack=True, origin="small")
        memory = Memory(cache_folder(), "kernels")
        key = f"{file.sha256}|{cpu_name()}|threads {config.threads}|llama-cpp-python {version('llama-cpp-python')}"
        known = memory.get(key)
        if known is None:
            known = json.dumps([round(measure(file.path, config, repack=repack), 1) for repack in (True, False)])
            memory.put(key, known)
        with_it, without = json.loads(known)
        return KernelChoice(without < CLEARLY * with_it, "measured", (with_it, without))


def measure(path: Path, config: LabelerConfig, *, repack: bool) -> float:
    """Prompt tokens a second, one way."""
    n_ctx = max(256, 2 * N_TOKENS)
    with LlamaModel(path, n_ctx, config.threads, N_TOKENS, repack=repack) as model:
        tokens = [at % model.n_vocab for at in range(1000, 1000 + N_TOKENS)]
        model.next_logprobs([tokens], [0])
        model.clear()
        started = time.perf_counter()
        model.next_logprobs([tokens], [0])
        return N_TOKENS / (time.perf_counter() - started)


def cpu_name() -> str:
    """The name of this machine's processor, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
