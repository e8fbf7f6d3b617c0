"""Removes a finished run. Its votes are in the ledger, which nothing here touches."""

from __future__ import annotations

import contextlib
import re
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from corpora.errors import InputError
from corpora.storage import StorePath, entries, remove
from results.store.finished import MANIFEST
from results.store.listing import n_bytes_of
from results.store.replacing import MAKING, current, is_being_written

_LEFT = re.compile(r"(?P<run>.+)\.removed-[0-9a-f]{8}")  # a run being removed; one being made ends in `.[0-9a-f]{8}`


def require_run(folder: StorePath) -> StorePath:
    """The folder, if it holds a run.

    Raises:
        InputError: it does not.
    """
    if not (current(folder, MANIFEST) / MANIFEST).is_file():
        state = "holds no finished run (no manifest.json)" if folder.is_dir() else "does not exist"
        raise InputError(f"{folder} {state}", "the folder of a finished run", "see `tercet runs list`")
    return folder


def remove_run(folder: StorePath) -> int:
    """Remove the folder of a run; returns the bytes that are freed.

    Raises:
        InputError: it holds no run, is a link to one, or another process is writing it.
        OSError: it cannot be removed.
    """
    require_run(folder)
    if isinstance(folder, Path) and folder.is_symlink():
        raise InputError(f"{folder} is a link to {folder.resolve()}", "the folder of a run itself", "name that folder")
    n_bytes = n_bytes_of(folder)
    if isinstance(folder, Path):
        _remove_here(folder)
    elif is_being_written(folder):
        raise _held(folder)
    else:
        remove(folder / MANIFEST)  # first: what is left after a lost connection is no run any more
        remove(folder)
    return n_bytes


def _remove_here(folder: Path) -> None:
    """Remove a folder of this machine at once: it changes its name, and is then taken apart."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise _held(folder) from error
    try:
        making = folder.parent / MAKING
        making.mkdir(exist_ok=True)
        folder.rename(making / f"{folder.name}.removed-{uuid.uuid4().hex[:8]}")
        for left in entries(making):  # also of a removal that was killed
            found = _LEFT.fullmatch(left.name)
            if found:
                _remove_left(left, folder.with_name(found["run"]), is_held=found["run"] == folder.name)
        with contextlib.suppress(OSError):  # a run is being made there
            making.rmdir()
        Path(lock.lock_file).unlink(missing_ok=True)
    finally:
        lock.release()


def _remove_left(left: StorePath, run: Path, *, is_held: bool) -> None:
    """Take a removed run apart, unless another process is at it, which holds the lock of that run.

    Args:
        left: what is left of it.
        run: where it was.
        is_held: whether this process holds the lock.
    """
    if is_held:
        remove(left)
        return
    lock = FileLock(run.with_name(f".{run.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return
    try:
        remove(left)
        if not run.exists():
            Path(lock.lock_file).unlink(missing_ok=True)
    finally:
        lock.release()


def _held(folder: StorePath) -> InputError:
    return InputError(
        f"another process is writing {folder}", "a run that no process is writing", "wait until that process has ended"
    )
