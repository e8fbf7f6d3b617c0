"""Generate mode: what came out, how it was read, and what strict parsing alone would have thrown away."""

from __future__ import annotations

from typing import Any

import polars as pl

PROBLEMS = ("empty", "refused", "truncated", "off_label")
GENERATION = pl.Schema(
    {
        "reader": pl.String(),
        "n": pl.Int64(),
        "strict": pl.Int64(),
        "lenient": pl.Int64(),
        "repaired": pl.Int64(),
        "failed": pl.Int64(),
        **{problem: pl.Int64() for problem in PROBLEMS},
        "judged": pl.Int64(),
        "right": pl.Int64(),
        "right_strict": pl.Int64(),
        "right_lenient": pl.Int64(),
        "right_repaired": pl.Int64(),
        "mean_tokens": pl.Float64(),
    }
)


def describe_generation(reader: str, votes: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """One row of schema `GENERATION`, counting votes; none for a labeler that generated nothing.

    Args:
        reader: name in reports.
        votes: frame of schema `VOTES`.
        facts: columns question_id, reference.
    """
    # Where a server told the distribution, the label was drawn from it and not read from the text.
    was_read = pl.col("parse").is_not_null() | pl.col("failure").is_not_null()
    generated = votes.filter(pl.col("n_generated").is_not_null() & was_read)
    if generated.is_empty():
        return pl.DataFrame(schema=GENERATION)
    judged = generated.join(facts.filter(pl.col("reference").is_not_null()), on="question_id")
    right = judged.filter((pl.col("label") == pl.col("reference")).fill_null(value=False))
    row: dict[str, Any] = {
        "reader": reader,
        "n": len(generated),
        "failed": generated["failure"].count(),
        "judged": len(judged),
        "right": len(right),
        "mean_tokens": generated["n_generated"].mean(),
    }
    for parse in ("strict", "lenient", "repaired"):
        row[parse] = len(generated.filter(pl.col("parse") == parse))
        row[f"right_{parse}"] = len(right.filter(pl.col("parse") == parse))
    for problem in PROBLEMS:
        row[problem] = len(generated.filter(pl.col("problem") == problem))
    return pl.DataFrame([row], schema=GENERATION)
