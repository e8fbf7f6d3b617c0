"""What llama.cpp runs on: this machine's CPU, or a GPU where there is one and the installed build can use it."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable

ON_SOME_GPU = "Readers run on a GPU if llama.cpp finds one, else on the CPU."
SECONDS = 5  # a driver that hangs is as good as none


def seen_gpu() -> str:
    """The name of a GPU of this machine, as far as that shows without any of its libraries; empty if none does."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "Apple's"
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603  (the driver's own program, without any input)
            [command, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().partition("\n")[0] if done.returncode == 0 else ""


def device_line(*, offloads: bool, look: Callable[[], str] = seen_gpu) -> str:
    """What the readers of this machine run on, in a sentence.

    Args:
        offloads: whether the installed build of llama.cpp can use a GPU.
        look: gives the name of the GPU that is here; empty if there is none.
    """
    gpu = look()
    if offloads:
        return f"Readers run on the GPU ({gpu})." if gpu else ON_SOME_GPU
    if gpu:
        return (
            f"Warning: readers run on the CPU, although a GPU is here ({gpu}): this build of llama-cpp-python cannot "
            "use it. docs/speed.md says how to install one that can."
        )
    return "Readers run on the CPU."
