"""The report's sections on why: where the answers of each cell are lost, and whether readers want different chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.report.text.markdown import Tables, count, interval, p_value, share, table
from results.settings import cut_of

ARM_NAMES = {
    "closed_book": "closed book",
    "random": "random text",
    "document": "whole document",
    "oracle_chunk": "best chunks",
    "retrieved": "retrieved",
}
LOSSES = ("reader_loss", "chunking_loss", "retrieval_loss")


def ladder_section(tables: Tables) -> str:
    """The ladder of every cell on the gold set, reader by reader; empty where no reader has one."""
    gold = tables["ladder"].filter(pl.col("questions") == "gold")
    if gold.is_empty():
        return ""
    parts = [
        "## Where answers are lost",
        "On the gold set (`ladder.parquet` also holds all questions). Read a row from left to right: accuracy without "
        "context, with random text of the same length, with the whole document, with the best chunks of the gold "
        "document, and with what was retrieved. The losses of the reader, of the chunking and of the retrieval add up "
        "to what is wrong; a negative loss is a gain. *Recovered*: how much of the gap between closed book and whole "
        "document is closed, unknown where the gap is not shown to exist. *Harmed*: right without context, wrong with "
        "what was retrieved.",
    ]
    header = ["setting", "read", *ARM_NAMES.values(), "wrong = reader + chunking + retrieval"]
    header += ["reader loss", "chunking loss", "retrieval loss", "recovered", "harmed", "harm"]
    for (reader,), rows in gold.group_by(["reader"], maintain_order=True):
        parts += [
            f"### {reader}: losses over {count(rows['n'][0])} gold questions",
            table(header, [_rungs(row) for row in rows.iter_rows(named=True)]),
        ]
    return "\n\n".join(parts)


def _rungs(row: Mapping[str, Any]) -> list[str]:
    arms = [share(row[arm]) for arm in ARM_NAMES]
    losses = [_with_interval(row, name) for name in (*LOSSES, "recovered")]
    harm = [count(row["n_harmed"]), _with_interval(row, "harm")]
    return [row["setting"], cut_of(row).name, *arms, sum_of_losses(row), *losses, *harm]


def sum_of_losses(row: Mapping[str, Any]) -> str:
    """What is wrong as the sum of its parts, as in `4 = 1 + (-1) + 4`."""
    counts = [row["n_reader"], row["n_chunking"], row["n_retrieval"]]
    parts = [f"({count(one)})" if one is not None and one < 0 else count(one) for one in counts]
    return f"{count(row['n_wrong'])} = {' + '.join(parts)}"


def interaction_section(tables: Tables) -> str:
    """Whether two readers want different chunk sizes."""
    header = ["small", "large", "read", "questions", "n", "slope of the small", "slope of the large", "difference"]
    header += ["p", "p (Holm)", "finding"]
    body = [
        [row["small"], row["large"], cut_of(row).name, row["questions"], count(row["n"]),
         *(_with_interval(row, name) for name in ("slope_small", "slope_large", "difference")),
         p_value(row["p_value"]), p_value(row["p_holm"]), row["finding"]]
        for row in tables["interactions"].iter_rows(named=True)
    ]  # fmt: skip
    return "\n\n".join(
        [
            "## Do readers want different chunk sizes?",
            "*Slope*: change in accuracy with each doubling of the chunk size, under one cut, on the questions of both "
            "readers. *Difference*: the slope of the smaller model minus that of the larger one; if it is below 0, the "
            "smaller model wants smaller chunks. Holm's correction is over all pairs and cuts.",
            table(header, body),
        ]
    )


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    return interval(row, name, f"{name}_low", f"{name}_high")
