"""JSON Lines: a row for each question, those of the gold set in one file and the excluded ones in another."""

from __future__ import annotations

from pathlib import Path

from results.gold.export.formats.hub import SPLITS
from results.gold.export.items import Items


def write_json_lines(items: Items, name: str, folder: Path) -> dict[str, str]:
    """Write the two files of a reader.

    Args:
        items: of the reader.
        name: what the files' names begin with.
        folder: where to write.

    Returns:
        What each file holds, by its name.
    """
    written = {}
    for split, kept in SPLITS.items():
        with (folder / f"{name}.{split}.jsonl").open("wb") as file:
            for part in items.only(kept=kept).parts():
                part.write_ndjson(file)
        written[f"{name}.{split}.jsonl"] = f"{split} questions of {items.reader}, one JSON object a line"
    return written
