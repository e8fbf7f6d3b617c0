"""The ledger: votes as evidence, append-only, so that nothing is asked twice and nothing that was answered is lost.

One folder per reader. Votes are on disk as soon as they are appended, in a journal that is this process's own; a flush
makes a Parquet shard of them, which appears by atomic rename. What a killed process leaves in its journal, the next
look makes a shard of. A local reader's votes on one question enter the ledger together, because they are evaluated
together; a remote reader's votes enter as they arrive.

Several processes may ask for one ledger at the same time: each claims a question before asking it and keeps the claim
until its votes are in a shard. Only a folder of this machine has claims; elsewhere two runs may both ask, and the first
vote counts.

A shard or journal that is not as it was written is never read past: its name and what to do are the error.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import polars as pl

from corpora.errors import InputError
from corpora.schema import LabelSet
from corpora.storage import StorePath
from labeling.votes.storage.claims import Claims
from labeling.votes.storage.journal import Journals, read_journal
from labeling.votes.storage.shards import find_fault, read_shard, refuse_faults, shards_in, write_shard
from labeling.votes.vote import KEY, VOTES, Prompt, Vote, vote_id

T = TypeVar("T")
FLUSH_SECONDS = 30.0
MOST_CLAIMS = 256  # each is an open file
LOOKS = 1000  # at a folder in which other processes keep renaming shards


class Ledger:
    """The votes of one reader.

    Args:
        folder: the ledger's folder, shared by all readers and runs.
        fingerprint: the reader's fingerprint.
        flush_seconds: most seconds between two shards while votes come in.
        labels: the reader's label set, to check what is read; None to check only what holds for every label set.
        spool: folder of this machine for the journals of a ledger at an address, where nothing can be appended to a
            file; None for no journals there.
    """

    def __init__(
        self, folder: StorePath, fingerprint: str, flush_seconds: float = FLUSH_SECONDS,
        labels: LabelSet | None = None, spool: Path | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder / fingerprint
        self.fingerprint = fingerprint
        self.flush_seconds = flush_seconds
        self.labels = labels
        self._open: list[Vote] = []
        self._known: set[bytes] = set()
        self._read: set[str] = set()
        self._claims = Claims(self.folder / "claims") if isinstance(self.folder, Path) else None
        self._journals = journals_of(self.folder, spool)
        self._is_unsure = False  # whether an interrupted flush may have written its shard
        self._flushed_at = time.monotonic()
        # Calls under way may still bring votes while an interrupted run writes its last shard.
        self._lock = threading.RLock()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # Also after an error: what was answered is kept.
        self.release()

    def votes(self) -> pl.DataFrame:
        """All votes of this reader that are in shards, one row per key, in a canonical order.

        Raises:
            InputError: a shard is damaged.
        """
        self._fold()
        frame = self._patiently(self._read_all)
        # Two runs at once may both have asked: the first shard counts.
        return frame.unique(KEY, keep="first", maintain_order=True).sort(KEY)

    def _read_all(self, shards: Sequence[StorePath]) -> pl.DataFrame:
        frames = [read_shard(shard).frame for shard in shards]
        votes = pl.concat([pl.DataFrame(schema=VOTES), *frames])
        if find_fault(votes, self.fingerprint, self.labels):  # one look at all of them is faster than many
            for shard, frame in zip(shards, frames, strict=True):
                refuse_faults(shard, frame, self.fingerprint, self.labels)
        return votes

    def _patiently(self, read: Callable[[Sequence[StorePath]], T]) -> T:
        """Read the shards; if another process renames one or sets it aside meanwhile, read them again."""
        for _ in range(LOOKS):
            try:
                return read(shards_in(self.folder))
            except FileNotFoundError:
                continue
        return read(shards_in(self.folder))

    def missing(self, prompts: Sequence[Prompt], *, looks: bool = True) -> list[Prompt]:
        """The prompts that have no vote yet, neither on disk nor unwritten in this ledger; each key once, in order.

        Args:
            prompts: prompts of one question or several.
            looks: whether to look first for votes of other processes, which lists the folder; see `look`.
        """
        if looks:
            self.look()
        wanted: dict[bytes, Prompt] = {}
        for prompt in prompts:
            key = vote_id(prompt.hash, prompt.arm, prompt.vote, prompt.seed)
            if key not in self._known:
                wanted.setdefault(key, prompt)
        return list(wanted.values())

    @property
    def has_claims(self) -> bool:
        """Whether several processes can ask for this ledger without asking twice."""
        return self._claims is not None

    def claim(self, question_id: str, *, wait: bool = False) -> bool:
        """Claim a question before asking for its votes, until the next `release`; False if another process has it.

        Once the question is claimed, `missing` takes account of what that process has answered meanwhile.

        Args:
            question_id: the question.
            wait: whether to wait until it is free; all other claims are given back first.

        Raises:
            InputError: as in `append`.
        """
        if self._claims is None:
            return True
        try:
            if self._claims.take(question_id):
                return True
            if wait:
                self.release()  # a run holds nothing while it waits: two never wait for each other
            return wait and self._claims.take(question_id, wait=True)
        except OSError as error:
            raise _unwritable(self.folder, len(self._open), error) from error

    @property
    def is_empty(self) -> bool:
        """Whether this reader has no votes yet."""
        self.look()
        return not self._known

    def unknown(self, votes: Sequence[Vote]) -> list[Vote]:
        """The votes whose keys have no vote yet."""
        self.look()
        return [one for one in votes if vote_id(one.prompt_hash, one.arm, one.vote, one.seed) not in self._known]

    def append(self, votes: Sequence[Vote]) -> bool:
        """Add votes. They are in the journal when this returns, and in a shard at the latest after `flush_seconds`.

        Returns:
            Whether they are in a shard now.

        Raises:
            InputError: the disk is full or not writable; the votes of earlier shards and entries are kept.
        """
        with self._lock:
            self._open.extend(votes)
            self._known.update(_ids(votes))
            if votes and self._journals is not None:
                try:
                    self._journals.append(votes)
                except OSError as error:
                    raise _unwritable(self.folder, len(votes), error) from error
            n_claims = 0 if self._claims is None else len(self._claims)
            if n_claims < MOST_CLAIMS and time.monotonic() - self._flushed_at < self.flush_seconds:
                return False
            self.flush()
            return True

    def flush(self) -> None:
        """Make a shard of what is in the journal, if it holds any votes.

        Raises:
            InputError: as in `append`.
        """
        with self._lock:
            self._flushed_at = time.monotonic()
            try:
                if self._is_unsure:
                    self._drop_written()
                if self._open:
                    self._is_unsure = True
                    self._read.add(write_shard(self.folder, self._open))
                    self._open.clear()
                    self._is_unsure = False
                if self._journals is not None:
                    self._journals.end()
            except (OSError, pl.exceptions.ComputeError) as error:
                raise _unwritable(self.folder, len(self._open), error) from error

    def _drop_written(self) -> None:
        """Forget open votes that an interrupted flush has put into a shard all the same."""
        written: set[bytes] = set()
        for shard in shards_in(self.folder):
            if shard.name not in self._read:
                written.update(self._keys(shard)[1])
        self._open = [vote for one, vote in zip(_ids(self._open), self._open, strict=True) if one not in written]
        self._is_unsure = False

    def release(self) -> None:
        """Write the open shard, and give back all claims.

        Raises:
            InputError: as in `append`; the claims are then kept, because nobody else can know about the votes.
        """
        self.flush()
        if self._claims is not None:
            self._claims.release()

    def abandon(self) -> None:
        """Close the ledger as it is, and give back all claims; whoever looks next makes a shard of its journal."""
        with self._lock:
            self._open.clear()
            if self._journals is not None:
                self._journals.leave()
            if self._claims is not None:
                self._claims.release()

    def look(self) -> None:
        """Read the shards that other processes wrote since the last look, and those that they left to be written.

        Raises:
            InputError: a shard or a journal is damaged, or the disk is full or not writable.
        """
        self._fold()
        self._patiently(self._learn)

    def _learn(self, shards: Sequence[StorePath]) -> None:
        names = {shard.name for shard in shards}
        if not self._read <= names:
            # A process may outlive a store: votes that somebody has removed must be asked again.
            self._read.clear()
            self._known = set(_ids(self._open))
        for shard in (shard for shard in shards if shard.name not in self._read):
            name, keys = self._keys(shard)
            self._known.update(keys)
            self._read.add(name)

    @staticmethod
    def _keys(shard: StorePath) -> tuple[str, list[bytes]]:
        name, frame = read_shard(shard, KEY[1:])
        return name, [vote_id(*row) for row in frame.iter_rows()]

    def _fold(self) -> None:
        """Make shards of what ended processes left in their journals."""
        if self._journals is not None:
            try:
                self._journals.fold(self._adopt)
            except OSError as error:
                raise _unwritable(self.folder, 0, error) from error

    def _adopt(self, votes: Collection[Vote]) -> None:
        """Write votes into a shard of their own, unless one has them already: a process may be killed in between."""
        self._patiently(self._learn)
        new = [vote for one, vote in zip(_ids(votes), votes, strict=True) if one not in self._known]
        if new:
            self._read.add(write_shard(self.folder, new))
            self._known.update(_ids(new))

    def take(self, votes: pl.DataFrame) -> int:
        """Take over votes of another ledger of this reader, in a shard of their own, and give how many are new here.

        Args:
            votes: frame of schema `VOTES`.

        Raises:
            InputError: as in `append`.
        """
        self.look()
        before = len(self._known)
        try:
            self._adopt([Vote(**row | {"probabilities": tuple(row["probabilities"])}) for row in votes.to_dicts()])
        except OSError as error:
            raise _unwritable(self.folder, len(votes), error) from error
        return len(self._known) - before

    def salvage(self, journal: StorePath) -> None:
        """Keep what is whole in a damaged journal."""
        self._adopt(read_journal(journal).votes)


def journals_of(folder: StorePath, spool: Path | None) -> Journals | None:
    """The journals of a reader.

    Args:
        folder: its ledger's folder.
        spool: as in `Ledger`.
    """
    if isinstance(folder, Path):
        return Journals(folder / "journal")
    return None if spool is None else Journals(spool / folder.name)


def _ids(votes: Iterable[Vote]) -> Iterator[bytes]:
    return (vote_id(one.prompt_hash, one.arm, one.vote, one.seed) for one in votes)


def _unwritable(folder: StorePath, n_votes: int, error: Exception) -> InputError:
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    what = "the disk is full" if full else f"{type(error).__name__}: {error}"
    if not n_votes:
        return InputError(
            f"cannot write to {folder} ({what})", "a writable folder with free space",
            "free some space, or make it writable, and run again: all its votes are kept",
        )  # fmt: skip
    return InputError(
        f"cannot write {n_votes} votes to {folder} ({what})",
        "a writable folder with free space",
        "free some space and run again: all earlier votes are kept, only these are asked again",
    )
