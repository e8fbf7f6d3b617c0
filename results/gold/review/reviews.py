"""The table of people's labels, one row for each time that somebody decided about a question."""

import polars as pl

REVIEWS = pl.Schema(
    {
        "question_id": pl.String(),
        "reviewer": pl.String(),
        "label": pl.String(),  # null: skipped
        "note": pl.String(),
        "origin": pl.String(),  # page, csv, label-studio or argilla
        "reason": pl.String(),  # why it was in the queue: split, contradicts, audit; or other
        "text_digest": pl.String(),  # sha256 of the question and its gold documents, as they were shown
        "reviewed_at": pl.Datetime("us", "UTC"),
    }
)


def latest(reviews: pl.DataFrame) -> pl.DataFrame:
    """The last word of each reviewer on each question, skipped ones too.

    Args:
        reviews: frame of schema `REVIEWS`, in the order in which it was written.

    Returns:
        The same columns, one row for each question and reviewer.
    """
    return reviews.unique(["question_id", "reviewer"], keep="last", maintain_order=True)
