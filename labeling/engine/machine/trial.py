"""Loads an unknown model file in a process of its own first, because llama.cpp may abort over a damaged one.

A file of the registry whose digest is known needs no trial. Any other file is tried once; that it passed is remembered
by its digest and by the version of the library.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from corpora.errors import InputError
from corpora.published.pinned import cache_folder
from labeling.engine.llama import LlamaModel
from labeling.models.memory import Memory
from labeling.models.registry import ModelFile

SECONDS = 600  # for the trial; reading the largest files from a slow disk takes minutes
REFUSED = 2  # exit code of a trial that ended in an error which the process survives


def prove_loadable(file: ModelFile) -> None:
    """Make sure that llama.cpp survives a model file; an error that it reports comes when the file is opened.

    Raises:
        InputError: the trial was ended by a signal, or took too long; where it was killed, memory may have run out.
    """
    key = f"{file.sha256}|llama-cpp-python {version('llama-cpp-python')}"
    memory = Memory(cache_folder(), "loadable")
    if memory.get(key):
        return
    try:
        code = _run(file.path)
    except subprocess.TimeoutExpired:
        raise _refused(file.path, f"does not finish loading within {SECONDS} seconds") from None
    if code == 0:
        memory.put(key, "yes")
    elif code == -signal.SIGKILL:
        raise InputError(
            f"a process that tried to load the model file {file.path} was killed, as happens where memory runs out",
            "enough free memory for the model",
            "end other programs, or use a smaller model",
        )
    elif code < 0:
        raise _refused(file.path, f"ends llama.cpp with signal {-code}")
    elif code != REFUSED:
        raise _refused(file.path, f"ends llama.cpp with exit code {code}")


def _run(path: Path) -> int:
    # Without a debugger's backtrace, which may wait for a terminal; with the same modules as this process.
    env = {**os.environ, "GGML_NO_BACKTRACE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", __name__, str(path)]
    silent = subprocess.DEVNULL
    done = subprocess.run(  # noqa: S603  (this module, on the user's own file)
        command, env=env, stdin=silent, stdout=silent, stderr=silent, timeout=SECONDS, check=False
    )
    return done.returncode


def _refused(path: Path, found: str) -> InputError:
    return InputError(
        f"the model file {path} {found}",
        "a sound GGUF file",
        "check the file against its publisher's sha256, or use another model",
    )


def main(path: Path) -> int:
    """Load a model file and evaluate a few tokens."""
    try:
        with LlamaModel(path, num_ctx=256, threads=1, n_batch=32) as model:
            model.next_logprobs([range(min(8, model.n_vocab))], [0])
            _ = (model.chat_template, model.bos_text, model.eos_text, model.tokenize("a b", special=True, add_bos=True))
    except (InputError, RuntimeError, UnicodeDecodeError, MemoryError):
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
