"""The folder of an export: filled beside its place and moved there whole; no file of somebody else's is replaced."""

from __future__ import annotations

import contextlib
import glob
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora.errors import InputError
from corpora.storage import remove
from results.gold.held import held
from results.store.replacing import exchange
from results.store.run_folder import unwritable

RECORD = "tercet-export.json"  # what an export is, and which files belong to it
_FILLED = ".exporting"


@contextlib.contextmanager
def export_folder(target: Path, *, replaces: bool) -> Iterator[Path]:
    """A folder to fill, which appears under its name once the block has ended without an error.

    Whatever an interrupted export left beside the target is removed by the next one.

    Args:
        target: made if it is missing; may be an empty folder.
        replaces: whether an earlier export in its place is replaced.

    Raises:
        InputError: something is there already that may not be replaced, another process is writing it, or no folder
            can be made there.
        OSError: the folder cannot be written.
    """
    with _alone(target):
        _check(target, replaces=replaces)
        for left in target.parent.glob(f".{glob.escape(target.name)}.*{_FILLED}"):
            remove(left)
        work = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}{_FILLED}")
        work.mkdir()
        try:
            yield work
            _put(work, target)
        finally:
            remove(work)  # what is not finished; or what was replaced


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep other exports out of a place for the time of the block."""
    with contextlib.ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = held(
                target.with_name(f".{target.name}.lock"), f"another process is writing {target}",
                "a folder that no other process is writing", "wait until that process has ended, or name another "
                "folder", leaves=False,
            )  # fmt: skip
            stack.enter_context(lock)
        except OSError as error:
            raise unwritable(target, error) from error
        yield


def write_record(work: Path, about: dict[str, Any]) -> None:
    """Write what an export is; the last file of it."""
    files = sorted(one.relative_to(work).as_posix() for one in work.rglob("*") if one.is_file())
    record = {**about, "files": [*files, RECORD]}
    (work / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="")


def _check(target: Path, *, replaces: bool) -> None:
    """Refuse to replace what is no export, or holds more than one."""
    # A device is no file and no folder, and whoever may replace one breaks the machine.
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        what = "a link" if target.is_symlink() else "a file" if target.is_file() else "no folder"
        raise InputError(f"{target} is {what}", "a folder for the export, new or empty", "name another folder")
    there = sorted(one.relative_to(target).as_posix() for one in target.rglob("*") if not one.is_dir())
    if not there:
        return
    if not replaces:
        raise InputError(
            f"{target} exists already", "a folder that does not exist yet, or an empty one",
            "name another folder, or replace an earlier export with --force",
        )  # fmt: skip
    foreign = sorted(set(there) - _recorded(target))
    if foreign:
        raise InputError(
            f"{target} holds {foreign[0]}, which is not part of an export",
            "an earlier export, with no other files in it",
            "name another folder, or move that file away",
        )


def _recorded(target: Path) -> set[str]:
    """The files of the export that is in a folder; none if there is no export in it."""
    try:
        files = json.loads((target / RECORD).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {str(one) for one in files}


def _put(work: Path, target: Path) -> None:
    """Move a filled folder to its place; what was there is in `work` afterwards."""
    if not target.exists():
        work.rename(target)
        return
    try:
        exchange(work, target)
    except OSError:  # a file system that cannot exchange two names
        old = work.with_name(f"{work.name.removesuffix(_FILLED)}.old{_FILLED}")
        target.rename(old)
        work.rename(target)
        remove(old)
