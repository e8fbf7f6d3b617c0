"""The journals of a ledger: an answer is on disk before the next one is asked for.

A journal holds what one process was answered since its last shard. It is appended to without syncing: what the
operating system has taken over outlives the process, however that ends, and only a power cut can lose it. The next
process that looks folds what an ended one left into a shard; a lock that ends with its holder tells the two apart.
"""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from corpora.reading.damage import Damage, DamageError
from corpora.storage import StorePath
from labeling.votes.storage.entries import Entries, decode, encode
from labeling.votes.vote import Vote

SUFFIX = ".jsonl"
EFFECT = "its votes that are whole are kept, and the others are asked again"


class Journals:
    """The journals in a folder of this machine: one of this process, and those of others.

    Args:
        folder: made with the first entry.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._file: io.FileIO | None = None
        self._lock: FileLock | None = None
        self._size = 0

    def append(self, votes: Sequence[Vote]) -> None:
        """Write an entry, whole or not at all.

        Raises:
            OSError: the disk is full or not writable.
        """
        entry = memoryview(encode(votes))
        file = self._file or self._begin()
        start = self._size
        try:
            while entry:
                n = file.write(entry)
                self._size += n
                entry = entry[n:]
        except BaseException:
            # Whatever comes after half an entry could not be told from it.
            try:
                file.truncate(start)
                self._size = start
            except OSError:
                self.leave()  # what comes next goes into a new journal; half an entry at the end of one is dropped
            raise

    def _begin(self) -> io.FileIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        # Locked before it is there, so that nobody takes it for one that was left behind.
        lock = FileLock(path.with_suffix(".lock"), thread_local=False)
        lock.acquire(timeout=0)
        self._path, self._lock, self._size = path, lock, 0
        self._file = io.FileIO(path, "a")
        return self._file

    def end(self) -> None:
        """Delete this process's journal, since a shard has its votes."""
        path = self._path
        if path is not None:
            path.unlink(missing_ok=True)
        self.leave()
        if path is not None:
            path.with_suffix(".lock").unlink(missing_ok=True)

    def leave(self) -> None:
        """Leave this process's journal to whoever looks next."""
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            self._lock.release()
        self._path = self._file = self._lock = None

    def fold(self, keep: Callable[[list[Vote]], None]) -> None:
        """Hand over what ended processes left behind, journal by journal, and delete it once it is kept.

        Args:
            keep: writes the votes that are not in a shard yet into one. While it does, nobody else folds or looks.

        Raises:
            DamageError: an entry is not as it was written; see `salvage`.
            OSError: the folder is not writable.
        """
        with self._left_behind() as paths:
            for path in paths:
                found = read_journal(path)
                if found.n_damaged:
                    raise DamageError(_damage(path, found))
                keep(found.votes)
                path.unlink()

    def damaged(self) -> list[Damage]:
        """What is wrong with journals that ended processes left behind; what is whole in them can be kept."""
        with self._left_behind() as paths:
            found = [(path, read_journal(path)) for path in paths]
        return [_damage(path, one) for path, one in found if one.n_damaged]

    @contextmanager
    def _left_behind(self) -> Iterator[Iterator[Path]]:
        """The journals of processes that have ended; nobody else reads them as such meanwhile."""
        if not self._others():
            yield iter(())
            return
        # Who finds a journal gone must find its votes in a shard: looking waits for who is folding.
        with FileLock(self._folder / ".fold.lock", thread_local=False), closing(self._unlocked()) as paths:
            yield paths

    def _unlocked(self) -> Generator[Path]:
        for path in self._others():
            lock = FileLock(path.with_suffix(".lock"), thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:  # its process is at work
                continue
            try:
                if path.is_file():  # its process may just have written its shard
                    yield path
            finally:
                lock.release()
                if not path.is_file():
                    path.with_suffix(".lock").unlink(missing_ok=True)

    def _others(self) -> list[Path]:
        try:
            names = sorted(one.name for one in self._folder.iterdir() if one.suffix == SUFFIX)
        except FileNotFoundError:
            return []
        return [self._folder / name for name in names if self._path is None or name != self._path.name]


def read_journal(path: StorePath) -> Entries:
    """What a journal holds.

    Raises:
        OSError: it cannot be read.
    """
    return decode(path.read_bytes())


def _damage(path: Path, found: Entries) -> Damage:
    lines = "a line that does not match its checksum" if found.n_damaged == 1 else "lines that do not match checksums"
    return Damage(path, f"it has {lines}", EFFECT)
