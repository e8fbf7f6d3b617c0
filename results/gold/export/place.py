"""Where nothing may be exported to: the folder of a run, and the folders in which a store keeps what it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from corpora.errors import InputError
from results.gold.review.storage import FOLDER as REVIEWS
from results.store.finished import MANIFEST
from results.store.replacing import MAKING

OWN_FOLDERS = ("ledger", "embeddings", "samples", "converted", "recorded", "specialists", REVIEWS, MAKING)  # of a store
_OF_A_RUN = ("name", "kind", "tables", "sessions")  # entries of its manifest, in every version


def check_place(target: Path) -> None:
    """Refuse to write into what Tercet itself keeps; it may be replaced or removed with all that is in it.

    Args:
        target: a file or a folder that is to be written.

    Raises:
        InputError: it is, or is in, the folder of a run or a folder of a store.
    """
    resolved = target.expanduser().resolve()
    taken = next(_taken(resolved), None)
    if taken:
        expected = "a place outside of runs and of a store's own folders"
        raise InputError(f"{target} {taken}", expected, "name another place")


def _taken(target: Path) -> Iterator[str]:
    if _is_store(target):
        yield "is a store of runs"
    for folder in (target, *target.parents):
        where = "is" if folder == target else "is in"
        if _is_run(folder):
            yield f"{where} the folder of the run {folder.name}"
        if folder.name in OWN_FOLDERS and _is_store(folder.parent):
            yield f"{where} the folder {folder.name} of the store {folder.parent}"


def _is_store(folder: Path) -> bool:
    try:
        return any(_is_run(one) for one in folder.iterdir())
    except OSError:  # no folder, or none that may be looked into
        return False


def _is_run(folder: Path) -> bool:
    """Whether a folder holds the manifest of a run, of any version; other programs have files of that name too."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and all(name in manifest for name in _OF_A_RUN)
