"""How the models of a store are run: one way for each, so that its votes are not a mixture."""

from __future__ import annotations

import json
import re
from typing import Literal

from corpora.errors import InputError
from corpora.reading.damage import Damage
from corpora.storage import StorePath, forget_listings, written_whole

Repack = Literal["on", "off"]
FILE = "kernels.json"  # of a store


class KernelChoices:
    """The file `kernels.json` of a store: by a model's sha256, whether its weights are rearranged for the CPU.

    Args:
        store: the store's folder.
    """

    def __init__(self, store: StorePath) -> None:
        self._file = store / FILE
        self._known: dict[str, Repack] = {}

    def get(self, sha256: str) -> Repack | None:
        """The store's choice for a model; None if it has none yet."""
        if sha256 not in self._known:
            self._known = self._read()
        return self._known.get(sha256)

    def all(self) -> dict[str, Repack]:
        """Every choice of the store, by the model's sha256."""
        return self._read()

    def put(self, sha256: str, repack: Repack) -> None:
        """Make a choice the store's, unless it has one."""
        self._known = {sha256: repack, **self._read()}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(self._file) as file:
            file.write(json.dumps(self._known, indent=1, sort_keys=True).encode())

    def damaged(self) -> Damage | None:
        """What is wrong with the file, if anything."""
        try:
            self._read()
        except InputError as error:
            return Damage(self._file, f"expected {error.expected}", "the next run chooses again")
        return None

    def _read(self) -> dict[str, Repack]:
        forget_listings(self._file)
        if not self._file.is_file():
            return {}
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
        except ValueError:
            known = None
        if not isinstance(known, dict) or not all(map(_is_choice, known.items())):
            raise InputError(
                f"{self._file} is damaged",
                'for each model "on" or "off", as Tercet writes it',
                "delete it; the next run chooses again, and votes already in the store are kept",
            )
        return known


def _is_choice(item: tuple[str, object]) -> bool:
    return re.fullmatch("[0-9a-f]{64}", item[0]) is not None and item[1] in ("on", "off")
