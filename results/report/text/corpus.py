"""The report's sections on the corpus: what was left out of it, and what the embedders cannot read of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.report.text.markdown import Tables, share, table

LEFT_OUT = "left_out"
LEFT_OUT_FILE = "left_out.md"
LEFT_OUT_HEADER = ["file", "row", "what", "id", "reason"]
LEFT_OUT_INTRODUCTION = (
    "## What was left out of the corpus\n\n"
    'These rows of the source cannot be used; everything else was read. With `on_defect = "refuse"` in the section '
    "`[corpus]`, a run stops at the first of them instead."
)
MOST_ROWS = 20  # in the report; the others are in a file of their own
UNKNOWN_HEADER = ["embedder", "of", "tokens", "unknown tokens", "share of the text", "mostly unknown", "scripts"]
UNKNOWN_INTRODUCTION = (
    "## What the embedders cannot read\n\n"
    "Words that an embedder's tokenizer does not know all become one token, so its vectors say nothing about them. "
    "*Share of the text*: of all characters without blanks. *Mostly unknown*: the share of documents or questions of "
    "which more than half is unknown."
)


def left_out_frames(tables: Tables) -> dict[str, pl.DataFrame]:
    """What was left out, by the name of the corpus; the first corpus has an empty name."""
    named = {name.partition("@"): frame for name, frame in tables.items()}
    return {corpus: frame for (name, _, corpus), frame in named.items() if name == LEFT_OUT}


def left_out_rows(frame: pl.DataFrame) -> list[list[str]]:
    """The rows of a table with the columns `LEFT_OUT_HEADER`."""
    return [list(row) for row in frame.select("file", "row", "kind", "id", "reason").iter_rows()]


def counted(frame: pl.DataFrame) -> str:
    """How many of each kind were left out, in words."""
    counts = frame.group_by("kind", maintain_order=True).len().iter_rows()
    return ", ".join(f"{n} {kind}{'s' * (n != 1)}" for kind, n in counts)


def left_out_section(tables: Tables, most: int | None = MOST_ROWS) -> str:
    """What was left out of each corpus, and why; empty where nothing was.

    Args:
        tables: frames by name.
        most: how many rows to list of each corpus; None for all.
    """
    parts = []
    for corpus, frame in left_out_frames(tables).items():
        shown = frame if most is None else frame.head(most)
        parts += [f"### {corpus}: {counted(frame)}" if corpus else f"### {counted(frame)}"]
        parts += [table(LEFT_OUT_HEADER, left_out_rows(shown))]
        if len(shown) < len(frame):
            parts.append(f"… and {len(frame) - len(shown)} more in `{LEFT_OUT_FILE}`.")
    return "\n\n".join([LEFT_OUT_INTRODUCTION, *parts]) if parts else ""


def unknown_rows(manifest: Mapping[str, Any]) -> list[list[str]]:
    """The rows of a table with the columns `UNKNOWN_HEADER`; none where that was not measured."""
    measured = manifest.get("unknown_tokens") or {}
    return [
        [embedder, what, str(one["n_tokens"]), str(one["n_unknown"]), share(one["share"]), share(one["share_mostly"]),
         ", ".join(one["scripts"])]
        for embedder, of_embedder in measured.items() for what, one in of_embedder.items()
    ]  # fmt: skip


def unknown_section(manifest: Mapping[str, Any]) -> str:
    """How much each embedder cannot read; empty where that was not measured."""
    rows = unknown_rows(manifest)
    return "\n\n".join([UNKNOWN_INTRODUCTION, table(UNKNOWN_HEADER, rows)]) if rows else ""
