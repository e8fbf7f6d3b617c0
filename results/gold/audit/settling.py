"""How the questions of a sample were settled where one or several people looked at them."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl


class Settling(NamedTuple):
    """How many questions of a sample were settled in which way.

    The label that counts is that of `review.settled.settled_labels`: the one that more reviewers gave than any other.

    Attributes:
        by_one: a single person gave a label.
        by_all: several did, all of them the same.
        by_most: several did, not all of them the same, but one label has more reviewers than every other.
        by_none: several did, and no label has more reviewers than every other: no label counts.
        skipped: everybody who looked at it skipped it: no label counts.
    """

    by_one: int
    by_all: int
    by_most: int
    by_none: int
    skipped: int

    @property
    def several(self) -> int:
        """Questions with labels of several people."""
        return self.by_all + self.by_most + self.by_none

    @property
    def unsettled(self) -> int:
        """Questions without a label that counts."""
        return self.by_none + self.skipped


def settling(sample: pl.DataFrame, reviews: pl.DataFrame) -> Settling:
    """Count how the questions of a sample were settled.

    Args:
        sample: columns question_id and given, as `review.settled.reviewed_sample` makes it.
        reviews: the last word of each reviewer on each question, schema `REVIEWS`.
    """
    given = reviews.filter(pl.col("label").is_not_null()).group_by("question_id")
    labels = given.agg(n=pl.len(), n_different=pl.col("label").n_unique())
    each = sample.join(labels, on="question_id", how="left").with_columns(pl.col("n").fill_null(0))
    differ, settled = pl.col("n_different") > 1, pl.col("given").is_not_null()
    counts = each.select(
        by_one=(pl.col("n") == 1).sum(),
        by_all=((pl.col("n") > 1) & ~differ).sum(),
        by_most=(differ & settled).sum(),
        by_none=(differ & ~settled).sum(),
        skipped=(pl.col("n") == 0).sum(),
    )
    return Settling(*counts.row(0))
