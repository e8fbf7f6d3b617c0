"""Where runs are kept: a folder, or an address on any file system that fsspec knows, such as s3://bucket/runs.

Files appear whole or not at all: they are written under a hidden name in the same folder and then renamed.

A path names one file, whatever signs it holds. Polars and most functions of fsspec take `*`, `?` and `[` in a path for
a pattern, so files are opened here, and copied and removed by the functions of fsspec that take paths as they are.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import io
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import polars as pl
from fsspec import get_filesystem_class
from upath import UPath

from corpora.errors import InputError, is_out_of_memory

_BLOCK = 1 << 20  # bytes read at a time


def sha256_file(path: StorePath) -> str:
    """Hex sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_bytes(content: bytes) -> str:
    """Hex sha256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def sha256_text(text: str) -> str:
    """Hex sha256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


StorePath = Path | UPath
LEFT_SECONDS = 24 * 3600.0  # no file takes this long to write, so its writer must be gone


def store_path(text: str | Path) -> StorePath:
    """A path on this machine, or on the file system that an address such as s3://bucket/runs names.

    Raises:
        InputError: fsspec does not know the file system, or the package for it is missing.
    """
    if isinstance(text, Path) or "://" not in text:
        return Path(text).expanduser()
    protocol = text.partition("://")[0]
    try:
        get_filesystem_class(protocol)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"cannot open the address {text} ({str(error).splitlines()[0]})",
            "a folder, or an address on an installed fsspec file system (s3://, gs://, sftp://)",
            "install the package for that file system, or correct the address",
        ) from error
    path = UPath(text)
    # file:///folder is a folder of this machine, with the locks that only such folders have.
    return Path(path.path) if isinstance(path, Path) or protocol in ("file", "local") else path


def open_store(text: str | Path) -> StorePath:
    """The path of a store that can be reached; the store need not exist yet, but its bucket must.

    Raises:
        InputError: as in `store_path`; also if the path is empty or a file, or its file system does not answer or has
            no such bucket.
    """
    if not str(text).strip():  # an empty path would be the current folder
        raise InputError("an empty path", "a folder, or an address such as s3://bucket/runs", "name a folder")
    if any(ord(character) < 32 for character in str(text)):
        found = f"the path {str(text)!r:.120} holds a control character"
        raise InputError(found, "a path of one line", "correct the path")
    path = store_path(text)
    if isinstance(path, UPath):
        _refuse_address(str(text), path)
    bucket = "" if isinstance(path, Path) else path.path.partition("/")[0]
    try:
        if isinstance(path, UPath) and bucket:
            path.fs.info(bucket)
        is_file = path.is_file()
    except FileNotFoundError as error:
        # Writing would create the bucket, and a slip in the address should not do that.
        found = f"the store {text} names the bucket {bucket!r}, which does not exist"
        raise InputError(found, "an existing bucket", "create the bucket, or correct the address") from error
    except Exception as error:  # each file system has its own errors
        if is_out_of_memory(error):
            raise
        reason = next(iter(str(error).splitlines()), "")
        raise InputError(
            f"the store {text} does not answer ({type(error).__name__}: {reason:.200})",
            "an address that can be reached",
            "check the address, the network and the credentials",
        ) from error
    if is_file:
        raise InputError(f"the store {text} is a file", "a folder", "give another --store")
    if isinstance(path, Path):
        refuse_loop(path)
    return path


def refuse_loop(path: Path) -> None:
    """Refuse a path that leads nowhere because its links lead in a circle; it need not lead anywhere.

    Raises:
        InputError: as said.
    """
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise circular_links(path) from error


def circular_links(path: StorePath | str) -> InputError:
    """The error for a path whose links lead round in a circle."""
    found = f"the links in the path {path} lead in a circle"
    return InputError(found, "a path that ends at a file or a folder", "correct the link, or give another path")


def _refuse_address(text: str, path: UPath) -> None:
    """Refuse an address that can be read only, or that names no more than a file system."""
    if path.protocol in ("http", "https"):
        raise InputError(
            f"the store {text} is a web address, which nothing can be written to",
            "a folder, or an address such as s3://bucket/runs",
            "give another --store",
        )
    if path.protocol != "memory" and not path.path.strip("/"):
        raise InputError(f"the store {text} names no bucket or folder", "an address such as s3://bucket/runs", "add it")


def absolute(path: StorePath) -> StorePath:
    """The same path, valid from any current folder."""
    return path.resolve() if isinstance(path, Path) else path


def is_folder(path: StorePath) -> bool:
    """Whether a path is on this machine, where files can be locked and synced to disk."""
    return isinstance(path, Path)


def require_folder(path: StorePath, purpose: str) -> Path:
    """The path, if it is on this machine.

    Args:
        path: any path.
        purpose: what needs a folder of this machine, as a noun for the message.

    Raises:
        InputError: the path is on another file system.
    """
    if not isinstance(path, Path):
        raise InputError(
            f"the store {path} is not on this machine, as required for {purpose}",
            "a folder of this machine",
            "give another --store",
        )
    return path


def forget_listings(path: StorePath) -> None:
    """Make the next look list the folder again: other machines write there too, and fsspec caches its listings."""
    if isinstance(path, UPath):
        path.fs.invalidate_cache()


def files_in(folder: StorePath, pattern: str) -> list[StorePath]:
    """The files of a folder whose names match, sorted by name; an empty list if there is no such folder.

    Args:
        folder: the folder.
        pattern: as in `fnmatch`, for the files' names alone.
    """
    return sorted((one for one in entries(folder) if fnmatch.fnmatchcase(one.name, pattern)), key=lambda one: one.name)


def entries(folder: StorePath) -> list[StorePath]:
    """The files and folders in a folder; an empty list if there is no such folder."""
    forget_listings(folder)
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextlib.contextmanager
def written_whole(target: StorePath) -> Iterator[IO[bytes]]:
    """A file to write, which appears under its name, durably, once the block has ended without an error.

    Raises:
        OSError: the file cannot be written; no part of it is left behind.
    """
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    if not isinstance(target, Path):
        content = io.BytesIO()  # sent afterwards, so that the block's errors are not taken for the file system's
        yield content
        _send(content, partial, target)
        return
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        move(partial, target)
    except BaseException:
        with contextlib.suppress(OSError):
            remove(partial)
        raise


def _send(content: io.BytesIO, partial: StorePath, target: StorePath) -> None:
    """Write a file on another file system, each of which has its own errors for a lost network."""
    try:
        with partial.open("wb") as file:
            file.write(content.getbuffer())
        move(partial, target)
    except BaseException as error:
        with contextlib.suppress(Exception):
            remove(partial)
        if isinstance(error, OSError | MemoryError) or not isinstance(error, Exception):
            raise
        raise OSError(f"{type(error).__name__}: {error}") from error


def remove_leftovers(folder: StorePath) -> None:
    """Remove files that killed processes left half written, anywhere below a folder of this machine."""
    if not isinstance(folder, Path):
        return
    for partial in folder.rglob(f".*.{'[0-9a-f]' * 8}.partial"):
        with contextlib.suppress(OSError):  # already gone, or not ours to remove
            if time.time() - partial.stat().st_mtime > LEFT_SECONDS:
                partial.unlink()


def move(source: StorePath, target: StorePath) -> None:
    """Rename a file or folder within one file system; a file that has the name already is replaced.

    On an object store only a file can be renamed.

    Raises:
        OSError: it cannot be renamed.
    """
    if isinstance(source, Path) and isinstance(target, Path):
        if target.exists() and not (target.is_file() or target.is_dir()):  # /dev/null is not to be replaced
            raise OSError(errno.EEXIST, "neither a file nor a folder", str(target))
        source.replace(target)
    elif isinstance(source, UPath) and isinstance(target, UPath):
        source.fs.cp_file(source.path, target.path)
        source.fs.rm_file(source.path)


def remove(path: StorePath) -> None:
    """Remove a file, or a folder with all that is in it; nothing happens if there is none.

    Raises:
        OSError: it cannot be removed.
    """
    if isinstance(path, Path):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return
    forget_listings(path)
    for file in path.fs.find(path.path) if path.fs.isdir(path.path) else [path.path]:
        with contextlib.suppress(FileNotFoundError):
            path.fs.rm_file(file)
    with contextlib.suppress(OSError, NotImplementedError):  # an object store has no folders
        path.fs.rmdir(path.path)


def write_frame(target: StorePath, frame: pl.DataFrame) -> None:
    """Write a Parquet file, whole or not at all.

    Raises:
        OSError, polars.exceptions.ComputeError: the file cannot be written.
    """
    with written_whole(target) as file:
        # No statistics: nothing here looks them up.
        frame.write_parquet(file, statistics=False)


def read_frame(path: StorePath, **options: Any) -> pl.DataFrame:
    """Read a Parquet file; `options` are those of `polars.read_parquet`."""
    return parse_frame(path.read_bytes(), **options)


def parse_frame(content: bytes, **options: Any) -> pl.DataFrame:
    """The frame that a Parquet file holds; `options` are those of `polars.read_parquet`."""
    return pl.read_parquet(io.BytesIO(content), **options)


def read_frames(paths: Sequence[StorePath], **options: Any) -> pl.DataFrame:
    """Read Parquet files of one schema into one frame, in the order given."""
    return pl.concat([read_frame(path, **options) for path in paths])
