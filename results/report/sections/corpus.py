"""The sections on the corpus: what was left out of it, and what the embedders cannot read of it."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from results.advice.wording import count as counted
from results.report.model import Block, Code, Definitions, Heading, Kind, Link, Section, Sentences, Table, Words
from results.report.sections.source import Source
from results.report.values import Tables, make_table

LEFT_OUT, LEFT_OUT_FILE = "left_out", "left_out.md"
MOST_ROWS = 20  # in the Markdown report; the others are in a file of their own
MOST_PLACES = 5  # rows that are named of each defect


def left_out_frames(tables: Tables) -> dict[str, pl.DataFrame]:
    """What was left out, by the name of the corpus; the first corpus has an empty name."""
    named = {name.partition("@"): frame for name, frame in tables.items()}
    return {corpus: frame for (name, _, corpus), frame in named.items() if name == LEFT_OUT and not frame.is_empty()}


def counted_kinds(frame: pl.DataFrame) -> str:
    """How many of each kind were left out, in words."""
    counts = frame.group_by("kind", maintain_order=True).len().iter_rows()
    return ", ".join(counted(n, kind) for kind, n in counts)


def left_out_blocks(tables: Tables, most_places: int | None = MOST_PLACES) -> list[Block]:
    """What was left out of each corpus, and why: every defect once, with how often it was found and where.

    Args:
        tables: frames by name.
        most_places: how many rows to name of each defect; None for all.
    """
    frames, blocks = left_out_frames(tables), list[Block]()
    for corpus, frame in frames.items():
        title = f"{corpus}: {counted_kinds(frame)}" if corpus else counted_kinds(frame)
        blocks += [Heading(title), _defects(frame, title, most_places)]
    return [Sentences((_introduction(frames.values()),)), *blocks] if blocks else []


def _introduction(frames: Iterable[pl.DataFrame]) -> Words:
    rows = pl.concat(frame["row"] for frame in frames)
    found = " and ".join(["files"] * (rows == "").any() + ["rows of the source"] * (rows != "").any())
    return (
        f"These {found} cannot be used; everything else was read. With ",
        Code('on_defect = "refuse"'),
        " in the section ",
        Code("[corpus]"),
        ", a run stops at the first of them instead.",
    )


def _defects(frame: pl.DataFrame, title: str, most_places: int | None) -> Table:
    defects = [_without(reason, name) for reason, name in frame.select("reason", "id").iter_rows()]
    alike = frame.with_columns(defect=pl.Series(defects, dtype=pl.String))
    groups = alike.group_by("file", "kind", "defect", maintain_order=True).agg("row", "id", n=pl.len())
    columns: dict[str, Kind] = {"file": "text", "what": "text", "reason": "text", "how many": "whole"}
    named = {"row": "rows", "id": "ids"} if (frame["row"] != "").any() else {"id": "ids"}  # whole files have no rows
    return make_table(
        title,
        columns | dict.fromkeys(named.values(), "text"),
        [
            (
                one["file"],
                one["kind"],
                one["defect"],
                one["n"],
                *(_some(one[name], most_places) for name in named),
            )
            for one in groups.iter_rows(named=True)
        ],
        "left_out.parquet",
        most=None if most_places is None else MOST_ROWS,
        is_open=True,
    )


def _without(reason: str, ids: str) -> str:
    """A reason without the ids of its row, which would make one defect look like many."""
    for name in (ids, *ids.split()):
        reason = reason.replace(repr(name), "…")
    return reason


def _some(values: list[str], most: int | None) -> str:
    """The first of the values, and how many more there are."""
    known = [value for value in values if value]
    more = 0 if most is None else max(0, len(known) - most)
    return ", ".join(known[: len(known) - more]) + (f" and {more} more" if more else "")


def left_out_section(source: Source) -> Section:
    """What was left out of each corpus, and why."""
    every = Sentences((("Every row, with its reason: ", Link(LEFT_OUT_FILE, LEFT_OUT_FILE), "."),))
    return Section("left_out", "What was left out of the corpus", (*left_out_blocks(source.tables), every))


def unknown_section(source: Source) -> Section:
    """How much each embedder cannot read."""
    text = (
        "Words that an embedder's tokenizer does not know all become one token, so its vectors say nothing about them."
    )
    terms = Definitions(
        (
            ("share of the text", "of all characters without blanks"),
            ("mostly unknown", "the share of documents or questions of which more than half is unknown"),
        )
    )
    table = make_table(
        "What each embedder cannot read",
        {"embedder": "text", "of": "text", "tokens": "whole", "unknown tokens": "whole", "share of the text": "share",
         "mostly unknown": "share", "scripts": "text"},
        [
            (embedder, what, one["n_tokens"], one["n_unknown"], one["share"], one["share_mostly"],
             ", ".join(one["scripts"]))
            for embedder, of_embedder in source.manifest["unknown_tokens"].items()
            for what, one in of_embedder.items()
        ],
        "manifest.json",
    )  # fmt: skip
    return Section("unknown", "What the embedders cannot read", (Sentences((text,)), table, terms))
