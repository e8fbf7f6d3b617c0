"""The report's section on remote readers."""

from __future__ import annotations

from typing import Any

import polars as pl

from results.report.text.markdown import UNKNOWN, table


def remote_section(frame: pl.DataFrame) -> str:
    """What was asked of other machines, and what it cost."""
    rows = [
        [row["reader"], row["provider"], ", ".join(row["served"]) or UNKNOWN, str(row["votes"]), str(row["failed"]),
         str(row["with_distribution"]), str(row["tokens_sent"]), str(row["tokens_written"]), _costs(row)]
        for row in frame.iter_rows(named=True)
    ]  # fmt: skip
    header = ["reader", "provider", "served", "votes", "failed", "with distribution", "tokens sent", "written", "cost"]
    notes = [
        "*Served*: model and build, in the provider's words; more than one means that votes of one reader come from "
        "different builds. A provider's seed is best effort: the same request may be answered otherwise another day. "
        "*With distribution*: the server told how probable each label was, so that the exact law of the votes is "
        "known; without it the law is unknown, and only the three votes themselves speak. Cost: the tokens that the "
        "answers state, at the price table's prices; call by call, and in brackets in batches.",
    ]
    return "\n\n".join(["## Remote readers on whole documents", *notes, table(header, rows)])


def _costs(row: dict[str, Any]) -> str:
    if row["usd_direct"] is None:
        return UNKNOWN
    thousand = 1000 / row["questions"] if row["questions"] else 0
    return (
        f"{row['usd_direct']:.4f} USD ({row['usd_batch']:.4f}); {thousand * row['usd_direct']:.2f} USD "
        f"({thousand * row['usd_batch']:.2f}) for 1,000 questions; prices of {row['price_as_of']}"
    )
