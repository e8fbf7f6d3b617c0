"""A store that a command only looks into must be there: an empty answer about a misspelt one would mislead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpora.storage import StorePath


def require_store(store: StorePath) -> StorePath:
    """The store, if it is there; at an address only its bucket can be told, and that was when it was opened.

    Raises:
        InputError: there is no such folder.
    """
    from corpora.errors import InputError

    if isinstance(store, Path) and not store.is_dir():
        raise InputError(f"there is no store {store}", "a folder that runs were written to", "give another --store")
    return store


def named_run(run: StorePath, store: StorePath) -> StorePath:
    """The folder of a run that was given as a path, or by its name in the store."""
    named = store / run.name
    is_name = "/" not in str(run) and not run.is_dir()
    return named if is_name and named.is_dir() else run
