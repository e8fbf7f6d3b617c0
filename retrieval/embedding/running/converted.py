"""Folders of converted models: made once for all processes, whole or not at all, and looked at before they are used."""

from __future__ import annotations

import json
import logging
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from corpora.errors import InputError
from corpora.storage import sha256_file

DIGESTS = "digests.json"  # beside the files of a converted model: their sha256, by name
LOG = logging.getLogger("tercet")


def keep(target: Path, convert: Callable[[Path], None]) -> Path:
    """The folder of a converted model, made once for all processes; its name identifies its content.

    It lists the digests of its files; where one differs, the model is converted again.

    Args:
        target: the folder.
        convert: writes the files into the folder that it is given.

    Raises:
        InputError: the folder cannot be written.
    """
    if is_intact(target):
        return target
    if target.is_dir():
        LOG.warning("%s is damaged, or of an older version: the embedder is converted again.", target)
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True)
        convert(partial)
        (partial / DIGESTS).write_text(json.dumps(_digests(partial)), encoding="utf-8")
        if not is_intact(target):
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
    except OSError as error:
        # Another process may have been first: its folder will do.
        if not is_intact(target):
            raise InputError(
                f"cannot save the converted embedder in {target.parent} ({error})",
                "a writable folder with free space",
                "free some space and run again, or use the backend torch",
            ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def is_intact(folder: Path) -> bool:
    """Whether a converted model is as it was saved; an older version listed no digests."""
    try:
        listed = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(listed == _digests(folder))


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: sha256_file(file) for file in sorted(folder.iterdir()) if file.name != DIGESTS}
