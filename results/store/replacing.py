"""A folder that takes another's place at once: whoever looks sees the old one or the new one, whole, never a mixture.

On this machine the new folder is filled under `.making/`, next to the folder it will replace, and then the two change
names in one step. On an object store nothing has a name of its own that could change: there the new files lie in
`.new-*/` inside the folder. They count from the moment when the last of them, the seal, is there; only then are they
copied to their places, and whoever reads meanwhile reads them where they lie.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import math
import os
import time
import uuid
from pathlib import Path

from corpora.storage import LEFT_SECONDS, StorePath, entries, move, remove

MAKING, NEW, OLD = ".making", ".new-", ".old"
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux; the latter is also RENAME_SWAP of macOS


def begin(target: StorePath, seal: str) -> StorePath:
    """A name for a folder to fill; what runs that died left of theirs is tidied up first.

    On this machine, hold the lock of the target from here on: then no other run is filling one.

    Args:
        target: the folder that will be replaced.
        seal: name of the file without which a folder is not complete.

    Raises:
        OSError: what was left cannot be removed.
    """
    if isinstance(target, Path):
        _tidy(target, seal)
        work = target.parent / MAKING / f"{target.name}.{uuid.uuid4().hex[:8]}"
        work.mkdir(parents=True)
        return work
    for left in _begun(target):
        if (left / seal).is_file():
            _settle(left, target, seal)
        elif _is_old(left):
            remove(left)
    new = target / f"{NEW}{uuid.uuid4().hex[:8]}"
    new.mkdir(parents=True, exist_ok=True)
    return new


def take_place(work: StorePath, target: StorePath, seal: str) -> None:
    """Put a sealed folder in the place of its predecessor. Files that others put there stay.

    Raises:
        OSError: it cannot be put there; then the predecessor is as it was.
    """
    if isinstance(work, Path) and isinstance(target, Path):
        if target.exists():
            _discard(_swap(work, target), target)
        else:
            work.rename(target)
        _forget_empty(work.parent)
    else:
        _settle(work, target, seal)


def give_up(work: StorePath) -> None:
    """Remove a folder that will not be finished; what cannot be removed is left to the next run."""
    with contextlib.suppress(OSError):
        remove(work)
    if isinstance(work, Path):
        _forget_empty(work.parent)


def current(target: StorePath, seal: str) -> StorePath:
    """Where the files of a folder are to be read: in an object store, those that count may not be in place yet."""
    if isinstance(target, Path):
        return target
    return next((one for one in _begun(target) if (one / seal).is_file()), target)


def is_being_written(target: StorePath) -> bool:
    """Whether somebody may be filling a folder of an object store, which has no locks that would tell for sure."""
    return any(not _is_old(one) for one in _begun(target))


def _swap(work: Path, target: Path) -> Path:
    """Exchange the two folders; returns where the old one is now."""
    try:
        exchange(work, target)
    except OSError:
        # A file system that cannot exchange two names. A run killed between these renames is put back by `_tidy`.
        old = work.with_name(work.name + OLD)
        target.rename(old)
        work.rename(target)
        return old
    return work


def exchange(one: Path, other: Path) -> None:
    """Let two folders of one file system change names, in one step.

    Raises:
        OSError: the system or the file system cannot do that, or one of the two is missing.
    """
    if os.name != "posix":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if hasattr(libc, "renameat2"):
        failed = libc.renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE)
    elif hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(*names, _EXCHANGE)
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if failed:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))


def _tidy(target: Path, seal: str) -> None:
    """Put back a run that was killed between two renames, and remove what else is left."""
    left = [one for one in entries(target.parent / MAKING) if _is_of(one.name, target.name)]
    for one in sorted(left, key=lambda one: not one.name.endswith(OLD)):  # the old run first, as it was in place
        if (one / seal).is_file() and not target.exists():
            move(one, target)
        else:
            _discard(one, target if (one / seal).is_file() else None)


def _is_of(name: str, target: str) -> bool:
    """Whether a folder in `.making` was filled for the target."""
    return name.removesuffix(OLD)[:-8] == f"{target}."


def _discard(old: StorePath, target: Path | None) -> None:
    """Remove a replaced folder, but for the files in it that nobody here wrote: they move to its successor."""
    for file in entries(old) if target else []:
        if target and file.suffix not in (".parquet", ".partial") and not (target / file.name).exists():
            move(file, target / file.name)
    remove(old)


def _forget_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # another run is filling one
        folder.rmdir()


def _begun(target: StorePath) -> list[StorePath]:
    """Folders of new files in a folder of an object store."""
    return [one for one in entries(target) if one.name.startswith(NEW)]


def _is_old(folder: StorePath) -> bool:
    """Whether its writer must be gone; an object store has no locks that would tell. An unknown time counts as now."""
    times = [file.stat().st_mtime or math.inf for file in entries(folder)]
    return bool(times) and time.time() - max(times) > LEFT_SECONDS


def _settle(new: StorePath, target: StorePath, seal: str) -> None:
    """Move sealed files to their places, the seal last; if this breaks off, the next run goes on with it."""
    files = {file.name: file for file in entries(new)}
    for file in entries(target):
        if file.suffix == ".parquet" and file.name not in files:
            remove(file)
    for name in sorted(files, key=lambda name: name == seal):
        with contextlib.suppress(FileNotFoundError):  # another run has just moved it there
            content = files[name].read_bytes()
            with (target / name).open("wb") as copy:
                copy.write(content)
    for name in sorted(files, key=lambda name: name != seal):
        remove(files[name])
    remove(new)
