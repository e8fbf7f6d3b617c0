"""Files that are pinned by size and digest, and the folder in which fetched ones are kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from corpora.errors import InputError
from corpora.storage import sha256_file


class Pin(NamedTuple):
    """What is known of a file before it is here.

    Attributes:
        owner: the model or the corpus that it belongs to, by its name in the registry.
        command: what fetches it.
        sha256: its digest; empty if nobody has published one, and then any is accepted, and recorded.
        bytes: its size; 0 if unknown.
    """

    owner: str
    command: str
    sha256: str = ""
    bytes: int = 0


def cache_folder() -> Path:
    """Folder of what is fetched: `$TERCET_CACHE`, or `tercet` in the user's cache folder."""
    given = os.environ.get("TERCET_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tercet"


def check_pinned(path: Path, pin: Pin, digest_of: Callable[[Path], str] = sha256_file) -> str:
    """The digest of a file, checked against its pin, or against the one that was recorded when it first came.

    Args:
        path: the file.
        pin: what it must be.
        digest_of: how its digest is found.

    Raises:
        InputError: the size or the digest differs.
    """
    check_size(path, pin)
    digest = digest_of(path)
    expected = pin.sha256 or recorded_digest(path)
    if expected and digest != expected:
        raise InputError(
            f"{path} has sha256 {digest}", f"sha256 {expected} for {pin.owner}", f"delete it and run `{pin.command}`"
        )
    return digest


def check_size(path: Path, pin: Pin) -> None:
    """Check the size of a file against its pin, without reading the file.

    Raises:
        InputError: the size differs.
    """
    size = path.stat().st_size
    if pin.bytes and size != pin.bytes:
        raise InputError(
            f"{path} has {size} bytes",
            f"{pin.bytes} bytes for {pin.owner}",
            f"delete it (it is cut short, or another file) and run `{pin.command}`",
        )


def admit(file: Path, home: Path, pin: Pin, digest_of: Callable[[Path], str] = sha256_file) -> str:
    """The digest of a file that has just come, if it is the right one; a wrong one is deleted.

    Args:
        file: the file, which is not in its place yet.
        home: its place; the digest that an earlier fetch recorded is there.
        pin: what it must be.
        digest_of: how its digest is found.

    Raises:
        InputError: the size or the digest differs.
    """
    try:
        digest = check_pinned(file, pin, digest_of)
    except InputError as error:
        file.unlink()
        remedy = f"run `{pin.command}` again, because this file is deleted now"
        raise InputError(error.found, error.expected, remedy) from error
    try:
        if not pin.sha256:
            check_recorded(file.name, digest, home)
    except InputError:
        file.unlink()
        raise
    return digest


def check_recorded(name: str, digest: str, home: Path) -> None:
    """Refuse a file that differs from what came first, where no digest was published.

    Args:
        name: the file, for the message.
        digest: its digest.
        home: its place; the digest that an earlier fetch recorded is there.

    Raises:
        InputError: the digest differs.
    """
    expected = recorded_digest(home)
    if expected and digest != expected:
        raise InputError(
            f"{name} came with sha256 {digest}",
            f"sha256 {expected}, as at its first fetch",
            f"find out what changed, and delete {_record(home)} to accept it",
        )


def recorded_digest(path: Path) -> str:
    """The digest that the first fetch recorded next to a file whose digest was unknown; empty if there is none."""
    record = _record(path)
    return record.read_text(encoding="utf-8").strip() if record.is_file() else ""


def record_digest(path: Path, digest: str) -> None:
    """Record the digest of a file whose digest was unknown."""
    _record(path).write_text(digest + "\n", encoding="utf-8")


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
