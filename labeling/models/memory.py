"""Small facts that are dear to find out, remembered in the cache folder as one JSON file a kind."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path


class Memory:
    """Texts by key. A file that cannot be read or written means that everything is found out again, nothing else.

    Args:
        folder: the cache folder.
        name: the kind of fact, which names the file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / f"{name}.json"

    def get(self, key: str) -> str | None:
        """What is known under a key."""
        return self._read().get(key)

    def put(self, key: str, value: str) -> None:
        """Remember a text; nothing of what other processes remember meanwhile is left half-written."""
        facts = self._read() | {key: value}
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_name(f"{self._file.stem}.{os.getpid()}.partial")
            partial.write_text(json.dumps(facts, indent=0, sort_keys=True), encoding="utf-8")
            partial.replace(self._file)

    def _read(self) -> dict[str, str]:
        try:
            read = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {key: value for key, value in read.items() if isinstance(value, str)} if isinstance(read, dict) else {}
