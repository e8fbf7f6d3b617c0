"""The runs of a store, as a list shows them: what each is, what it found in one line, and how much room it takes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import InputError
from corpora.storage import StorePath, entries, forget_listings
from results.store.finished import MANIFEST, read_manifest, read_tables
from results.store.replacing import current


class Listed(NamedTuple):
    """A finished run in a list.

    Attributes:
        path: its folder.
        kind: how much of an experiment was run; empty where the manifest cannot be read.
        finished: when its last session ended, in ISO format; empty if that is not known.
        n_questions: the questions that were asked.
        told: whether it tells what to use; None for a run that is not about that.
        headline: what it found, or what is wrong with its manifest.
        n_bytes: on the disk.
    """

    path: StorePath
    kind: str
    finished: str
    n_questions: int
    told: bool | None
    headline: str
    n_bytes: int


def list_runs(store: StorePath) -> list[Listed]:
    """The finished runs of a store, the newest first."""
    folders = [one for one in entries(store) if (current(one, MANIFEST) / MANIFEST).is_file()]
    return sorted((list_run(one) for one in folders), key=lambda one: one.finished, reverse=True)


def has_asked(store: StorePath, name: str, kinds: Collection[str], question_ids: Collection[str]) -> bool:
    """Whether a finished run of an experiment, of one of these kinds, was on these questions, or on most of them.

    A damaged run is not finished.

    Args:
        store: where runs are kept.
        name: of the experiment.
        kinds: how much of it was run.
        question_ids: the questions.
    """
    named = re.compile(f"{re.escape(name)}-({'|'.join(kinds)})-[0-9a-f]+")  # as `RunFolder` names them
    for one in entries(store):
        if not named.fullmatch(one.name):
            continue
        try:
            asked = set(read_tables(one, read_manifest(one))["questions"]["question_id"])
        except InputError:
            continue
        if 2 * len(asked & set(question_ids)) > len(question_ids):
            return True
    return False


def list_run(folder: StorePath) -> Listed:
    """A finished run; one with a damaged manifest is listed too."""
    try:
        manifest = read_manifest(folder)
    except InputError as error:
        return Listed(folder, "", "", 0, None, error.found, n_bytes_of(folder))
    corpus = manifest.get("corpus") or {}
    headline = str(manifest.get("headline", ""))
    n_questions = int(corpus.get("questions", 0))
    return Listed(folder, manifest["kind"], ended(manifest), n_questions, _told(manifest), headline, n_bytes_of(folder))


def ended(manifest: Mapping[str, Any]) -> str:
    """When a run's last session ended, in ISO format; empty if that is not known."""
    return str(manifest["sessions"][-1].get("finished", "")) if manifest["sessions"] else ""


def n_bytes_of(folder: StorePath) -> int:
    """How many bytes the files of a folder have."""
    if isinstance(folder, Path):
        return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file() and not one.is_symlink())
    forget_listings(folder)
    return sum(int(one.get("size") or 0) for one in folder.fs.find(folder.path, detail=True).values())


def _told(manifest: Mapping[str, Any]) -> bool | None:
    found = manifest.get("recommendations") or manifest.get("retrieval") or []
    named = [one.get("setting", one.get("recommended")) for one in found]
    return any(one is not None for one in named) if named else None
