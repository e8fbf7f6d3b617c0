"""Files of finished runs, read so that no link in a store leads out of it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from corpora.storage import StorePath
from results.store.finished import MANIFEST

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_of_run(run: StorePath, name: str) -> bytes | None:
    """A file of a finished run; None if there is none.

    On this machine no symbolic link is followed, neither to a run nor in it: it could lead to any file that this user
    may read. Runs have none of their own.
    """
    if not RUN_NAME.fullmatch(name):  # a manifest that somebody else wrote may name any path
        return None
    if isinstance(run, Path):
        try:
            return _read_unlinked(run, name)
        except OSError:
            return None
    is_finished = (run / MANIFEST).is_file() and (run / name).is_file()
    return (run / name).read_bytes() if is_finished else None


def _read_unlinked(run: Path, name: str) -> bytes | None:
    """Relative to the open folder, so that a link that is put in its place meanwhile changes nothing."""
    folder = os.open(run, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        manifest = os.stat(MANIFEST, dir_fd=folder, follow_symlinks=False)
        # Not blocking: a pipe would be opened when somebody writes into it, which may be never.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(file, "rb") as content:
            is_finished = stat.S_ISREG(manifest.st_mode) and stat.S_ISREG(os.fstat(file).st_mode)
            return content.read() if is_finished else None
    finally:
        os.close(folder)
