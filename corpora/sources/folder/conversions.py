"""Converts files, each once: what was converted is kept by the digest of the file and the version of the converter."""

from __future__ import annotations

from corpora.sources.folder.converted import Converted, refuse_without_text
from corpora.sources.folder.converters import CONVERTERS


class Conversions:
    """What files became."""

    def convert(self, ending: str, content: bytes) -> Converted:
        """The text of a file.

        Args:
            ending: of its name, in lower case; one of `ENDINGS`.
            content: its bytes.

        Raises:
            InputError: it cannot be read, or has no text; what was found is a clause about the file.
        """
        return refuse_without_text(CONVERTERS[ending].read(content))

    def notes(self) -> list[str]:
        """What a person should know about the conversions, a sentence each."""
        return []
