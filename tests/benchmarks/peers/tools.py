"""The peers, each in a virtual environment of its own below a cache folder, with the same torch as Tercet's."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
CONSTRAINTS = Path(__file__).parents[3] / "constraints.txt"
# tiktoken's table of cl100k_base under the name that tiktoken looks for; it checks the digest. Its own address is not
# a package registry, so it is taken out of a package that ships it; none of that package's code is installed.
CL100K, SHIPPED_BY = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4", "litellm==1.110.2"


class Peer(NamedTuple):
    """A tool that evaluates chunkings too.

    Attributes:
        name: for people.
        requirements: what is installed.
        script: runs it on the given articles; a file beside this one.
    """

    name: str
    requirements: tuple[str, ...]
    script: str


PEERS = (
    Peer("chunklab 0.5.0", ("chunklab==0.5.0",), "run_chunklab.py"),
    Peer("context-grid 0.9.5", ("context-grid==0.9.5", "sentence-transformers"), "run_context_grid.py"),
)


def chroma(repository: Path) -> Peer:
    """Chroma's chunking evaluation, which no registry has: from the user's own copy of its repository.

    It was written for a version of chromadb that answers `ValueError` where a collection is missing.
    """
    from_folder = f"chunking_evaluation @ {repository.resolve().as_uri()}"
    return Peer("Chroma's evaluation", (from_folder, "chromadb<0.6", "sentence-transformers"), "run_chroma.py")


def python_of(peer: Peer, cache: Path) -> Path:
    """The Python that has a peer; installed the first time.

    Raises:
        CalledProcessError: it cannot be installed.
    """
    folder = cache / peer.name.replace(" ", "-")
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS)]
        subprocess.run([*install, *peer.requirements], check=True, env=apart())
        ready.touch()
    return python


def token_tables(cache: Path) -> Path:
    """A folder with tiktoken's table; fetched the first time."""
    folder = cache / "tiktoken"
    if not (folder / CL100K).exists():
        folder.mkdir(parents=True, exist_ok=True)
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), SHIPPED_BY]
        subprocess.run(download, check=True)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith(f"/{CL100K}"))
            (folder / CL100K).write_bytes(archive.read(name))
        wheel.unlink()
    return folder


def apart() -> dict[str, str]:
    """The variables of a process that sees nothing of Tercet."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def environment(cache: Path) -> dict[str, str]:
    """For a peer's process: no network, and nothing of Tercet's on its path."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
    return apart() | offline | {"TIKTOKEN_CACHE_DIR": str(token_tables(cache))}
