"""Two runs of one experiment compared: how many votes and answers differ, and how fragile those were.

Another number of threads, another batch size or another build of llama.cpp may change a probability a little, and so
change a label whose two best candidates are nearly tied. The table says how often that happened.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from corpora.errors import InputError
from labeling.votes.vote import KEY
from results.settings import CELL

AGREEMENT = pl.Schema(
    {
        "table": pl.String(),
        "reader": pl.String(),
        "n": pl.Int64(),
        "only_in_one": pl.Int64(),
        "differ": pl.Int64(),
        "largest_margin": pl.Float64(),
        "largest_change": pl.Float64(),
    }
)
_KEYS = {"votes": ["reader", "question_id", *KEY[1:]], "answers": [*CELL, "arm", "question_id"]}


def compare_runs(ours: Mapping[str, pl.DataFrame], theirs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Compare the labels of two runs.

    Returns:
        Frame of schema `AGREEMENT`, one row per table and reader: rows in both runs, rows in one only, labels that
        differ, the largest top-2 margin (of the first run) among those, and the largest change of a probability
        (votes only). Nulls where nothing differs or nothing is recorded.

    Raises:
        InputError: the runs share no table of votes or answers, or no question.
    """
    rows = []
    shared = [table for table in _KEYS if table in ours and table in theirs]
    if shared and not any(_share_questions(ours[table], theirs[table]) for table in shared):
        raise InputError("two runs without a question in common", "two runs of one experiment", "name two such runs")
    for table, key in _KEYS.items():
        if table in shared:
            joined = ours[table].join(theirs[table], on=key, how="full", suffix="_b", coalesce=True, nulls_equal=True)
            for (reader,), mine in joined.sort(key).group_by(["reader"], maintain_order=True):
                rows.append(_row(table, str(reader), mine, ours[table].columns))
    if not rows:
        raise InputError(
            "two runs without a table in common", "runs that hold votes or answers", "name two run folders"
        )
    return pl.DataFrame(rows, schema=AGREEMENT, orient="row")


def _share_questions(ours: pl.DataFrame, theirs: pl.DataFrame) -> bool:
    return bool(ours["question_id"].is_in(theirs["question_id"].unique().to_list()).any())


def _row(table: str, reader: str, rows: pl.DataFrame, columns: list[str]) -> tuple[object, ...]:
    # A failed vote has neither a label nor a margin: a row is in a run if it has a failure or a label.
    here = pl.col("label").is_not_null() | pl.col("failure").is_not_null()
    there = pl.col("label_b").is_not_null() | pl.col("failure_b").is_not_null()
    both = rows.filter(here & there)
    differ = both.filter(pl.col("label").ne_missing(pl.col("label_b")))
    change = None
    if "probabilities" in columns and "probabilities_b" in rows.columns:
        # A server may give a distribution in one run and none in the other: then there is nothing to compare.
        lengths = pl.col("probabilities").list.len(), pl.col("probabilities_b").list.len()
        given = both.filter(lengths[0] == lengths[1], lengths[0] > 0)
        answered = given.filter(pl.col("failure").is_null() & pl.col("failure_b").is_null())
        pairs = answered.select("probabilities", "probabilities_b").explode("probabilities", "probabilities_b")
        change = (pairs["probabilities"] - pairs["probabilities_b"]).abs().max()
    return table, reader, len(both), len(rows) - len(both), len(differ), differ["margin"].max(), change
