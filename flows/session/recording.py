"""Recorded votes: a bundled ledger, so that an experiment can be tried in seconds and without its models."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from corpora.storage import StorePath, sha256_text, written_whole
from flows.session.experiment import EXPERIMENTS
from flows.session.session import Session
from flows.session.workspace import Workspace
from labeling.engine.recorded import Recorded, RecordedReaders
from labeling.prompting.labeler import Scoring

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
    """A session that answers from a recording. It has a ledger of its own in the store, apart from what was asked.

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
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(target) as file:
        file.write(shard.read_bytes())


def described(models: Iterable[RecordedModel], machine: str, tercet: str, on: date) -> str:
    """The text of a `recording.toml`."""
    lines: list[Any] = [f"recorded = {on}", f'machine = "{machine}"', f'tercet = "{tercet}"']
    for one in models:
        lines += ["", "[[models]]", *(f'{name} = "{value}"' for name, value in one)]
    return "\n".join(lines) + "\n"
