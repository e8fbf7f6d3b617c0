"""The rows of a Parquet file that somebody else wrote."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from corpora.errors import one_line

_STDERR = 2


def read_parquet_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a Parquet file by column, each with its number from 1.

    Raises:
        InputError: Polars cannot read it; a damaged file makes it panic, too.
    """
    with one_line(f"{file} cannot be read as Parquet", "a Parquet file", "check that it is Parquet, and complete"):
        with _panics_kept_quiet():
            frame = pl.read_parquet(file, glob=False)  # a name such as docs[1].parquet is no pattern
        # The consumer's errors do not enter a generator, so the block holds nothing but Polars' own.
        yield from enumerate(frame.iter_rows(named=True), 1)


@contextlib.contextmanager
def _panics_kept_quiet() -> Iterator[None]:
    """Hold back what is written to standard error, where Rust reports a panic in many lines, unless all went well."""
    try:
        terminal = os.dup(_STDERR)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(terminal, _STDERR)
            os.close(terminal)
        held.seek(0)
        if said := held.read():  # from another thread: this one has not failed
            os.write(_STDERR, said)
