"""The run store: a folder for each run, tables first, `manifest.json` last; without a manifest it is not complete.

A run that is made again is written beside the finished one and takes its place once it is sealed. The manifest holds
the digests of the tables and its own, so that damage and mixtures are noticed.
"""

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

from corpora.damage import Damage
from corpora.errors import InputError
from corpora.storage import (
    StorePath,
    entries,
    files_in,
    parse_frame,
    sha256_bytes,
    sha256_file,
    sha256_text,
    write_frame,
    written_whole,
)
from results.replacing import begin, current, give_up, take_place

MANIFEST = "manifest.json"
REPORT = "report.md"
EFFECT = "the run counts as not finished; its votes are kept, so running the experiment again asks nothing"
SEAL = "manifest_sha256"  # the entry that holds the digest of all others
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
        self._work: StorePath | None = None

    @property
    def is_complete(self) -> bool:
        """Whether a manifest seals the run."""
        return (current(self.path, MANIFEST) / MANIFEST).is_file()

    @property
    def work(self) -> StorePath:
        """The folder that is being written; it is where the run will be once it is sealed."""
        return self._work or self.path

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from writing this run; they wait. Only a folder on this machine has locks.

        Raises:
            InputError: the store cannot be written.
        """
        if not isinstance(self.path, Path):
            try:
                yield
            finally:
                self.give_up()
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
            self.give_up()
            lock.release()

    def begin(self) -> None:
        """Begin to write; a finished run of this name stays as it is until this one is sealed.

        Raises:
            InputError: the folder cannot be made, or what a killed run left cannot be removed.
        """
        try:
            if self.path.is_file():
                raise FileExistsError(errno.EEXIST, "a file has the name of the run's folder")
            self._work = begin(self.path, MANIFEST)
        except OSError as error:
            raise unwritable(self.path, error) from error
        with contextlib.suppress(InputError):  # no manifest, or one that an older version wrote
            self._earlier = list(read_manifest(self.path)["sessions"])

    def give_up(self) -> None:
        """Remove what was written since `begin`, unless it was sealed."""
        if self._work is not None:
            give_up(self._work)
            self._work = None

    def write_table(self, name: str, frame: pl.DataFrame) -> None:
        """Write a table as Parquet, whole or not at all.

        Raises:
            InputError: the disk is full or not writable.
        """
        try:
            write_frame(self.work / f"{name}.parquet", frame)
        except (OSError, pl.exceptions.ComputeError) as error:
            raise unwritable(self.path / f"{name}.parquet", error) from error

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, whole or not at all.

        Raises:
            InputError: the disk is full or not writable.
        """
        try:
            with written_whole(self.work / name) as file:
                file.write(text.encode())
        except OSError as error:
            raise unwritable(self.path / name, error) from error

    def complete(self, manifest: Mapping[str, Any], session: Mapping[str, Any]) -> dict[str, Any]:
        """The whole manifest: what the run is, the digests of its tables, and the sessions that made it.

        Args:
            manifest: what the run is.
            session: when and how long this session worked; earlier ones of a finished run are kept before it.
        """
        tables = {file.name: sha256_file(file) for file in files_in(self.work, "*.parquet")}
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
        """Write the manifest, and put the run in the place of its predecessor; it is complete from here on.

        Raises:
            InputError: the disk is full or not writable; then the predecessor is still there.
        """
        sealed = {**manifest, SEAL: _digest_of(manifest)}
        self.write_text(MANIFEST, json.dumps(sealed, indent=2, ensure_ascii=False) + "\n")
        if self._work is not None:
            try:
                take_place(self._work, self.path, MANIFEST)
            except OSError as error:
                raise unwritable(self.path, error) from error
            self._work = None


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
    file = current(folder, MANIFEST) / MANIFEST
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
    kinds = {"name": str, "kind": str, "tables": dict, "sessions": list}
    if not isinstance(manifest, dict) or not all(isinstance(manifest.get(name), of) for name, of in kinds.items()):
        raise InputError(f"{file} lacks entries of a manifest", "the manifest of a run", "run the experiment again")
    digest = manifest.pop(SEAL, None)  # a version before wrote none
    if digest is not None and digest != _digest_of(manifest):
        raise InputError(
            f"{file} is damaged (its content does not have the digest in it)",
            "the manifest as it was written",
            "run the experiment again; its votes are kept",
        )
    return manifest


def _digest_of(manifest: Mapping[str, Any]) -> str:
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
    frames, place = {}, current(folder, MANIFEST)
    for name, digest in manifest["tables"].items():
        file = place / name
        content = file.read_bytes() if file.is_file() else b""
        if sha256_bytes(content) != digest:
            state = "is not the file that the manifest names" if file.is_file() else "is missing"
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
