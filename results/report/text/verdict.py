"""The report's section on what to use: recommendations, verdicts, and the comparisons behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from results.report.text.markdown import Tables, cut_of, interval, marked, p_value, table

MOST_SETTINGS = 30  # of more, only the pairs with the best are shown


def verdict_section(manifest: Mapping[str, Any], tables: Tables, marks: Mapping[str, str]) -> str:
    """What to use: over all cells, for retrieval alone, and under each cut; then the evidence pair by pair.

    Args:
        manifest: of the run; `recommendations`, `retrieval` and `verdicts` may be empty or, but for the last, missing.
        tables: of the run, with `comparisons` where it has any.
        marks: sign behind the name of a labeler.
    """
    parts = ["## Verdict"]
    for heading, name in (
        ("### What to use, over all settings and cuts", "recommendations"),
        ("### What retrieves best", "retrieval"),
        ("### By reader and cut", "verdicts"),
    ):
        if manifest.get(name):
            parts += [heading, "\n".join(f"* {one['line']}" for one in manifest[name])]
    if "comparisons" in tables and not tables["comparisons"].is_empty():
        parts += _pairs(tables["comparisons"], manifest["verdicts"], marks)
    return "\n\n".join(parts)


def _pairs(comparisons: pl.DataFrame, verdicts: Iterable[Mapping[str, Any]], marks: Mapping[str, str]) -> list[str]:
    text = (
        "Difference of accuracy with its interval (Agresti and Min, over resampled documents and votes); exact "
        "sign-flip p-value by document, with Holm's correction over the pairs of one reader and cut."
    )
    rows = comparisons.rows(named=True)
    n_settings = pl.concat([comparisons["a"], comparisons["b"]]).n_unique()
    if n_settings > MOST_SETTINGS:
        best = {(marked(one["reader"], marks), one["cut"]): one["best"] for one in verdicts}
        rows = [row for row in rows if best.get((row["reader"], cut_of(row))) in (row["a"], row["b"])]
        text += (
            f" Of {n_settings} settings only the pairs with the best of each reader and cut are shown; all "
            f"{len(comparisons)} are in `comparisons.parquet`."
        )
    body = [
        [row["reader"], cut_of(row), row["a"], row["b"], str(row["n"]),
         interval(row, "difference", "low", "high"), p_value(row["p_value"]), p_value(row["p_holm"])]
        for row in rows
    ]  # fmt: skip
    header = ["reader", "read", "a", "b", "n", "a minus b", "p", "p (Holm)"]
    return ["### Settings pair by pair, on the gold set", text, table(header, body)]
