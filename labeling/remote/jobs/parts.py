"""The parts of a batch job on disk: one folder per part, so that a job continues where it stopped, on any machine.

A part's folder is inside the ledger's folder, next to the votes that it will give. It holds the requests as they are
uploaded, the keys of the votes they ask for, and how far the part has come. It appears whole by a rename; its state is
replaced whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import polars as pl

from corpora.errors import InputError
from corpora.storage import read_frame, write_frame
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.requests import batch_line, output_limit
from labeling.remote.spending import Usage, estimate, estimate_body
from labeling.votes.vote import KEY, VOTES, Prompt, VoteKey

# planned: on disk only. uploaded: the provider has the file. creating: a batch is being created, or was created without
# our hearing of it. created: the provider works on it. finished: it had ended at the last look. collected: the ledger
# has its results, after the provider's final word. forgotten: the user gave it up.
Step = Literal["planned", "uploaded", "creating", "created", "finished", "collected", "forgotten"]
OPEN: tuple[Step, ...] = ("planned", "uploaded", "creating", "created", "finished")

STATE, REQUESTS, KEYS = "state.json", "requests.jsonl", "keys.parquet"
_KEYS = pl.Schema({name: VOTES[name] for name in (*KEY[1:], "question_id")})


@dataclass
class Part:
    """A part of a job, as recorded in its `state.json`.

    Attributes:
        folder: the part's folder.
        id: digest of its requests and of the attempt.
        attempt: number of the attempt: 1 for the first parts planned, one more each time new parts are planned.
        n_requests: number of requests, one per line.
        n_bytes: size of the requests file.
        worst: most tokens of all requests together: requests, input, output.
        step: how far it has come.
        tries: how often a batch was created from it; above 1 if the provider failed one as a whole.
        file_id: the provider's id for the requests file.
        batch_id: the provider's id for the batch.
        status: the provider's word for the state of the batch.
        counts: what collecting it found: votes, refused, duplicates, unknown, broken, unanswered.
        created_at: when the batch was created, in seconds since 1970, as the provider says.
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
        """The tag that names the batch at the provider: one batch per tag."""
        return f"{self.id}.{self.tries}"

    @property
    def is_open(self) -> bool:
        """Whether votes may still come from it."""
        return self.step in OPEN

    @property
    def is_under_way(self) -> bool:
        """Whether the provider has it and has not given its results yet."""
        return self.step in ("created", "finished")

    @property
    def may_have_a_batch(self) -> bool:
        """Whether the provider works on it, has worked on it, or was last asked to."""
        return self.step in ("creating", "created", "finished")

    @property
    def worst_usage(self) -> Usage:
        """Tokens of all requests, at most."""
        return Usage(*self.worst)

    def move(self, step: Step, **changes: Any) -> None:
        """Take the next step, first on disk and then in memory.

        Raises:
            InputError: the disk is full or not writable.
        """
        changed = {**self.as_json(), "step": step, **changes}
        write_json(self.folder / STATE, changed)
        for name, value in changed.items():
            setattr(self, name, value)

    def vote_keys(self) -> dict[str, VoteKey]:
        """The keys of the votes that its requests ask for, by custom id."""
        frame = read_frame(self.folder / KEYS)
        keys = (VoteKey(*row) for row in frame.select(VoteKey._fields).iter_rows())
        return {key.id: key for key in keys}

    def worst_of(self, config: LabelerConfig, names: Collection[str]) -> Usage:
        """Tokens of some of its requests, by custom id, at most; of all of them if its requests cannot be read."""
        try:
            rows = map(json.loads, (self.folder / REQUESTS).read_bytes().splitlines())
            bodies = [row["body"] for row in rows if row["custom_id"] in names]
        except (OSError, ValueError, KeyError):
            return self.worst_usage
        return reduce(Usage.plus, (estimate_body(body, output_limit(config)) for body in bodies), Usage())

    def reload(self) -> Part | None:
        """The part as it is on disk now; None if another run has taken it back."""
        try:
            return _load(self.folder / STATE)
        except FileNotFoundError:
            return None

    def forget_requests(self) -> None:
        """Delete what is only needed until the results are there; keys and state stay."""
        for name in (REQUESTS, *(f"{kind}.jsonl" for kind in ("output", "error"))):
            (self.folder / name).unlink(missing_ok=True)

    def drop(self) -> None:
        """Take back a part that has no batch; if this breaks off, the part is there whole or not at all."""
        gone = self.folder.with_name(f".dropped-{self.id}")
        shutil.rmtree(gone, ignore_errors=True)
        self.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def as_json(self) -> dict[str, Any]:
        """Its state as JSON types."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}


def load_parts(folder: Path) -> list[Part]:
    """All parts of a reader, in order of their attempts.

    Raises:
        InputError: a state file is not as Tercet wrote it.
    """
    parts = []
    for file in sorted(folder.glob(f"[!.]*/{STATE}")):  # the dot marks a folder that a killed run was writing
        with suppress(FileNotFoundError):  # another run has just taken it back
            parts.append(_load(file))
    return sorted(parts, key=lambda part: (part.attempt, part.id))


def _load(file: Path) -> Part:
    try:
        return Part(file.parent, **json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        found = f"{file} is not the state of a batch ({error})"
        raise InputError(found, "the file as Tercet wrote it", "restore it from a backup") from error


def plan_parts(folder: Path, config: LabelerConfig, prompts: Iterable[Prompt], attempt: int) -> Iterator[Part]:
    """Write prompts into parts, no larger than the reader's limits; memory holds the keys of one part.

    Args:
        folder: folder of the reader's parts.
        config: the reader.
        prompts: prompts, each vote once.
        attempt: number that enters a part's id, so that the same requests can be made again.

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
                f"at most {remote.bytes_per_batch} bytes (remote.bytes_per_batch)",
                "shorten the document, or raise the limit if the provider allows it",
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
    """A part that is being written, in a folder that nobody reads yet."""

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
            write_frame(self._making / KEYS, pl.DataFrame(self.keys, schema=_KEYS, orient="row"))
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
