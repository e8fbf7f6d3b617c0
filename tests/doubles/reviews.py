"""People's labels for tests, of which only who said what matters."""

import polars as pl

from results.gold.review.reviews import REVIEWS


def reviews_of(*rows):
    """Rows of (question_id, reviewer, label)."""
    frame = pl.DataFrame(rows, schema=["question_id", "reviewer", "label"], orient="row")
    return frame.select(
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind).alias(name)
        for name, kind in REVIEWS.items()
    )
