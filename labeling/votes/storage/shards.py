"""Shards: Parquet files of one reader's votes, whose names carry their digest; what is wrong with one is named."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import polars as pl

from corpora.reading.damage import Damage, DamageError, digest_in, read_sealed, seal, write_sealed
from corpora.schema import LabelSet
from corpora.storage import StorePath, files_in
from labeling.votes.vote import VOTES, Arm, Failure, Vote, votes_frame

PATTERN = "*.parquet"
EFFECT = "its votes are asked again, and no others"
_ROUNDING = 0.01  # probabilities are sums of what a model or a provider rounded


class Shard(NamedTuple):
    """A shard that was read.

    Attributes:
        name: its name now; that of an older version's shard changes when it is first read.
        frame: its votes.
    """

    name: str
    frame: pl.DataFrame


def write_shard(folder: StorePath, votes: Iterable[Vote]) -> str:
    """Write a shard, whole or not at all, and durably; returns its name.

    Raises:
        OSError, polars.exceptions.ComputeError: it cannot be written.
    """
    content = io.BytesIO()
    # No statistics: nothing here looks them up.
    votes_frame(votes).write_parquet(content, statistics=False)
    # Names sort by time: where two shards have the same vote, the first one counts.
    return write_sealed(folder, f"{time.time_ns():020d}", ".parquet", content.getvalue()).name


def shards_in(folder: StorePath) -> list[StorePath]:
    """A reader's shards, the first one written first."""
    return files_in(folder, PATTERN)


def read_shard(path: StorePath, columns: Sequence[str] | None = None, *, seals: bool = True) -> Shard:
    """Read a shard.

    Args:
        path: the shard. One of an older version lacks the columns that came later: they are null for its votes.
        columns: those to read; all of them by default.
        seals: whether a shard of an older version gets a name with its digest, if all is well with it; only a folder of
            this machine can rename a file in one step.

    Raises:
        DamageError: it is not as Tercet wrote it.
        FileNotFoundError: another process has just renamed it or set it aside.
        OSError: it cannot be read.
    """
    data = read_sealed(path, EFFECT)
    if digest_in(path.name) is not None:
        return Shard(path.name, _parse(path, data, columns))
    # Without a digest, its content is the only witness.
    frame, name = _parse(path, data), path.name
    refuse_faults(path, frame, path.parent.name, None)
    if not _masses(frame).is_between(-_ROUNDING, 1 + _ROUNDING).all():
        raise _damaged(path, "it has a probability outside 0 to 1")
    if seals and isinstance(path, Path):
        name = _sealed_name(path, data)
    return Shard(name, frame if columns is None else frame.select(columns))


def _sealed_name(path: Path, data: bytes) -> str:
    try:
        return seal(path, data).name
    except FileNotFoundError:
        raise
    except OSError:  # a store that can only be read stays as it is
        return path.name


def _parse(path: StorePath, data: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
    try:
        if columns is not None:
            return pl.read_parquet(data, columns=list(columns))
        return pl.read_parquet(data, schema=VOTES, missing_columns="insert")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        raise _damaged(path, f"it is no Parquet file of votes, says Polars: {_first_line(error)}") from error


def refuse_faults(path: StorePath, votes: pl.DataFrame, fingerprint: str, labels: LabelSet | None) -> None:
    """Reject votes that no reader can have given.

    Raises:
        DamageError: as `find_fault` says.
    """
    fault = find_fault(votes, fingerprint, labels)
    if fault is not None:
        raise _damaged(path, fault)


def find_fault(votes: pl.DataFrame, fingerprint: str, labels: LabelSet | None) -> str | None:
    """What is wrong with the content of votes; None if nothing is.

    Args:
        votes: frame of schema `VOTES`.
        fingerprint: of the reader whose votes these should be.
        labels: its label set, if it is known.
    """
    for name, allowed in (
        ("labeler", [fingerprint]),
        ("arm", get_args(Arm)),
        ("failure", [*get_args(Failure), None]),
        ("label", None if labels is None or labels.of_question else [*labels, None]),
    ):
        strange = [] if allowed is None else [one for one in votes[name].unique().to_list() if one not in allowed]
        if strange:
            return f"it has a vote with the {name} {strange[0]!r}"
    if (votes["label"].is_null() == votes["failure"].is_null()).any():
        return "it has a vote with both a label and a failure, or neither"
    return None


def _masses(votes: pl.DataFrame) -> pl.Series:
    return pl.concat([votes["probabilities"].explode(), votes["outside_mass"]]).drop_nulls()


def _damaged(path: StorePath, found: str) -> DamageError:
    return DamageError(Damage(path, found, EFFECT))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
