"""What reviewers settled: one label a question, and the part of the audit sample that an estimate may rest on."""

from __future__ import annotations

import polars as pl


def settled_labels(reviews: pl.DataFrame) -> pl.DataFrame:
    """The label that most reviewers of a question gave.

    Args:
        reviews: the last word of each reviewer on each question, schema `REVIEWS`.

    Returns:
        Columns question_id, label (null where no label has more reviewers than every other, and where all of them
        skipped it) and n_labels (reviewers that gave a label), in the order of the questions' first reviews.
    """
    order = reviews.select(pl.col("question_id").unique(maintain_order=True))
    given = reviews.filter(pl.col("label").is_not_null()).group_by("question_id", "label").len("n")
    top = given.group_by("question_id").agg(
        label=pl.when((pl.col("n") == pl.col("n").max()).sum() == 1).then(pl.col("label").get(pl.col("n").arg_max())),
        n_labels=pl.col("n").sum().cast(pl.Int64),
    )
    found = order.join(top, on="question_id", how="left", maintain_order="left")
    return found.with_columns(pl.col("n_labels").fill_null(0))


def reviewed_sample(items: pl.DataFrame, reviews: pl.DataFrame) -> pl.DataFrame:
    """The audit sample as far as somebody decided on every question of it: a simple random sample of the gold set.

    Later questions that somebody decided on are left out, as it may not be by chance that just these were.

    Args:
        items: the queue, schema `QUEUE`.
        reviews: the last word of each reviewer on each question, schema `REVIEWS`.

    Returns:
        Columns question_id, label (the reader's), reference, given (as settled; null where nothing was) in the order
        of the draw. A question that was skipped is in it, and is no evidence for either side.
    """
    settled = settled_labels(reviews).select("question_id", given="label", is_reviewed=pl.lit(True))
    sample = items.filter(reason="audit").join(settled, on="question_id", how="left", maintain_order="left")
    reached = pl.col("is_reviewed").fill_null(value=False).cum_min()
    return sample.filter(reached).select("question_id", "label", "reference", "given")
