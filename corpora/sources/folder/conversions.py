"""Converts files, each once: what was converted is kept by the digest of the file and the version of the converter.

A copy in the store holds the digest of the file beside that of its text. Another version of a converter makes another
copy, which knows the digest that the text had before: a change is said, and two versions are never mixed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

from corpora.errors import InputError, counted
from corpora.reading.damage import Damage, DamageError, read_sealed, write_sealed
from corpora.schema import Section
from corpora.sources.folder.converted import Converted, refuse_without_text
from corpora.sources.folder.converters import CONVERTERS
from corpora.storage import StorePath, files_in, sha256_bytes, sha256_text

EFFECT = "its file is converted again"
LOG = logging.getLogger("tercet")


class Copy(NamedTuple):
    """What the store holds of a conversion.

    Attributes:
        original: sha256 of the file.
        converter: what converted it, with versions.
        text_sha256: of the text.
        converted: the text and its sections.
        before: the converter before this one and the sha256 of its text, where the store had one.
    """

    original: str
    converter: str
    text_sha256: str
    converted: Converted
    before: tuple[str, str] | None = None


class Conversions:
    """What files became.

    Args:
        folder: where a store keeps it; None to remember it only as long as this object is there.
        writes: whether the folder is written to.
    """

    def __init__(self, folder: StorePath | None = None, *, writes: bool = True) -> None:
        self._folder, self._writes = folder, writes
        self._copies: dict[tuple[str, str], Copy] = {}  # where no store keeps them
        self._changed: dict[tuple[str, str], set[str]] = {}  # files, by the converter before and the one now
        self._files: dict[str, list[StorePath]] | None = None  # by the beginning of the original's digest

    @property
    def store(self) -> StorePath | None:
        """Where a store keeps what was converted; None where nothing is written."""
        return self._folder if self._writes else None

    def convert(self, ending: str, content: bytes) -> Converted:
        """The text of a file.

        Args:
            ending: of its name, in lower case; one of `ENDINGS`.
            content: its bytes.

        Raises:
            InputError: it cannot be read, or has no text; what was found is a clause about the file.
        """
        converter = CONVERTERS[ending]
        if not converter.packages:  # reading is as fast as looking it up
            return refuse_without_text(converter.read(content))
        original, name = sha256_bytes(content), f"{converter.name}, {ending}"
        copy = self._copies.get((original, name)) or self._kept(original, name)
        if copy is None:
            made = refuse_without_text(converter.read(content))
            copy = Copy(original, name, sha256_text(made.text), made, self._before(original, name))
            self._keep(copy)
        if self._folder is None or not self._writes:
            self._copies[original, name] = copy
        if copy.before and copy.before[1] != copy.text_sha256:
            self._changed.setdefault((copy.before[0], name), set()).add(original)
        return copy.converted

    def notes(self) -> list[str]:
        """What a person should know about the conversions, a sentence each."""
        return [
            f"the text of {counted(len(of), 'file')} is not the one of before: converted with {new}, before with {old}"
            for (old, new), of in self._changed.items()
        ]

    def _kept(self, original: str, name: str) -> Copy | None:
        """The copy in the store, if there is a sound one."""
        for file in self._of(original, _short(name)):
            try:
                return _parsed(read_sealed(file, EFFECT))
            except (DamageError, ValueError, KeyError, TypeError):
                LOG.warning("%s was damaged: its file is converted again.", file)
        return None

    def _before(self, original: str, name: str) -> tuple[str, str] | None:
        """The converter whose copy of the file was written last, and the digest of its text."""
        copies = [one for file in self._of(original, "") if (one := _sound(file)) and one.converter != name]
        # A copy knows the one before it, so the last one is the one that no other knows.
        known = {one.before[0] for one in copies if one.before}
        last = next((one for one in copies if one.converter not in known), None)
        return (last.converter, last.text_sha256) if last else None

    def _of(self, original: str, short: str) -> Iterator[StorePath]:
        if self._folder is None:
            return
        if self._files is None:
            self._files = {}
            for file in files_in(self._folder, "*.json"):
                self._files.setdefault(file.name[:32], []).append(file)
        for file in self._files.get(original[:32], ()):
            if file.name[33:].startswith(short):
                yield file

    def _keep(self, copy: Copy) -> None:
        if self._folder is None or not self._writes:
            return
        values = {**copy._asdict(), "converted": copy.converted._asdict()}
        content = json.dumps(values, ensure_ascii=False).encode("utf-8")
        try:
            write_sealed(self._folder, f"{copy.original[:32]}-{_short(copy.converter)}", ".json", content)
        except OSError as error:
            found = f"cannot write what was converted to {self._folder} ({error.strerror or error})"
            raise StoreError(
                found, "a writable folder with free space", "free some space, or give another --store"
            ) from (error)


class StoreError(InputError):
    """The store cannot be written to, which says nothing about the file that was converted."""


def damaged_conversions(folder: StorePath) -> Iterator[Damage]:
    """Every damaged copy in a store."""
    for file in files_in(folder, "*.json"):
        try:
            _parsed(read_sealed(file, EFFECT))
        except DamageError as error:
            yield error.damage
        except (ValueError, KeyError, TypeError):
            yield Damage(file, "it is not the text of a converted file", EFFECT)


def _sound(file: StorePath) -> Copy | None:
    try:
        return _parsed(read_sealed(file, EFFECT))
    except (DamageError, ValueError, KeyError, TypeError):
        return None


def _parsed(content: bytes) -> Copy:
    values: dict[str, Any] = json.loads(content)
    made = values["converted"]
    made["sections"] = tuple(Section(*one) for one in made["sections"])
    before = values["before"]
    return Copy(**{**values, "converted": Converted(**made), "before": tuple(before) if before else None})


def _short(name: str) -> str:
    return sha256_text(name)[:8]
