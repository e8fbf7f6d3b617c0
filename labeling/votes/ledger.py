"""The ledger: votes as evidence, append-only, so that nothing is asked twice and nothing finished is lost.

One folder per reader, one Parquet shard per flush. A shard appears by atomic rename, so a killed run leaves either a
whole shard or none. A local reader's votes on one question enter the ledger together, because they are evaluated
together; a remote reader's votes enter as they arrive.

Several processes may ask for one ledger at the same time: each claims a question before asking it and keeps the claim
until its votes are on disk. Only a folder of this machine has claims; elsewhere two runs may both ask, and the first
vote counts.
"""

from __future__ import annotations

import errno
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import polars as pl
from filelock import FileLock, Timeout

from corpora.errors import InputError
from corpora.storage import StorePath, files_in, read_frame, read_frames, sha256_text, write_frame
from labeling.votes.vote import KEY, VOTES, Prompt, Vote, vote_id, votes_frame

SLOTS = 16_384  # most lock files; two questions that share a file are claimed together


class Claims:
    """Claims on the questions of one reader, held until all of them are released.

    A claim is a lock that the operating system holds for this process: it ends with the process, however that ends.

    Args:
        folder: folder of the lock files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, FileLock] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, question_id: str, *, wait: bool = False) -> bool:
        """Claim a question; False if another process has it.

        Args:
            question_id: the question.
            wait: whether to wait until it is free. Hold no other claim then: two processes could wait for each other.

        Raises:
            OSError: the folder is not writable.
        """
        slot = int(sha256_text(question_id)[:8], 16) % SLOTS
        if slot in self._held:
            return True
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / f"{slot:04x}.lock", thread_local=False)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            return False
        self._held[slot] = lock
        return True

    def release(self) -> None:
        """Give all claims back."""
        for lock in self._held.values():
            lock.release()
        self._held.clear()


FLUSH_SECONDS = 30.0
MOST_CLAIMS = 256  # each is an open file


class Ledger:
    """The votes of one reader.

    Args:
        folder: the ledger's folder, shared by all readers and runs.
        fingerprint: the reader's fingerprint.
        flush_seconds: most seconds between two shards while votes come in.
    """

    def __init__(self, folder: StorePath, fingerprint: str, flush_seconds: float = FLUSH_SECONDS) -> None:
        self.folder = folder / fingerprint
        self.fingerprint = fingerprint
        self.flush_seconds = flush_seconds
        self._open: list[Vote] = []
        self._known: set[bytes] = set()
        self._read: set[str] = set()
        self._claims = Claims(self.folder / "claims") if isinstance(self.folder, Path) else None
        self._flushed_at = time.monotonic()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # Also after an error: what was answered is kept.
        self.release()

    def votes(self) -> pl.DataFrame:
        """All votes of this reader on disk, one row per key, in a canonical order."""
        shards = files_in(self.folder, "*.parquet")
        if not shards:
            return pl.DataFrame(schema=VOTES)
        # A shard that an earlier version wrote lacks the columns that came later: they are null for its votes.
        frame = read_frames(shards, schema=VOTES, missing_columns="insert")
        # Two runs at once may both have asked: the first shard counts.
        return frame.unique(KEY, keep="first", maintain_order=True).sort(KEY)

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
        """Add votes; they are written with the next flush, at the latest after `flush_seconds`.

        Returns:
            Whether they are on disk now.

        Raises:
            InputError: the disk is full or not writable; the votes of earlier shards are kept.
        """
        self._open.extend(votes)
        self._known.update(_ids(votes))
        n_claims = 0 if self._claims is None else len(self._claims)
        if n_claims < MOST_CLAIMS and time.monotonic() - self._flushed_at < self.flush_seconds:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Write the open shard, if it holds any votes.

        Raises:
            InputError: as in `append`.
        """
        self._flushed_at = time.monotonic()
        if not self._open:
            return
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.parquet"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_frame(self.folder / name, votes_frame(self._open))
            self._read.add(name)
        except (OSError, pl.exceptions.ComputeError) as error:
            raise _unwritable(self.folder, len(self._open), error) from error
        self._open.clear()

    def release(self) -> None:
        """Write the open shard, and give back all claims.

        Raises:
            InputError: as in `append`; the claims are then kept, because nobody else can know about the votes.
        """
        self.flush()
        if self._claims is not None:
            self._claims.release()

    def abandon(self) -> None:
        """Drop all votes that are not written, and give back all claims."""
        self._open.clear()
        if self._claims is not None:
            self._claims.release()

    def look(self) -> None:
        """Read the shards that other processes wrote since the last look."""
        shards = {shard.name: shard for shard in files_in(self.folder, "*.parquet")}
        if not self._read <= shards.keys():
            # A process may outlive a store: votes that somebody has removed must be asked again.
            self._read.clear()
            self._known = set(_ids(self._open))
        for shard in (shard for name, shard in shards.items() if name not in self._read):
            keys = read_frame(shard, columns=list(KEY[1:]))
            self._known.update(vote_id(*row) for row in keys.select(KEY[1:]).iter_rows())
            self._read.add(shard.name)


def _ids(votes: Iterable[Vote]) -> Iterator[bytes]:
    return (vote_id(one.prompt_hash, one.arm, one.vote, one.seed) for one in votes)


def _unwritable(folder: StorePath, n_votes: int, error: Exception) -> InputError:
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    what = "the disk is full" if full else f"{type(error).__name__}: {error}"
    return InputError(
        f"cannot write {n_votes} votes to {folder} ({what})",
        "a writable folder with free space",
        "free some space and run again: all earlier votes are kept, only these are asked again",
    )
