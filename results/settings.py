"""What a sweep varies: the columns that name a setting, a cut and a cell, and the short names that reports use."""

from __future__ import annotations

import polars as pl

CHUNKING = ("splitter", "size", "overlap")
SETTING = (*CHUNKING, "embedder", "retriever")
CUT = ("cut", "amount")
CELL = ("reader", *SETTING, *CUT)

SETTING_SCHEMA = pl.Schema(
    {
        "splitter": pl.String(),
        "size": pl.Int64(),
        "overlap": pl.Int64(),
        "embedder": pl.String(),
        "retriever": pl.String(),
    }
)
CUT_SCHEMA = pl.Schema({"cut": pl.String(), "amount": pl.Int64()})
CELL_SCHEMA = pl.Schema({"reader": pl.String(), **SETTING_SCHEMA, **CUT_SCHEMA})


def with_interval(*names: str) -> dict[str, pl.DataType]:
    """Columns of estimates, each with the two ends of its interval."""
    return {name + end: pl.Float64() for name in names for end in ("", "_low", "_high")}


def chunking_name() -> pl.Expr:
    """Name of a row's chunking, as in `tokens(size=64,overlap=0)`."""
    return pl.format("{}(size={},overlap={})", *CHUNKING).alias("chunking")


def name_settings(frame: pl.DataFrame) -> pl.DataFrame:
    """The distinct settings of a frame with their names.

    A name is the chunking's, followed by the embedder and the retriever where the frame holds more than one.

    Args:
        frame: with the columns `SETTING`.

    Returns:
        Columns `SETTING` and `setting`, sorted.
    """
    distinct = frame.select(SETTING).unique().sort(SETTING)
    varying = [column for column in ("embedder", "retriever") if distinct[column].n_unique() > 1]
    return distinct.with_columns(setting=pl.concat_str([chunking_name(), *varying], separator=" "))
