"""The folder of a run that is being made: beside the finished one of its name, whose place it takes when sealed."""

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
from corpora.storage import StorePath, files_in, sha256_file, write_frame, written_whole
from results.store.finished import FORMAT, MANIFEST, SEAL, manifest_digest, read_manifest
from results.store.replacing import begin, current, give_up, take_place

# What can change a number.
PACKAGES = (
    *("tercet", "llama-cpp-python", "sentence-transformers", "torch", "faiss-cpu", "tokenizers", "numpy", "polars"),
    *("scikit-learn", "scipy", "ir-measures", "semantic-text-splitter", "sentencex", "py3langid"),
    *("openvino", "onnxruntime"),
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
        sealed = {**manifest, SEAL: manifest_digest(manifest)}
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
