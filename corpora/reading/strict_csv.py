"""CSV as RFC 4180 has it, with a header in which every column has a name of its own.

Python's own reader keeps the last of two columns with one name, so a column would vanish without a word.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpora.errors import InputError, counted, one_line
from corpora.reading.strict_toml import as_toml
from corpora.reading.text import read_lines

SEPARATORS = ",;\t|"
csv.field_size_limit(sys.maxsize)  # a document may be longer than the default limit of 128 kB


def read_csv(file: Path, separator: str | None = None) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file by column, each with its number; the first row after the header is row 1.

    Blank lines are passed over. A column whose name is empty is left out: no mapping can name it.

    Args:
        file: an existing file.
        separator: what stands between two fields, if the user can set it; None for the comma of a published format.

    Raises:
        InputError: the file does not parse, a column's name is repeated, or a row has another number of fields.
    """
    between = separator or ","
    rows = filter(None, _rows(file, between))
    header = next(rows, None)
    if header is None:
        raise InputError(f"{file} is empty", "a header and rows", "check the file")
    _check_header(file, header, separator)
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            expected = counted(len(header), "field")
            raise InputError(
                f"{file}, row {number} has {counted(len(row), 'field')}, and the header has {expected}",
                f"{expected}, separated by {between!r}",
                f"quote fields that hold {between!r} or line ends",
            )
        yield number, {name: value for name, value in zip(header, row, strict=True) if name}


def _rows(file: Path, separator: str) -> Iterator[list[str]]:
    reader = csv.reader(read_lines(file), delimiter=separator, strict=True)
    while True:
        with one_line(f"{file}, line {reader.line_num + 1} cannot be read", "RFC 4180 CSV"):
            try:
                row = next(reader, None)
            except csv.Error as error:
                found = f"{file}, line {reader.line_num} does not parse ({error})"
                raise InputError(found, "RFC 4180 CSV", "correct the quoting") from error
        if row is None:
            return
        yield row


def _check_header(file: Path, header: Sequence[str], separator: str | None) -> None:
    repeated = next((name for name in header if name and header.count(name) > 1), None)
    if repeated is not None:
        raise InputError(
            f"{file} has {header.count(repeated)} columns named {repeated!r:.60}",
            "a different name for each column",
            "rename or remove the others",
        )
    between = separator or ","
    other = next((one for one in SEPARATORS if one != between and one in header[0]), None)
    if len(header) == 1 and other is not None:
        raise InputError(
            f"{file} has the single column {header[0]!r:.60} (is the separator {other!r}?)",
            f"columns separated by {between!r}",
            f"write the file with {between!r}"
            if separator is None
            else f"set `separator = {as_toml(other)}` in document_columns or question_columns",
        )
