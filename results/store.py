"""The run store: a folder for each run, tables first, `manifest.json` last; without a manifest it is not complete."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock

from corpora.errors import InputError
from corpora.storage import StorePath, files_in, read_frame, sha256_file, write_frame, written_whole

MANIFEST = "manifest.json"
REPORT = "report.md"
FORMAT = 3  # of the tables; raised when a report could not be rendered from older ones
# What can change a number.
PACKAGES = (
    *("tercet", "llama-cpp-python", "sentence-transformers", "torch", "faiss-cpu", "tokenizers", "numpy", "polars"),
    *("scikit-learn", "scipy", "ir-measures", "semantic-text-splitter", "sentencex"),
    *("openvino", "onnxruntime", "bm25s"),
)


class RunFolder:
    """The folder of one run, named by the experiment and a digest of its config and of what it reads.

    Args:
        store: folder of all runs.
        name: the experiment's name.
        config: the whole config, as JSON types.
        inputs: digest of every input by name, so that the same config on other data is another run.
    """

    def __init__(self, store: StorePath, name: str, config: Mapping[str, Any], inputs: Mapping[str, str]) -> None:
        self.config = dict(config)
        identity = json.dumps([config, dict(inputs)], sort_keys=True)
        self.path = store / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
        self._earlier: list[Any] = []

    @property
    def is_complete(self) -> bool:
        """Whether a manifest seals the run."""
        return (self.path / MANIFEST).is_file()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from writing this run; they wait. Only a folder on this machine has locks.

        Raises:
            InputError: the store cannot be written.
        """
        if not isinstance(self.path, Path):
            yield
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
            lock.acquire()
        except OSError as error:
            raise unwritable(self.path, error) from error
        try:
            yield
        finally:
            lock.release()

    def begin(self) -> None:
        """Make the folder; the manifest of an earlier run is removed first, then its tables.

        Raises:
            InputError: the folder cannot be made or emptied.
        """
        with contextlib.suppress(InputError):  # no manifest, or one that an older version wrote
            self._earlier = list(read_manifest(self.path)["sessions"])
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / MANIFEST).unlink(missing_ok=True)
            for stale in (*files_in(self.path, "*.parquet"), *files_in(self.path, ".*.partial")):
                stale.unlink()
        except OSError as error:
            raise unwritable(self.path, error) from error

    def write_table(self, name: str, frame: pl.DataFrame) -> None:
        """Write a table as Parquet, whole or not at all.

        Raises:
            InputError: the disk is full or not writable.
        """
        target = self.path / f"{name}.parquet"
        try:
            write_frame(target, frame)
        except (OSError, pl.exceptions.ComputeError) as error:
            raise unwritable(target, error) from error

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, whole or not at all.

        Raises:
            InputError: the disk is full or not writable.
        """
        target = self.path / name
        try:
            with written_whole(target) as file:
                file.write(text.encode())
        except OSError as error:
            raise unwritable(target, error) from error

    def complete(self, manifest: Mapping[str, Any], session: Mapping[str, Any]) -> dict[str, Any]:
        """The whole manifest: what the run is, the digests of its tables, and the sessions that made it.

        Args:
            manifest: what the run is.
            session: when and how long this session worked; earlier ones of a finished run are kept before it.
        """
        tables = {file.name: sha256_file(file) for file in files_in(self.path, "*.parquet")}
        sessions = [*self._earlier, dict(session)]
        return {
            **manifest,
            "format": FORMAT,
            "config": self.config,
            "tables": tables,
            "packages": package_versions(),
            "sessions": sessions,
        }

    def seal(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest; the run is complete from here on."""
        self.write_text(MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def unwritable(target: StorePath, error: Exception) -> InputError:
    """The one line for a file that could not be written."""
    full = (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in str(error)
    what = "the disk is full" if full else str(error)
    return InputError(
        f"cannot write {target} ({what})",
        "a writable folder with free space",
        "free some space or make the folder writable, then run again",
    )


def read_manifest(folder: StorePath) -> dict[str, Any]:
    """Manifest of a complete run.

    Raises:
        InputError: no such folder, or the run in it is not complete.
    """
    file = folder / MANIFEST
    if not file.is_file():
        state = "is not a complete run (no manifest.json)" if folder.is_dir() else "does not exist"
        raise InputError(
            f"{folder} {state}", "the folder of a finished run", "check the path, or finish the run with `tercet run`"
        )
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{file} does not parse ({error})", "the manifest of a run", "run the experiment again"
        ) from error
    if not isinstance(manifest, dict) or not {"name", "kind", "tables", "sessions"} <= manifest.keys():
        raise InputError(f"{file} lacks entries of a manifest", "the manifest of a run", "run the experiment again")
    return manifest


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
    frames = {}
    for name, digest in manifest["tables"].items():
        file = folder / name
        if not file.is_file() or sha256_file(file) != digest:
            state = "is not the file that the manifest names" if file.is_file() else "is missing"
            raise InputError(
                f"{file} {state}", f"a file with sha256 {digest}", "run the experiment again; its votes are kept"
            )
        frames[file.stem] = read_frame(file)
    return frames


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def machine() -> dict[str, Any]:
    """What the timings of a run depend on."""
    import platform

    return {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
