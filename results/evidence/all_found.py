"""Whether everything that a question needs was retrieved, or anything: all and any of its passages.

A question needs the passages of its evidence: the marked spans, those that overlap joined into one. A passage is
found if all of its tokens are, or those of a copy, as in `results.evidence.span_metrics`. Where no evidence is marked,
a question needs its gold documents, and one is found if any chunk of it is. For a question that needs one passage, all
and any are the same.
"""

from __future__ import annotations

import polars as pl

ALL_SCORES = ("any_found", "all_found")
NEEDED = "n_passages"  # how many passages, or gold documents, a question needs


def found_of(documents: pl.DataFrame, passages: pl.DataFrame, n_documents: pl.DataFrame) -> pl.DataFrame:
    """What was found of what each question needs.

    Args:
        documents: columns question_id, hit, recall; of all questions.
        passages: frame of schema `PASSAGES`; of the questions with evidence.
        n_documents: columns question_id and n_documents, how many distinct gold documents each question has.

    Returns:
        question_id, `NEEDED` and `ALL_SCORES` (1 or 0), one row per question, in the order of `documents`.
    """
    both = documents.select("question_id", "hit", "recall").join(n_documents, on="question_id", how="left")
    both = both.join(passages, on="question_id", how="left", maintain_order="left")
    by_spans = pl.col("n_found").is_not_null()
    whole = (pl.col("n_found") == pl.col(NEEDED)) & (pl.col("n_found") > 0)
    return both.select(
        "question_id",
        pl.coalesce(NEEDED, "n_documents").cast(pl.Int64).alias(NEEDED),
        any_found=pl.when(by_spans).then(pl.col("n_found") > 0).otherwise(pl.col("hit") > 0).cast(pl.Float64),
        all_found=pl.when(by_spans).then(whole).otherwise(pl.col("recall") == 1).cast(pl.Float64),
    )
