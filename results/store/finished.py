"""Finished runs, read and checked: manifests and tables carry digests, so that damage and mixtures are noticed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from corpora.errors import InputError
from corpora.reading.damage import Damage
from corpora.storage import StorePath, entries, parse_frame, sha256_bytes, sha256_text
from results.store.replacing import current

MANIFEST = "manifest.json"
REPORT = "report.md"
EFFECT = "the run counts as not finished; its votes are kept, so running the experiment again asks nothing"
SEAL = "manifest_sha256"  # the entry that holds the digest of all others
FORMAT = 3  # of the tables; raised when a report could not be rendered from older ones


def read_manifest(folder: StorePath) -> dict[str, Any]:
    """Manifest of a complete run.

    Raises:
        InputError: no such folder, or the run in it is not complete.
    """
    file = current(folder, MANIFEST) / MANIFEST
    if not file.is_file():
        state = "is not a complete run (no manifest.json)" if folder.is_dir() else "does not exist"
        raise InputError(
            f"{folder} {state}", "the folder of a finished run", "check the path, or finish the run with `tercet run`"
        )
    return parse_manifest(file, file.read_bytes())


def parse_manifest(file: StorePath, content: bytes) -> dict[str, Any]:
    """The manifest of a complete run, from the content of its file.

    Raises:
        InputError: it is damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads(content.decode("utf-8"))
    except ValueError as error:
        raise InputError(
            f"{file} does not parse ({error})", "the manifest of a run", "run the experiment again"
        ) from error
    kinds = {"name": str, "kind": str, "tables": dict, "sessions": list}
    if not isinstance(manifest, dict) or not all(isinstance(manifest.get(name), of) for name, of in kinds.items()):
        raise InputError(f"{file} lacks entries of a manifest", "the manifest of a run", "run the experiment again")
    digest = manifest.pop(SEAL, None)  # a version before wrote none
    if digest is not None and digest != manifest_digest(manifest):
        raise InputError(
            f"{file} is damaged (its content does not have the digest in it)",
            "the manifest as it was written",
            "run the experiment again; its votes are kept",
        )
    return manifest


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """The digest of everything that a manifest says."""
    return sha256_text(json.dumps(json.loads(json.dumps(manifest)), sort_keys=True))


def check_format(folder: StorePath, manifest: Mapping[str, Any]) -> None:
    """Refuse a run whose tables another version wrote in another form.

    Raises:
        InputError: as said.
    """
    found = manifest.get("format", 1)
    # Only tables of sweeps changed with the last format.
    if found != FORMAT and not (found == FORMAT - 1 and "cells.parquet" not in manifest["tables"]):
        raise InputError(
            f"{folder} holds tables of format {found}",
            f"format {FORMAT}",
            "run the experiment again; its votes are kept",
        )


def read_tables(folder: StorePath, manifest: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """The tables of a complete run by name.

    Raises:
        InputError: a table is missing, or is not the one that the manifest lists.
    """
    place = current(folder, MANIFEST)

    def read(name: str) -> bytes | None:
        return (place / name).read_bytes() if (place / name).is_file() else None

    return parse_tables(place, manifest, read)


def parse_tables(
    place: StorePath, manifest: Mapping[str, Any], read: Callable[[str], bytes | None]
) -> dict[str, pl.DataFrame]:
    """The tables that a manifest lists.

    Args:
        place: folder that they are in.
        manifest: lists them.
        read: gives the content of a file of that folder; None if there is none.

    Raises:
        InputError: as in `read_tables`.
    """
    frames = {}
    for name, digest in manifest["tables"].items():
        file, content = place / name, read(name)
        if content is None or sha256_bytes(content) != digest:
            state = "is missing" if content is None else "is not the file that the manifest names"
            raise InputError(
                f"{file} {state}", f"a file with sha256 {digest}", "run the experiment again; its votes are kept"
            )
        frames[file.stem] = parse_frame(content)
    return frames


def damaged_runs(store: StorePath) -> Iterator[Damage]:
    """Every finished run of a store whose manifest or tables are not as they were written."""
    for folder in entries(store):
        file = current(folder, MANIFEST) / MANIFEST
        if file.is_file():
            try:
                read_tables(folder, read_manifest(folder))
            except InputError as error:
                yield Damage(file, error.found, EFFECT)
