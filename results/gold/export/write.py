"""Writes an export: every reader in the files of one format, the card, and the record of what it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from corpora.errors import InputError, listed
from results.gold.export.card import Made, render_card
from results.gold.export.folder import export_folder, write_record
from results.gold.export.formats.argilla import write_argilla
from results.gold.export.formats.hub import SPLITS, write_hub
from results.gold.export.formats.json_lines import write_json_lines
from results.gold.export.formats.label_studio import write_label_studio
from results.gold.export.formats.spreadsheet import write_spreadsheet
from results.gold.export.items import Items

Format = Literal["datasets", "jsonl", "label-studio", "argilla", "csv"]
CARD = "README.md"
FORMATS: tuple[Format, ...] = get_args(Format)
_WRITERS: dict[str, Callable[[Items, str, Path], dict[str, str]]] = {
    "jsonl": write_json_lines,
    "label-studio": write_label_studio,
    "argilla": write_argilla,
    "csv": write_spreadsheet,
}
_FOR_PEOPLE = ("label-studio", "argilla")  # what they are made for is reading the documents


def check_format(kind: str, *, has_texts: bool) -> None:
    """Refuse a format that does not exist, or that needs texts that are left out.

    Raises:
        InputError: as said.
    """
    if kind not in FORMATS:
        raise InputError(f"no format {kind!r}", listed(FORMATS), "correct the format")
    if kind in _FOR_PEOPLE and not has_texts:
        raise InputError(
            f"the format {kind} without the texts of documents", "texts for reviewers to read",
            "leave out --references, or use csv or jsonl",
        )  # fmt: skip


def write_export(made: Made, items: Sequence[Items], kind: Format, target: Path, *, replaces: bool = False) -> None:
    """Write an export; its folder appears whole.

    Args:
        made: the run that it is made of.
        items: what is taken away of each reader.
        kind: the format.
        target: the folder.
        replaces: whether an earlier export in that place is replaced.

    Raises:
        InputError: something is in that place that may not be replaced, or it cannot be written.
    """
    names = file_names([one.reader for one in items])
    with export_folder(target, replaces=replaces) as work:
        header: dict[str, Any] = {}
        if kind == "datasets":
            header = write_hub(items, names, work)
            files = {
                f"{names[one.reader]}/": f"the splits {listed(list(SPLITS), 'and')} of {one.reader}" for one in items
            }
        else:
            written = [_WRITERS[kind](one, names[one.reader], work) for one in items]
            files = {name: what for one in written for name, what in one.items()}
        (work / CARD).write_text(render_card(made, items, files, header), encoding="utf-8", newline="")
        readers = {one.reader: names[one.reader] for one in items}
        about = {"format": kind, "run": made.folder, "corpus": made.corpus["name"], "readers": readers}
        write_record(work, {**about, "has_texts": items[0].texts is not None})


def file_names(readers: Iterable[str]) -> dict[str, str]:
    """A name for files and configurations by reader: in letters that every system takes, and each a name of its own."""
    names: dict[str, str] = {}
    for reader in readers:
        name = plain = re.sub(r"[^A-Za-z0-9._-]+", "-", reader).strip("-.") or "reader"
        taken = {one.casefold() for one in names.values()}
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}-{number}"
        names[reader] = name
    return names
