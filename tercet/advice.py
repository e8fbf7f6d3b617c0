"""What a manifest says about advice, as one frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

ADVICE = {
    "about": pl.String,  # all cuts, or one cut: with this reader; retrieval: under this cut, without a reader
    "reader": pl.String,
    "cut": pl.String,
    "recommended": pl.String,  # the setting to use; null where it cannot be told
    "best": pl.String,
    "told": pl.Boolean,
    "n_gold": pl.Float64,
    "n_more": pl.Int64,
    "line": pl.String,
}


def advice_frame(manifest: Mapping[str, Any]) -> pl.DataFrame:
    """Every piece of advice of a run, the most general first; no row for a run without a sweep.

    Args:
        manifest: content of `manifest.json`.
    """
    return pl.DataFrame([{name: row.get(name) for name in ADVICE} for row in _rows(manifest)], schema=ADVICE)


def _rows(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for one in manifest.get("recommendations", []):
        yield {"about": "all cuts", **one, "recommended": one["setting"], "told": one["setting"] is not None}
    for one in manifest.get("verdicts", []):
        yield {"about": "one cut", **one, "told": one["decided"]}
    for one in manifest.get("retrieval", []):
        yield {"about": "retrieval", **one, "told": one["recommended"] is not None}
