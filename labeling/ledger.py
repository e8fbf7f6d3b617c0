"""The ledger: votes as evidence, append-only, so that nothing is asked twice and nothing finished is lost.

One folder a labeler, one Parquet shard a flush. A shard appears by atomic rename, so that a killed run leaves either a
whole shard or none. A local labeler's votes on one question enter the ledger together, so that they are evaluated
together; those of a remote one as they arrive.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import polars as pl

from corpora.errors import InputError
from labeling.votes import KEY, VOTES, Prompt, Vote, vote_id, votes_frame

FLUSH_SECONDS = 30.0


class Ledger:
    """The votes of one labeler.

    Args:
        folder: the ledger's folder, shared by all labelers and runs.
        fingerprint: the labeler's.
        flush_seconds: most seconds between two shards while votes come in.
    """

    def __init__(self, folder: Path, fingerprint: str, flush_seconds: float = FLUSH_SECONDS) -> None:
        self.folder = folder / fingerprint
        self.fingerprint = fingerprint
        self.flush_seconds = flush_seconds
        self._open: list[Vote] = []
        self._known: set[bytes] = set()
        self._read: set[str] = set()
        self._flushed_at = time.monotonic()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # Also after an error: what was asked is kept.
        self.flush()

    def votes(self) -> pl.DataFrame:
        """All votes of this labeler on disk, one row a key, in a canonical order."""
        shards = sorted(self.folder.glob("*.parquet"))
        if not shards:
            return pl.DataFrame(schema=VOTES)
        # A shard that an earlier version wrote lacks the columns that came later: they are null for its votes.
        frame = pl.concat([pl.read_parquet(shard, schema=VOTES, missing_columns="insert") for shard in shards])
        # Two runs at the same time may both have asked: the first shard counts.
        return frame.unique(KEY, keep="first", maintain_order=True).sort(KEY)

    def missing(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Those prompts that have no vote yet, each key once, in order.

        Looks at what this ledger holds unwritten, and at shards that another process wrote in the meantime.
        """
        self._read_new_shards()
        wanted: dict[bytes, Prompt] = {}
        for prompt in prompts:
            key = vote_id(prompt.hash, prompt.arm, prompt.vote, prompt.seed)
            if key not in self._known:
                wanted.setdefault(key, prompt)
        return list(wanted.values())

    @property
    def is_empty(self) -> bool:
        """Whether this labeler has no vote yet."""
        self._read_new_shards()
        return not self._known

    def unknown(self, votes: Sequence[Vote]) -> list[Vote]:
        """Those votes whose key has none yet."""
        self._read_new_shards()
        return [one for one in votes if vote_id(one.prompt_hash, one.arm, one.vote, one.seed) not in self._known]

    def append(self, votes: Sequence[Vote]) -> None:
        """Add votes; written with the next flush, at the latest after `flush_seconds`.

        Raises:
            InputError: the disk is full or not writable; votes of earlier shards are kept.
        """
        self._open.extend(votes)
        self._known.update(vote_id(vote.prompt_hash, vote.arm, vote.vote, vote.seed) for vote in votes)
        if time.monotonic() - self._flushed_at >= self.flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Write the open shard, if it holds any vote."""
        self._flushed_at = time.monotonic()
        if not self._open:
            return
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.parquet"
        partial = self.folder / f".{name}.partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                votes_frame(self._open).write_parquet(file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.folder / name)
            self._read.add(name)
        except (OSError, pl.exceptions.ComputeError) as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise _unwritable(self.folder, len(self._open), error) from error
        self._open.clear()

    def _read_new_shards(self) -> None:
        new = [shard for shard in sorted(self.folder.glob("*.parquet")) if shard.name not in self._read]
        for shard in new:
            keys = pl.read_parquet(shard, columns=list(KEY[1:]))
            self._known.update(vote_id(*row) for row in keys.select(KEY[1:]).iter_rows())
            self._read.add(shard.name)


def _unwritable(folder: Path, n_votes: int, error: Exception) -> InputError:
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    what = "the disk is full" if full else f"{type(error).__name__}: {error}"
    return InputError(
        f"cannot write {n_votes} votes to {folder} ({what})",
        "a writable folder with free space",
        "free some space and run again: all earlier votes are kept, only these are asked again",
    )
