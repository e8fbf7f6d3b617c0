"""Recorded votes: a bundled ledger, so that an experiment can be tried in seconds and without its models."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from corpora.errors import InputError
from corpora.reading.strict_toml import as_toml
from corpora.schema import LabelSet
from corpora.storage import StorePath, sha256_text, written_whole
from flows.session.experiment import EXPERIMENTS, ReaderConfig
from flows.session.session import Session
from flows.session.workspace import Workspace
from labeling.engine.recorded import Recorded, RecordedReaders
from labeling.prompting.labeler import Scoring
from labeling.votes.storage.shards import write_shard
from labeling.votes.vote import Vote

DESCRIPTION = "recording.toml"
SHARDS = "*/*.parquet"


class RecordedModel(BaseModel):
    """A model whose votes were recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    sha256: str
    scoring: Scoring


class Recording(BaseModel):
    """What was recorded, when, and with what.

    Attributes:
        recorded: the day.
        machine: the machine, in words.
        tercet: Tercet's version.
        models: the models that were asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recorded: date
    machine: str
    tercet: str
    models: tuple[RecordedModel, ...]


def recording_of(name: str) -> Path:
    """The folder of the recording of a bundled experiment."""
    return EXPERIMENTS / "recorded" / name


def read_recording(folder: Path) -> Recording:
    """The description of a recording."""
    return Recording.model_validate(tomllib.loads((folder / DESCRIPTION).read_text("utf-8")))


def open_recording(folder: Path, workspace: Workspace, remedy: str) -> Session:
    """A session that answers from a recording, whose ledger in the store is apart from what was asked or recorded else.

    A shard there that is not as it was recorded is replaced: the recording itself is what counts.

    Args:
        folder: of `recording_of`.
        workspace: the store.
        remedy: what to do where the recording lacks a vote.
    """
    recording = read_recording(folder)
    apart = workspace._replace(recorded=_identity(folder), recorded_line=_line(recording))
    for shard in sorted(folder.glob(SHARDS)):
        _copy(shard, apart.ledger / shard.parent.name / shard.name)
    models = {one.model: Recorded(one.sha256, one.scoring) for one in recording.models}
    return Session(apart, RecordedReaders(models, recording.recorded, remedy))


def _identity(folder: Path) -> str:
    """Digest of all that was recorded; the names of shards carry the digests of their content."""
    names = sorted(shard.name for shard in folder.glob(SHARDS))
    return sha256_text("\n".join([(folder / DESCRIPTION).read_text("utf-8"), *names]))


def _line(recording: Recording) -> str:
    models = " and ".join(one.model for one in recording.models)
    return (
        f"The votes and answers of {models} were recorded on {recording.recorded:%d %B %Y} ({recording.machine}); no "
        "reader was asked on this machine."
    )


def _copy(shard: Path, target: StorePath) -> None:
    content = shard.read_bytes()
    if target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(target) as file:
        file.write(content)


def record(session: Session, readers: Sequence[ReaderConfig], labels: LabelSet, folder: Path, machine: str) -> None:
    """Write a recording of all that a store's ledgers hold of some readers.

    Args:
        session: of the store.
        readers: those to record; their models have names in the registry.
        labels: their label set.
        folder: where it goes; what is there is replaced.
        machine: the machine that they were asked on, in words.

    Raises:
        InputError: two readers of one model are scored by different versions of the rule.
    """
    models = _scoring(session, readers, labels)
    shutil.rmtree(folder, ignore_errors=True)
    for reader in readers:
        for fingerprint in {session.fingerprint(config, labels) for config in (reader, reader.as_reader())}:
            votes = session.ledger_of(fingerprint, labels).votes()
            write_shard(folder / fingerprint, (Vote(**row) for row in votes.iter_rows(named=True)))
    lines = [f"recorded = {datetime.now(UTC).date()}", *_keys(machine=machine, tercet=version("tercet"))]
    for model, scoring in models.items():
        sha256 = session.readers.sha256(model)
        lines += ["", "[[models]]", *_keys(model=model, sha256=sha256, scoring=scoring)]
    (folder / DESCRIPTION).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _scoring(session: Session, readers: Sequence[ReaderConfig], labels: LabelSet) -> dict[str, Scoring]:
    """The version of the scoring rule by model, as a recording describes it."""
    found: dict[str, Scoring] = {}
    for reader in readers:
        scoring = session.readers.scoring(reader, labels)
        if found.setdefault(reader.model, scoring) != scoring:
            raise InputError(
                f"readers of {reader.model} are scored by {found[reader.model]} and by {scoring}",
                "a single version of the scoring rule for a model",
                "record these readers apart",
            )
    return found


def _keys(**values: str) -> list[str]:
    return [f"{key} = {as_toml(value)}" for key, value in values.items()]
