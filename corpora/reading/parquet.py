"""The rows of a Parquet file that somebody else wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from corpora.errors import one_line


def read_parquet_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a Parquet file by column, each with its number from 1.

    Raises:
        InputError: Polars cannot read it; a damaged file makes it panic, too.
    """
    # The consumer's errors do not enter a generator, so the block holds nothing but Polars' own.
    with one_line(f"{file} cannot be read as Parquet", "a Parquet file", "check that it is Parquet, and complete"):
        frame = pl.read_parquet(file, glob=False)  # a name such as docs[1].parquet is no pattern
        yield from enumerate(frame.iter_rows(named=True), 1)
