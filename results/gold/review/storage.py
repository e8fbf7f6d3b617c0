"""Where people's labels are kept: in the store, apart from the runs, a file of lines for each reviewer.

A label is on disk before the reviewer sees the next question. Lines are only ever appended, under a lock, so several
processes may write. Each line carries a checksum. What a killed process left of a line is set aside by the next one
that writes.
"""

from __future__ import annotations

import json
import logging
import os
import re
import unicodedata
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from corpora.errors import InputError
from corpora.reading.damage import ASIDE, Damage
from corpora.storage import StorePath, files_in, sha256_text, written_whole
from results.gold.held import held
from results.gold.review.reviews import REVIEWS, check_reviewer, check_spelling

FOLDER, SUFFIX, CHECK = "reviews", ".jsonl", "check"
EFFECT = "the labels in it that are whole are kept, and the others are gone"
LOG = logging.getLogger("tercet")
_DEVICE = re.compile("con|prn|aux|nul|com[0-9]|lpt[0-9]", re.IGNORECASE)


def reviews_folder(store: StorePath, corpus: str) -> Path:
    """The folder of people's labels on a corpus. Questions are told apart by their ids and their texts.

    Args:
        store: folder of runs.
        corpus: its name.

    Raises:
        InputError: the store is not on this machine, where lines can be appended to a file.
    """
    if not isinstance(store, Path):
        raise InputError(
            f"the run is in the store {store}, which is not on this machine",
            "a run in a folder of this machine, as required for reviews",
            "copy the folder of the run here",
        )
    is_plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", corpus)
    name = corpus if is_plain else f"corpus-{sha256_text(corpus)[:16]}"
    return store / FOLDER / name


def file_name(reviewer: str) -> str:
    """The name of a reviewer's file; some people are named like a device of Windows, where no file may be.

    Args:
        reviewer: as `check_reviewer` gives it.
    """
    first, dot, rest = reviewer.partition(".")
    is_device = _DEVICE.fullmatch(unicodedata.normalize("NFKC", first).rstrip())
    return f"{first}{'=' * bool(is_device)}{dot}{rest}{SUFFIX}"  # no name has a `=`


class ReviewFolder:
    """People's labels on the questions of a corpus.

    Args:
        folder: made with the first label.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, _Read] = {}

    def append(self, reviews: pl.DataFrame) -> None:
        """Keep labels: they are on disk when this returns, all of a reviewer's or none.

        Args:
            reviews: frame of schema `REVIEWS`.

        Raises:
            InputError: a reviewer's name cannot be kept, or the folder cannot be written to.
        """
        names = {name: check_reviewer(name) for name in reviews["reviewer"].unique(maintain_order=True)}
        taken = self.reviewers()
        for name in names.values():
            check_spelling(name, taken)
            taken.append(name)
        files = {name: self.folder / file_name(kept) for name, kept in names.items()}
        with ExitStack() as held:
            for file in sorted(files.values()):  # all of them before anything is written, always in one order
                try:
                    self.folder.mkdir(parents=True, exist_ok=True)
                    held.enter_context(_locked(file))
                except OSError as error:
                    raise _unwritable(file, error) from error
            for name, file in files.items():
                mine = reviews.filter(reviewer=name).with_columns(reviewer=pl.lit(names[name]))
                try:
                    _append(file, b"".join(_encode(row) for row in mine.iter_rows(named=True)))
                except OSError as error:
                    raise _unwritable(file, error) from error

    def reviewers(self) -> list[str]:
        """The names of those who gave labels."""
        return self.read()["reviewer"].unique(maintain_order=True).to_list()

    def read(self) -> pl.DataFrame:
        """All labels, frame of schema `REVIEWS`, each reviewer's in the order in which they were given."""
        files = [file for file in files_in(self.folder, f"*{SUFFIX}") if file.is_file()]
        rows = [row for file in files for row in self._rows(file)]
        return pl.DataFrame(rows, schema=REVIEWS)

    def _rows(self, file: StorePath) -> list[dict[str, Any]]:
        """The rows of a file; what was read before is not read again."""
        known, now = self._known.get(file.name, _Read(0, 0, [], [])), file.stat()
        if now.st_ino != known.inode or now.st_size < known.n_bytes:
            known = _Read(now.st_ino, 0, [], [])
        found = _read(file, known)
        for number in found.damaged[len(known.damaged) :]:
            LOG.warning("%s, line %d is damaged: the label in it does not count.", file, number)
        self._known[file.name] = found
        return found.rows


class _Read(NamedTuple):
    """What was read of a file: which one, how many bytes of it, its rows, and the numbers of its damaged lines."""

    inode: int
    n_bytes: int
    rows: list[dict[str, Any]]
    damaged: list[int]


_NOTHING = _Read(0, 0, [], [])


def damaged_reviews(store: StorePath) -> Iterator[Damage]:
    """Every file of people's labels in a store that has a damaged line."""
    folder = store / FOLDER
    corpora = sorted(folder.iterdir()) if isinstance(folder, Path) and folder.is_dir() else []
    for file in (file for one in corpora for file in files_in(one, f"*{SUFFIX}") if file.is_file()):
        damaged = _read(file).damaged
        if damaged:
            where = f"line {damaged[0]}" + (f" and {len(damaged) - 1} more" if len(damaged) > 1 else "")
            yield Damage(file, f"{where} did not keep its checksum", EFFECT, partial(_salvage, file))


def _salvage(file: StorePath) -> None:
    """Write the lines that are whole into a file of their own, which is read before later ones of that reviewer."""
    rows = _read(file).rows
    with written_whole(file.with_name(f"{file.stem}-{uuid.uuid4().hex[:8]}{SUFFIX}")) as kept:
        kept.write(b"".join(map(_encode, rows)))


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    lock = file.with_name(f".{file.name}.lock")
    busy = f"another process is writing labels to {file}", "a file of labels that no other process is writing"
    with held(lock, *busy, "end that process, then give the label again", leaves=True):
        yield


def _append(file: Path, lines: bytes) -> None:
    """Write whole lines at the end; what cannot be written whole is taken back."""
    is_new = not file.exists()
    with file.open("ab", buffering=0) as content:  # nothing is left to write when it is closed
        _set_torn_aside(file)
        start, left = content.seek(0, os.SEEK_END), memoryview(lines)
        try:
            while left:
                left = left[content.write(left) :]
            os.fsync(content.fileno())
        except OSError:
            with suppress(OSError):
                os.truncate(file, start)
            raise
    if is_new:
        _sync(file.parent)


def _set_torn_aside(file: Path) -> None:
    """Move what a killed process left of its last line out of the way of the next one."""
    content = file.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole == len(content):
        return
    aside = file.parent / ASIDE
    aside.mkdir(exist_ok=True)
    with (aside / file.name).open("ab") as torn:
        torn.write(content[whole:] + b"\n")
        torn.flush()
        os.fsync(torn.fileno())
    os.truncate(file, whole)
    LOG.warning("%s ended in half a line, from a process that was killed: it is now in %s.", file, aside / file.name)


def _sync(folder: Path) -> None:
    """Make the name of a new file outlast a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _encode(row: Mapping[str, Any]) -> bytes:
    told = {**row, "reviewed_at": row["reviewed_at"] and row["reviewed_at"].isoformat()}
    return json.dumps(told | {CHECK: _check(told)}).encode() + b"\n"


def _check(told: Mapping[str, Any]) -> str:
    return sha256_text(json.dumps(told, sort_keys=True))[:16]


def _read(file: StorePath, known: _Read = _NOTHING) -> _Read:
    """What a file holds, of which some is known already; half a line at the end is left for the next time."""
    with file.open("rb") as content:
        content.seek(known.n_bytes)
        new = content.read()
    whole = new.rfind(b"\n") + 1
    rows, damaged = list(known.rows), list(known.damaged)
    for number, line in enumerate(new[:whole].split(b"\n")[:-1], 1 + len(rows) + len(damaged)):
        try:
            rows.append(_decode(line))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            damaged.append(number)
    return _Read(known.inode, known.n_bytes + whole, rows, damaged)


def _decode(line: bytes) -> dict[str, Any]:
    told = json.loads(line)
    if told.pop(CHECK) != _check(told):
        raise ValueError
    at = told["reviewed_at"]
    return {name: told[name] for name in REVIEWS} | {"reviewed_at": at and datetime.fromisoformat(at)}


def _unwritable(file: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot keep labels in {file} ({error.strerror or error})",
        "a writable folder with free space",
        "free some space or make the folder writable, then give the label again",
    )
