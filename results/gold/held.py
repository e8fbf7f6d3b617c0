"""A lock file that is held for a while: others wait for it shortly, and then say in one line what holds it."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from corpora.errors import InputError

SECONDS = 10.0  # that a lock is waited for


@contextlib.contextmanager
def held(lock: Path, found: str, expected: str, remedy: str, *, leaves: bool) -> Iterator[None]:
    """Hold a lock file for the time of the block.

    Args:
        lock: the file; its folder exists.
        found: what another process does that holds it, as in "another process is writing FOLDER".
        expected: as in `InputError`.
        remedy: as in `InputError`.
        leaves: whether the lock file stays afterwards.

    Raises:
        InputError: another process has held it all the time that it was waited for.
        OSError: it cannot be made.
    """
    file = FileLock(lock, thread_local=False)
    try:
        file.acquire(timeout=SECONDS)
    except Timeout as error:
        if not lock.exists():  # some file systems only say that a file is missing where none can be made
            raise FileNotFoundError(errno.ENOENT, "no file can be made there", str(lock)) from error
        raise InputError(f"{found} (it holds the lock {lock})", expected, remedy) from error
    try:
        yield
    finally:
        if not leaves:
            with contextlib.suppress(OSError):
                lock.unlink()  # while it is held: later it may be the lock of the next process
        file.release()
