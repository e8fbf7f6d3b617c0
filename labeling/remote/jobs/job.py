"""Where a batch job is and whose it is, written down so that any machine with the store can continue it."""

from __future__ import annotations

import json
from pathlib import Path

from filelock import FileLock

from corpora.errors import InputError
from corpora.schema import LabelSet
from corpora.storage import StorePath, require_folder
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.jobs.parts import write_json
from labeling.votes.ledger import Ledger

LABELER = "labeler.json"
BATCH = "batch"  # folder of a reader's batch job, inside its ledger's folder
PAID = "paid readers (its locks keep two runs from paying twice)"


def batch_folder(ledger_folder: StorePath) -> Path:
    """Folder of the batch job of a reader, inside its ledger's folder.

    Raises:
        InputError: the ledger is on another file system, which has neither locks nor atomic renames.
    """
    return require_folder(ledger_folder / BATCH, PAID)


def direct_lock(ledger: Ledger) -> FileLock:
    """The lock held by whoever asks a reader call by call, for as long as one shard takes."""
    folder = require_folder(ledger.folder, PAID)
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / ".direct.lock")


def write_labeler(folder: Path, config: LabelerConfig, labels: LabelSet) -> None:
    """Write down whose batch job a folder holds, with the name of the key's variable and never the key.

    Raises:
        InputError: the disk is full or not writable.
    """
    write_json(folder / LABELER, {"config": config.model_dump(mode="json"), "labels": list(labels)})


def read_labeler(folder: Path) -> tuple[LabelerConfig, LabelSet]:
    """Whose batch job a folder holds, as the run that submitted it wrote it down.

    Raises:
        InputError: the file is missing, or is not as Tercet wrote it.
    """
    file = folder / LABELER
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        config = {name: value for name, value in content["config"].items() if name in LabelerConfig.model_fields}
        return LabelerConfig.model_validate(config), LabelSet(tuple(content["labels"]))
    except (OSError, ValueError, KeyError) as error:
        found = f"{file} does not describe a reader ({error})"
        raise InputError(found, "the file as Tercet wrote it", "submit the job again") from error
