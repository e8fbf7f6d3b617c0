"""Files as the hub's `datasets` library exports them: the rows of one split, in Parquet or as lines of JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora.errors import InputError
from corpora.reading.parquet import read_parquet_rows
from corpora.reading.strict_json import read_json_lines

Row = dict[str, Any]
PARQUET, LINES = ".parquet", (".jsonl", ".ndjson")
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}")


def split_of(file: Path) -> str:
    """The split that a file holds: `train` of train-00000-of-00002.parquet."""
    found = _SHARD.fullmatch(file.stem)
    return found[1] if found else file.stem


def shards_in(folder: Path) -> list[Path]:
    """The Parquet files of a folder, which must belong to one split; none if it has no such file.

    Raises:
        InputError: they belong to several splits.
    """
    files = sorted(file for file in folder.iterdir() if file.suffix == PARQUET) if folder.is_dir() else []
    splits = list(dict.fromkeys(map(split_of, files)))
    if len(splits) > 1:
        raise InputError(
            f"{folder} holds the splits {', '.join(splits)}",
            "the Parquet files of one split",
            "give one of the files as `path`, or keep each split in its own folder",
        )
    return files


def is_export(file: Path, keys: frozenset[str]) -> bool:
    """Whether a file holds rows with these keys: Parquet, or JSON whose first line is such a row by itself."""
    if file.suffix == PARQUET:
        return True
    try:
        _, first = next(read_json_lines(file), (0, {}))
    except InputError:
        return False
    return keys <= first.keys()


def exported_rows(file: Path, keys: frozenset[str]) -> Iterator[tuple[int, Row]]:
    """The rows of an exported file, each with its number.

    Args:
        file: see `is_export`.
        keys: what every row must have.

    Raises:
        InputError: the file cannot be read, or a row lacks one of the keys.
    """
    for number, row in read_parquet_rows(file) if file.suffix == PARQUET else read_json_lines(file):
        missing = sorted(keys - row.keys())
        if missing:
            raise InputError(
                f"{file}, row {number} has no {missing[0]!r} (it has {', '.join(map(repr, row)) or 'nothing'})",
                f"the columns {', '.join(sorted(keys))}",
                "give the file of another corpus as `path`, or map its columns with source 'tables'",
            )
        yield number, row
