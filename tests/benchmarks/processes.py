"""What a command takes as a whole process: CPU seconds, wall-clock seconds and peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# A process between this one and the command: what the system says of children is that of all children so far, and a
# child's peak begins with its parent's memory at the fork, which must be small.
_BETWEEN = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
"""


class Took(NamedTuple):
    """What a command took.

    Attributes:
        cpu: seconds of CPU, of the process and of its children.
        seconds: wall-clock.
        peak: most resident bytes of one process.
    """

    cpu: float
    seconds: float
    peak: int


def take(command: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Took:
    """Run a command, and say what it took.

    Args:
        command: with its arguments.
        folder: where it runs; here by default.
        environment: all of its variables; those of this process by default.

    Raises:
        SystemExit: the command failed.
    """
    started = time.perf_counter()
    between = [sys.executable, "-S", "-c", _BETWEEN, *command]
    done = subprocess.run(between, stdout=subprocess.PIPE, text=True, check=True, cwd=folder, env=environment)
    seconds = time.perf_counter() - started
    code, cpu, peak = json.loads(done.stdout)
    if code:
        raise SystemExit(f"exit code {code}: {' '.join(command)}")
    return Took(cpu, seconds, peak)
