"""Which converter reads a file, by its ending, and which version of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from corpora.sources.folder.converted import Converted
from corpora.sources.folder.plain import read_markdown, read_plain


class Converter(NamedTuple):
    """What reads files of one kind.

    Attributes:
        read: from the bytes of a file to its text; raises `InputError` where they cannot be read, with what was found
            as a clause about the file.
        packages: what it is made of; their versions are part of what a converted text depends on.
        revision: raised here whenever the same packages give another text.
    """

    read: Callable[[bytes], Converted]
    packages: tuple[str, ...] = ()
    revision: int = 1


CONVERTERS: dict[str, Converter] = {".txt": Converter(read_plain), ".md": Converter(read_markdown)}
ENDINGS = tuple(CONVERTERS)
