"""Which questions of a run a reader drafted, and what people said of them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from corpora.schema import ACCEPTED, CONFIRMED_BY, DRAFTED, DRAFTED_BY, REJECTED
from results.advice.cards.run import Run
from results.advice.wording import count, listed

MOST_NAMED = 3  # rejected questions in a line


def say_drafted(run: Run) -> Iterator[str]:
    """A line where a reader drafted questions that nobody has accepted; tables of older runs know no origin."""
    questions = run.tables.get("questions")
    if questions is None or "origin" not in questions.columns:
        return
    drafted, accepted, rejected = (questions.filter(pl.col("origin") == one) for one in (DRAFTED, ACCEPTED, REJECTED))
    if drafted.is_empty() and rejected.is_empty():
        return
    told = [_unchecked(drafted, len(questions), run), *_of_its_own(drafted, run)] if len(drafted) else []
    if len(rejected):
        told.append(_rejected(rejected["question_id"].to_list()))
    if len(accepted):
        told.append(f"People have accepted {count(len(accepted), 'drafted question')}.")
    yield " ".join(told)


def _of_its_own(drafted: pl.DataFrame, run: Run) -> Iterator[str]:
    """What the accuracy of a reader is worth on questions that it drafted itself."""
    readers = {row["reader"] for row in run.readers}
    kept = readers & set(_tagged(drafted, CONFIRMED_BY))  # it is right on these because the others were dropped
    own = (readers & set(drafters(drafted))) - kept
    if kept:
        says = "says nothing of that reader" if len(kept) == 1 else "says nothing of those readers"
        those = "It was" if len(drafted) == 1 else "They were"
        yield f"{those} kept by the votes of {listed(sorted(kept))}, so accuracy on whole documents {says}."
    for reader in sorted(own):
        yield f"What {reader} gets right from whole documents is how often it agrees with its own drafts."


def n_unaccepted(run: Run) -> int:
    """How many questions a reader drafted that nobody has accepted."""
    questions = run.tables.get("questions")
    if questions is None or "origin" not in questions.columns:
        return 0
    return int(questions["origin"].is_in([DRAFTED, REJECTED]).sum())


def drafters(questions: pl.DataFrame) -> list[str]:
    """The readers that drafted questions, as far as their tags say."""
    return _tagged(questions, DRAFTED_BY)


def _tagged(questions: pl.DataFrame, tag: str) -> list[str]:
    """The values of a tag, each once."""
    tags = questions.select(pl.col("tags").explode()).unnest("tags").filter(name=tag)
    return sorted(set(tags["value"]))


def _rejected(ids: list[str]) -> str:
    them, more = "it" if len(ids) == 1 else "them", len(ids) - MOST_NAMED
    named = [*ids[:MOST_NAMED], *([f"{more:,} more"] if more > 0 else [])]
    return (
        f"People gave {count(len(ids), 'drafted question')} another answer: take {them} out of the table "
        f"({listed(named)})."
    )


def _unchecked(drafted: pl.DataFrame, n: int, run: Run) -> str:
    names = listed(drafters(drafted)) or "a reader"
    which = f"All {count(n, 'question')} were" if len(drafted) == n else (
        f"{len(drafted):,} of {count(n, 'question')} {'was' if len(drafted) == 1 else 'were'}"
    )  # fmt: skip
    which = "The only question was" if len(drafted) == n == 1 else which
    them = "it" if len(drafted) == 1 else "them"
    how = f"look at {them} with tercet review" if "gold" in run.tables else f"read {them} before you rely on this"
    return f"{which} drafted by {names}, and nobody has checked {them}: {how}."
