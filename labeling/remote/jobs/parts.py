"""The parts of a batch job on disk: one folder a part, so that a job goes on wherever it was left, on any machine.

A part's folder lies in the ledger's, beside the votes that it will give. It holds the requests as they are uploaded,
whose votes they are, and how far the part has come. It appears whole by rename; its state is replaced whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from corpora.errors import InputError
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.requests import batch_line
from labeling.remote.spending import Usage, estimate
from labeling.votes.vote import KEY, VOTES, Prompt, VoteKey

# planned: on disk only. uploaded: the provider has the file. creating: a batch is being made, or was without our
# knowing. created: the provider works on it. finished: its results are to be fetched. collected: the ledger has them.
# forgotten: the user gave it up.
Step = Literal["planned", "uploaded", "creating", "created", "finished", "collected", "forgotten"]
OPEN: tuple[Step, ...] = ("planned", "uploaded", "creating", "created", "finished")

STATE, REQUESTS, KEYS = "state.json", "requests.jsonl", "keys.parquet"
_KEYS = pl.Schema({name: VOTES[name] for name in (*KEY[1:], "question_id")})


@dataclass
class Part:
    """A part of a job, as its `state.json` has it.

    Attributes:
        folder: where it lies.
        id: digest of its requests and of the attempt.
        attempt: of the job: 1 for the first parts that were planned, one more each time that new ones were.
        n_requests: lines.
        n_bytes: of the requests file.
        worst: tokens of all requests at most: requests, input, output.
        step: how far it has come.
        tries: how often a batch was made of it; above 1 where the provider failed one as a whole.
        file_id: the provider's id of the requests file.
        batch_id: the provider's id of the batch.
        status: the provider's word for how the batch stands.
        counts: what collecting it found: votes, refused, duplicates, unknown, broken, unanswered.
        created_at: when the batch was made, seconds since 1970, as the provider says.
    """

    folder: Path
    id: str
    attempt: int
    n_requests: int
    n_bytes: int
    worst: list[int]
    step: Step = "planned"
    tries: int = 1
    file_id: str | None = None
    batch_id: str | None = None
    status: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    created_at: int | None = None

    @property
    def tag(self) -> str:
        """What the batch is known by at the provider: one batch a tag."""
        return f"{self.id}.{self.tries}"

    @property
    def is_open(self) -> bool:
        """Whether votes may still come of it."""
        return self.step in OPEN

    @property
    def is_under_way(self) -> bool:
        """Whether the provider has it and has not given its results yet."""
        return self.step in ("created", "finished")

    @property
    def may_have_a_batch(self) -> bool:
        """Whether the provider works on it, did, or was asked to when we last heard."""
        return self.step in ("creating", "created", "finished")

    @property
    def worst_usage(self) -> Usage:
        """Tokens of all requests, at most."""
        return Usage(*self.worst)

    def move(self, step: Step, **changes: Any) -> None:
        """Take the next step, on disk before in memory.

        Raises:
            InputError: the disk is full or not writable.
        """
        changed = {**self.as_json(), "step": step, **changes}
        write_json(self.folder / STATE, changed)
        for name, value in changed.items():
            setattr(self, name, value)

    def vote_keys(self) -> dict[str, VoteKey]:
        """Whose votes its requests are, by custom id."""
        frame = pl.read_parquet(self.folder / KEYS)
        keys = (VoteKey(*row) for row in frame.select(VoteKey._fields).iter_rows())
        return {key.id: key for key in keys}

    def forget_requests(self) -> None:
        """Delete what is only needed until the results are there; keys and state stay."""
        for name in (REQUESTS, *(f"{kind}.jsonl" for kind in ("output", "error"))):
            (self.folder / name).unlink(missing_ok=True)

    def drop(self) -> None:
        """Take a part back that has no batch; whatever breaks meanwhile, it is there whole or not at all."""
        gone = self.folder.with_name(f".dropped-{self.id}")
        shutil.rmtree(gone, ignore_errors=True)
        self.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def as_json(self) -> dict[str, Any]:
        """Its state as JSON types."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}


def load_parts(folder: Path) -> list[Part]:
    """All parts of a labeler, in order of their attempts.

    Raises:
        InputError: a state file that is none.
    """
    parts = []
    for file in sorted(folder.glob(f"[!.]*/{STATE}")):  # what a killed run was making begins with a dot
        try:
            parts.append(Part(file.parent, **json.loads(file.read_text(encoding="utf-8"))))
        except FileNotFoundError:  # another run has just taken it back
            continue
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{file} is not the state of a batch ({error})", "what Tercet wrote", "restore it from a backup"
            ) from error
    return sorted(parts, key=lambda part: (part.attempt, part.id))


def plan_parts(folder: Path, config: LabelerConfig, prompts: Iterable[Prompt], attempt: int) -> Iterator[Part]:
    """Write prompts into parts, no larger than the labeler's limits; memory holds the keys of one part.

    Args:
        folder: of the labeler's parts.
        config: the labeler.
        prompts: each vote once.
        attempt: counts in a part's id, so that the same requests can be made again.

    Raises:
        InputError: one request is larger than a file may be, or the disk is full.
    """
    remote = config.remote
    writer: _PartWriter | None = None
    for prompt in prompts:
        line = batch_line(config, prompt)
        if len(line) > remote.bytes_per_batch:
            raise InputError(
                f"the request of question {prompt.question_id!r} has {len(line)} bytes",
                f"at most {remote.bytes_per_batch} (remote.bytes_per_batch)",
                "shorten the document, or raise the limit where the provider allows it",
            )
        is_full = writer is not None and (
            len(writer.keys) >= remote.requests_per_batch or writer.n_bytes + len(line) > remote.bytes_per_batch
        )
        if writer is not None and is_full:
            yield writer.close(attempt)
            writer = None
        writer = writer or _PartWriter(folder)
        writer.add(line, prompt.key, estimate(config, prompt))
    if writer is not None:
        yield writer.close(attempt)


class _PartWriter:
    """A part in the making, in a folder that no one looks at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making = folder / f".making-{os.getpid()}"
        self.keys: list[VoteKey] = []
        self.n_bytes = 0
        self._worst = Usage()
        self._digest = hashlib.blake2b(digest_size=12)
        try:
            shutil.rmtree(self._making, ignore_errors=True)
            self._making.mkdir(parents=True)
            self._file = (self._making / REQUESTS).open("wb")
        except OSError as error:
            raise _unwritable(self._making, error) from error

    def add(self, line: bytes, key: VoteKey, worst: Usage) -> None:
        try:
            self._file.write(line)
        except OSError as error:
            raise _unwritable(self._making, error) from error
        self._digest.update(line)
        self.keys.append(key)
        self.n_bytes += len(line)
        self._worst = self._worst.plus(worst)

    def close(self, attempt: int) -> Part:
        self._digest.update(f"attempt {attempt}".encode())
        name = self._digest.hexdigest()
        part = Part(self._folder / name, name, attempt, len(self.keys), self.n_bytes, list(self._worst))
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            pl.DataFrame(self.keys, schema=_KEYS, orient="row").write_parquet(self._making / KEYS)
            write_json(self._making / STATE, part.as_json())
            self._making.rename(part.folder)
        except (OSError, pl.exceptions.ComputeError) as error:
            raise _unwritable(part.folder, error) from error
        return part


def write_json(target: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all, and durably."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _unwritable(target, error) from error


def _unwritable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"cannot write {path} ({getattr(error, 'strerror', None) or error})",
        "a writable folder with free space",
        "free some space and run again: what was submitted is kept",
    )
