"""What a store saw in a folder when it last read it: a file that has changed since is named."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from corpora.errors import counted
from corpora.reading.folders import some_of
from corpora.storage import StorePath, sha256_text, written_whole

FOLDER = "folders"  # beside the copies of converted files
LOG = logging.getLogger("tercet")


def say_changes(store: StorePath, folder: Path, inputs: Mapping[str, str]) -> None:
    """Warn of what has changed in a folder since the store last read it, and remember what it is now.

    A changed file makes another run, because a run is named by its inputs; what is known of the others is kept.

    Args:
        store: where a store keeps what was converted.
        folder: the folder of documents.
        inputs: sha256 of its files and of their texts, by name.
    """
    file = store / FOLDER / f"{sha256_text(str(folder.resolve()))[:16]}.json"
    was = _read(file)
    if was == inputs:
        return
    if was:
        names = {
            "changed": sorted(name for name in was.keys() & inputs.keys() if was[name] != inputs[name]),
            "new": sorted(inputs.keys() - was.keys()),
            "gone": sorted(was.keys() - inputs.keys()),
        }
        said = [f"{counted(len(of), 'file')} {what} ({some_of(of)})" for what, of in _whole_files(names).items() if of]
        if said:
            LOG.warning("%s since this store last read it: %s. This is another run.", folder, ", ".join(said))
    _write(file, inputs)


def _whole_files(names: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Each file once, where its text is named beside it."""
    return {what: [one for one in of if not one.endswith(" (text)")] for what, of in names.items()}


def _read(file: StorePath) -> dict[str, str]:
    """What was seen; nothing if there is no such file or it is damaged, which costs no more than a word."""
    try:
        seen = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return seen if isinstance(seen, dict) else {}


def _write(file: StorePath, inputs: Mapping[str, str]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(file) as target:
            target.write(json.dumps(dict(inputs), indent=0, ensure_ascii=False).encode())
    except OSError as error:
        LOG.warning("%s cannot be written (%s): changed files will not be named.", file, error.strerror or error)
