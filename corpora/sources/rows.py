"""The rows of a table, whatever its format: JSONL, CSV or Parquet, by the file's ending."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from corpora.errors import InputError
from corpora.reading.parquet import read_parquet_rows
from corpora.reading.strict_csv import read_csv
from corpora.reading.strict_json import read_json_lines
from corpora.reading.text import Twins, is_file

FORMATS = (".jsonl", ".ndjson", ".csv", ".parquet")
MAP_COLUMNS = "rename the column, or map it in the experiment's corpus section"

Row = Mapping[str, Any]


def read_rows(
    file: Path,
    required: tuple[str, ...],
    remedy: str = MAP_COLUMNS,
    *,
    separator: str | None = None,
    nan_is_null: bool = False,
) -> Iterator[tuple[int, Row]]:
    """Rows with their numbers in the file (JSONL: the line), after checking that the required columns exist.

    Args:
        file: JSONL, CSV (where an empty field is None) or Parquet, by its ending.
        required: columns that every row must have.
        remedy: what to do about a missing column.
        separator: what separates the fields of CSV, if the user can set it.
        nan_is_null: read NaN in JSONL, which is not JSON, as null.

    Raises:
        InputError: the file is missing, of unknown format or does not parse, or a column is missing.
    """
    if not is_file(file):
        raise InputError(f"no file {file}", "an existing file", "check the path")
    for number, row in _rows_of(file, separator, nan_is_null):
        missing = [column for column in required if column not in row]
        if missing:
            raise _missing(f"{file}, row {number}", missing[0], list(row), required, remedy)
        yield number, row


def find_table(folder: Path, stem: str) -> Path | None:
    """The file `stem` with a known ending in a folder, or None.

    Raises:
        InputError: there are several.
    """
    found = [file for ending in FORMATS if is_file(file := folder / f"{stem}{ending}")]
    if len(found) > 1:
        raise InputError(
            f"{folder} holds {' and '.join(file.name for file in found)}",
            f"a single file of {stem}",
            f"remove the others, or name the file as `{stem}` in an experiment's corpus section",
        )
    return found[0] if found else None


def _rows_of(file: Path, separator: str | None, nan_is_null: bool) -> Iterator[tuple[int, Row]]:
    match file.suffix.lower():
        case ".jsonl" | ".ndjson":
            return read_json_lines(file, nan_is_null=nan_is_null)
        case ".csv":
            rows = read_csv(file, separator)
            return ((number, {name: value or None for name, value in row.items()}) for number, row in rows)
        case ".parquet":
            return read_parquet_rows(file)
        case ending:
            raise InputError(f"{file} ends in {ending!r}", f"a file ending in {', '.join(FORMATS)}", "convert the file")


def _missing(place: str, column: str, there: Sequence[str], required: Sequence[str], remedy: str) -> InputError:
    found = f"{place} has no column {column!r} (it has {', '.join(map(repr, there)) or 'none'})"
    twin = Twins(there).of(column)
    if twin is not None:
        found = f"{place} has no column {column!a}, but {twin!a}, which looks the same"
    return InputError(found, f"the columns {', '.join(map(repr, required))}", remedy)
