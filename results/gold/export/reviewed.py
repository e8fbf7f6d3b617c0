"""People's labels beside the votes: what each reviewer said of a question, and the label that they settled on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from corpora.errors import counted, listed
from results.gold.export.items import Items
from results.gold.review.settled import settled_labels

REVIEWS, SETTLED = "reviews", "settled_label"  # the columns that people's labels take in an export
REVIEW = pl.Struct(dict.fromkeys(("reviewer", "label", "note", "reviewed_at"), pl.String()))
_MOST_NAMED = 4  # reviewers; of more only the number is said


def with_reviews(items: Items, reviews: pl.DataFrame) -> Items:
    """The same with two columns more: `reviews`, a list of `REVIEW` by reviewer, and `settled_label`.

    Args:
        items: of a reader.
        reviews: the last word of each reviewer on each question, schema `results.gold.review.reviews.REVIEWS`.
    """
    said: dict[str, list[dict[str, Any]]] = {}
    for row in reviews.sort("reviewer", maintain_order=True).iter_rows(named=True):
        at = row["reviewed_at"]
        told = {"reviewer": row["reviewer"], "label": row["label"], "note": row["note"]}
        said.setdefault(row["question_id"], []).append({**told, "reviewed_at": at and at.isoformat()})
    settled = dict(settled_labels(reviews).select("question_id", "label").iter_rows())
    asked = items.rows["question_id"].to_list()
    columns = [
        pl.Series(REVIEWS, [said.get(one, []) for one in asked], dtype=pl.List(REVIEW)),
        pl.Series(SETTLED, [settled.get(one) for one in asked], dtype=pl.String),
    ]
    place = items.rows.get_column_index("split")
    rows = items.rows.select(*items.rows.columns[:place], *columns, *items.rows.columns[place:])
    return items._replace(rows=rows)


def has_reviews(items: Items) -> bool:
    """Whether people's labels are exported too; there may still be none of them."""
    return REVIEWS in items.rows.columns


def reviews_line(items: Sequence[Items]) -> Iterator[str]:
    """What is taken along of people's labels, for whoever exports; nothing if there are none.

    Args:
        items: of all readers.
    """
    told = pl.concat(_said(one) for one in items).unique(["question_id", "reviewer"])
    if len(told):
        yield f"People's labels: {_counted(told)}, by {_by(told)}; --no-reviews leaves them and the names out."


def reviews_paragraph(items: Items) -> Iterator[str]:
    """What a card says of people's labels on the questions of a reader; nothing if there are none."""
    told = _said(items)
    if told.is_empty():
        return
    about = f"{told['question_id'].n_unique():,} of {counted(len(items.rows), 'question')}"
    line = f"People's labels: {_counted(told)}, by {counted(told['reviewer'].n_unique(), 'reviewer')}, on {about}."
    kept = items.only(kept=True).rows.filter(pl.col(SETTLED).is_not_null())
    if len(kept):
        same = int((kept["label"] == kept[SETTLED]).sum())
        line += f" They settled {counted(len(kept), 'kept question')}; the gold label is theirs in {same:,}."
    yield (
        f"{line} These questions were not all drawn at random, so that is not how often the gold set is right: "
        "`tercet review` estimates it from its audit sample."
    )


def _counted(told: pl.DataFrame) -> str:
    skipped = told["label"].null_count()
    return counted(len(told) - skipped, "label") + (f" and {counted(skipped, 'skipped question')}" if skipped else "")


def _said(items: Items) -> pl.DataFrame:
    """A row for each word of a reviewer: question_id, reviewer and label."""
    rows = items.rows.select("question_id", REVIEWS).explode(REVIEWS).drop_nulls(REVIEWS)
    return rows.unnest(REVIEWS).select("question_id", "reviewer", "label")


def _by(told: pl.DataFrame) -> str:
    names: list[str] = sorted(told["reviewer"].unique())
    if len(names) > _MOST_NAMED:
        names = [*names[: _MOST_NAMED - 1], counted(len(names) - _MOST_NAMED + 1, "other")]
    return listed(names, "and")
