"""How far two sweeps of the same cells retrieve the same chunks."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

KEY = ["chunking", "question_id"]


class Agreement(NamedTuple):
    """What another precision changes.

    Attributes:
        overlap: mean share of a question's retrieved chunks that are the same, over questions and chunkings.
        largest_change: of the score (cosine) of a chunk that both retrieve for a question.
    """

    overlap: float
    largest_change: float


def read_hits(store: Path) -> pl.DataFrame:
    """The retrieved chunks of the one sweep in a store.

    Raises:
        ValueError: there is not exactly one.
    """
    (file,) = store.glob("*/hits.parquet")
    return pl.read_parquet(file).select(*KEY, "chunk_id", "score")


def agree(exact: pl.DataFrame, other: pl.DataFrame) -> Agreement:
    """Compare what two sweeps of the same questions and cells retrieved."""
    both = exact.join(other, on=[*KEY, "chunk_id"], suffix="_other")
    shared = exact.group_by(KEY).len().join(both.group_by(KEY).len("shared"), on=KEY, how="left")
    overlap = shared.select((pl.col("shared").fill_null(0) / pl.col("len")).mean()).item()
    change = both.select((pl.col("score") - pl.col("score_other")).abs().max()).item()
    return Agreement(float(overlap), float(change or 0.0))
