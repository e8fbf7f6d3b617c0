"""Two runs of one experiment beside each other."""

from __future__ import annotations

import polars as pl

from results.report.text.markdown import share, table


def render_agreement(agreement: pl.DataFrame) -> str:
    """The table of `compare_runs`."""
    header = ["table", "reader", "in both", "in one only", "labels differ", "largest margin of those"]
    header += ["largest change of a probability"]
    body = [
        [row["table"], row["reader"], str(row["n"]), str(row["only_in_one"]), str(row["differ"]),
         share(row["largest_margin"]), share(row["largest_change"])]
        for row in agreement.iter_rows(named=True)
    ]  # fmt: skip
    return table(header, body)
