"""What ends a command without being a bug: a disk, a path or memory. No stage could tell it better; it is one line."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpora.errors import InputError

OF_THE_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM,
    # A path that cannot be what it should.
    errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG,
)  # fmt: skip
LOOP = "Symlink loop from "  # how Python before 3.13 words it, as a RuntimeError


def explain(error: Exception) -> InputError | None:
    """What to say of an error that ended a command; None if it is a bug, to be shown as one."""
    from corpora.errors import InputError, is_out_of_memory, out_of_memory
    from corpora.storage import circular_links

    if is_out_of_memory(error):
        return out_of_memory("memory ran out", error)
    if isinstance(error, RuntimeError) and str(error).startswith(LOOP):
        return circular_links(str(error).removeprefix(LOOP).strip("'\""))
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return circular_links(error.filename)
    if isinstance(error, OSError) and error.errno in OF_THE_DISK:
        return InputError(
            f"cannot use {error.filename or 'a file'} ({error.strerror or error})",
            "a path that can be read and written, on a disk with free space",
            "correct that and run again",
        )
    return None
