"""Text files: decoded as UTF-8, or as their byte order mark says."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from corpora.errors import InputError
from corpora.storage import refuse_loop

# The mark of UTF-32 begins with that of UTF-16, so it comes first.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NUL = "begins with NUL bytes, like UTF-16 without a byte order mark"
_WITH_MARK, _SAVE = "UTF-8, or UTF-16 with a byte order mark", "save the file as UTF-8"


class Twins:
    """Names, and which of them looks like a name that is not there: Unicode composes an accent in several ways."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = names

    @cached_property
    def _composed(self) -> dict[str, str]:
        return {unicodedata.normalize("NFC", name): name for name in self._names}

    def of(self, name: str) -> str | None:
        """The name that differs from `name` in nothing but how its characters are composed; None if there is none."""
        found = self._composed.get(unicodedata.normalize("NFC", name))
        return None if found == name else found


def is_file(path: Path) -> bool:
    """Whether there is such a file.

    Raises:
        InputError: the operating system does not accept the path, or does not let us look, or links lead in a circle.
    """
    try:
        if path.is_file():
            return True
        refuse_loop(path)
        return False
    except OSError as error:
        found = f"cannot look for {str(path)!r:.120} ({error.strerror or error})"
        raise InputError(found, "a path that can be read", "check the path and its permissions") from error


def encoding_of(file: Path) -> str:
    """The encoding that a file's byte order mark names; UTF-8 if it has no mark.

    Raises:
        InputError: the file begins like UTF-16 or UTF-32, but has no mark.
    """
    with file.open("rb") as content:
        head = content.read(4)
    encoding = _marked(head)
    if encoding is None:
        raise InputError(f"{file} {_NUL}", _WITH_MARK, _SAVE)
    return encoding


def decoded(content: bytes) -> tuple[str, str]:
    """The text of a file's bytes without its byte order mark, and their encoding, as `encoding_of` gives it.

    Raises:
        InputError: the bytes are not text of that encoding; what was found is a clause about the file.
    """
    encoding = _marked(content[:4])
    if encoding is None:
        raise InputError(_NUL, _WITH_MARK, _SAVE)
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError as error:
        name, line = encoding.removesuffix("-sig").upper(), content.count(b"\n", 0, error.start) + 1
        reason = f"byte 0x{content[error.start]:02x}, {error.reason}"
        expected = "UTF-8, or a byte order mark that names the encoding" if encoding == "utf-8" else f"{name} text"
        raise InputError(f"is not {name} in line {line} ({reason})", expected, _SAVE) from error


def _marked(head: bytes) -> str | None:
    """The encoding of a file that begins so; None if it begins like UTF-16 without a mark."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    return None if b"\0" in head else "utf-8"


def read_lines(file: Path, newline: str = "") -> Iterator[str]:
    r"""The lines of a text file with their ends, which stay as they are, and without its byte order mark.

    Args:
        file: an existing file.
        newline: what ends a line, as in `open`: "" for each of the usual ends, "\n" for that character alone.

    Raises:
        InputError: its bytes are not text of its encoding.
    """
    encoding = encoding_of(file)
    try:
        with file.open(encoding=encoding, newline=newline) as lines:
            yield from lines
    except UnicodeError as error:
        raise _undecodable(file, encoding) from error


def read_text(file: Path) -> str:
    """The whole text of a file, as `read_lines` reads it.

    Raises:
        InputError: as in `read_lines`.
    """
    encoding = encoding_of(file)
    try:
        with file.open(encoding=encoding, newline="") as text:
            return text.read()
    except UnicodeError as error:
        raise _undecodable(file, encoding) from error


def read_exactly(file: Path) -> str:
    """The whole text of a UTF-8 file, byte order mark included: offsets into the text count it.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise _undecodable(file, "utf-8") from error


def _undecodable(file: Path, encoding: str) -> InputError:
    """The error for a file that does not decode; the file is read again to find the place."""
    content = file.read_bytes()
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    content = content.removeprefix(codecs.BOM_UTF8) if name == "utf-8" else content
    place, reason = str(file), "the file changed while it was read"
    try:
        content.decode(name)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(name, "ignore")
        place = f"{file}, line {before.count(chr(10)) + 1}"
        reason = f"byte 0x{content[error.start]:02x}, {error.reason}"
    return InputError(f"{place} is not {name.upper()} ({reason})", f"{name.upper()} text", _SAVE)
