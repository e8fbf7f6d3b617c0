"""The table of people's labels, one row for each time that somebody decided about a question."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError, shown

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
LONGEST_NAME = 40
_IN_NAMES = " _.@+-"


def latest(reviews: pl.DataFrame) -> pl.DataFrame:
    """The last word of each reviewer on each question, skipped ones too.

    Args:
        reviews: frame of schema `REVIEWS`, in the order in which it was written.

    Returns:
        The same columns, one row for each question and reviewer.
    """
    return reviews.unique(["question_id", "reviewer"], keep="last", maintain_order=True)


def check_reviewer(name: str) -> str:
    """The name of a reviewer as it is kept, with one code point for each letter wherever Unicode has one.

    Raises:
        InputError: it cannot be the name of a file everywhere.
    """
    kept = unicodedata.normalize("NFC", name).strip()
    is_plain = all(one.isalnum() or unicodedata.combining(one) or one in _IN_NAMES for one in kept)
    if not (kept and kept[0].isalnum() and is_plain and kept[-1] not in " ." and len(kept) <= LONGEST_NAME):
        raise InputError(
            f"the reviewer name {shown(name)}",
            f"1 to {LONGEST_NAME} letters, digits, spaces or any of _ . @ + -, with a letter or digit first and no dot "
            "last",
            "choose another name",
        )
    return kept


def check_spelling(name: str, known: Iterable[str]) -> None:
    """Refuse a name that some systems cannot tell from another one: the two would be one file, or one person twice.

    Args:
        name: as `check_reviewer` gives it.
        known: the names that there are; a name that is one of them is fine.

    Raises:
        InputError: a name that differs from it only in capitals or the form of letters is there.
    """
    names = list(known)
    same = [one for one in names if one != name and _folded(one) == _folded(name)]
    if same and name not in names:
        raise InputError(
            f"the reviewer name {shown(name)}, which differs from {shown(same[0])} only in capitals or the form of "
            "letters",
            "one spelling of each name",
            f"write {same[0]}, or choose another name if this is another person",
        )


def _folded(name: str) -> str:
    """What is left of a name without capitals and forms of letters, such as wide ones or ligatures."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


class Counted(NamedTuple):
    """People's labels on the questions of a run.

    Attributes:
        reviews: frame of schema `REVIEWS`: the last word of each reviewer on each question, where it counts.
        n_other_text: last words that were given for another text of the question, which do not count.
        n_other_label: last words that are no label of this label set, which do not count.
    """

    reviews: pl.DataFrame
    n_other_text: int
    n_other_label: int

    @property
    def notes(self) -> list[str]:
        """What does not count, a sentence each."""
        counts = ((self.n_other_text, "given for another text of the question"),
                  (self.n_other_label, "not in the label set of this run"))  # fmt: skip
        return [
            f"{n} label{'s' * (n != 1)} {'does' if n == 1 else 'do'} not count, as {'it is' if n == 1 else 'they are'} "
            f"{why}."
            for n, why in counts
            if n
        ]


def counted_reviews(reviews: pl.DataFrame, digests: Mapping[str, str], labels: Collection[str]) -> Counted:
    """What counts of the labels that a store has: the last words on these questions, given for these texts.

    Whoever labelled a question in two versions of its text has a last word on each.

    Args:
        reviews: frame of schema `REVIEWS`, in the order in which it was written.
        digests: of each question of the run with its gold documents, by its id.
        labels: the label set.
    """
    about = reviews.filter(pl.col("question_id").is_in(list(digests)))
    now = pl.col("question_id").replace_strict(digests, return_dtype=pl.String) if digests else pl.lit("")
    same = latest(about.filter(pl.col("text_digest") == now))
    # Whoever labelled the text of today has nothing left that does not count.
    others = latest(about.filter(pl.col("text_digest").ne_missing(now)))
    others = others.join(same, on=["question_id", "reviewer"], how="anti")
    is_known = pl.col("label").is_null() | pl.col("label").is_in(list(labels))
    known = same.filter(is_known)
    return Counted(known, len(others), len(same) - len(known))
