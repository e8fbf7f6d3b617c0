"""Which converter reads a file, by its ending, and what its text depends on besides the file."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from corpora.errors import InputError, listed
from corpora.sources.folder.converted import Converted
from corpora.sources.folder.plain import read_markdown, read_plain

EXTRA = "folder"


class Converter(NamedTuple):
    """What reads files of one kind.

    Attributes:
        read: from the bytes of a file to its text. It raises `InputError` where they cannot be read, with what was
            found as a clause about the file.
        packages: what it is made of.
        revision: raised here whenever the same packages give another text.
    """

    read: Callable[[bytes], Converted]
    packages: tuple[str, ...] = ()
    revision: int = 1

    @property
    def name(self) -> str:
        """What a text depends on besides its file, such as "pypdfium2 5.15.2, tercet 1"; empty for plain text."""
        if not self.packages:
            return ""
        return ", ".join([*(f"{one} {version(one)}" for one in self.packages), f"tercet {self.revision}"])

    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [one for one in self.packages if not _is_here(one)]


# Imported when they are needed: not everyone has their packages, and few need all of them.


def _read_html(content: bytes) -> Converted:
    from corpora.sources.folder.page import read_html

    return read_html(content)


def _read_pdf(content: bytes) -> Converted:
    from corpora.sources.folder.pdf import read_pdf

    return read_pdf(content)


def _read_docx(content: bytes) -> Converted:
    from corpora.sources.folder.word import read_docx

    return read_docx(content)


_PAGE = Converter(_read_html, ("markdownify", "beautifulsoup4"))
CONVERTERS: dict[str, Converter] = {
    ".txt": Converter(read_plain),
    ".md": Converter(read_markdown),
    ".html": _PAGE,
    ".htm": _PAGE,
    ".pdf": Converter(_read_pdf, ("pypdfium2",)),
    ".docx": Converter(_read_docx, ("mammoth", "markdownify", "beautifulsoup4")),
}
ENDINGS = tuple(CONVERTERS)


def require_converters(endings: set[str]) -> None:
    """Refuse files whose converter is not installed, before any is converted.

    Args:
        endings: of the files.

    Raises:
        InputError: as said.
    """
    needed = {ending: missing for ending in sorted(endings) if (missing := CONVERTERS[ending].missing())}
    if needed:
        packages = sorted({one for missing in needed.values() for one in missing})
        verb = "is" if len(packages) == 1 else "are"
        raise InputError(
            f"the folder has {listed(list(needed), 'and')} files, and {listed(packages, 'and')} {verb} not installed",
            f"the converters of the extra {EXTRA!r}",
            f"run `pip install 'tercet[{EXTRA}]'`",
        )


def _is_here(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
