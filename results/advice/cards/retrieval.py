"""Does retrieval find it? The share of documents and of evidence that is found, and with which setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.advice.cards.run import Run, maybe_best
from results.advice.cards.sentences import ON_SPANS, are_worse, found_nothing, reads_no_more
from results.advice.wording import capital, is_nothing, leaders, percent, points, say_equal, with_range
from results.settings import Cell, cell_of, cut_of, say_cut


def chosen_row(run: Run) -> dict[str, Any] | None:
    """The row of the setting that retrieval alone recommends, or of the one that leads."""
    choice = run.choice()
    if choice is None:
        return None
    name = choice["recommended"] or choice["best"]
    return next((row for row in run.retrieved(choice).rows(named=True) if row["setting"] == name), None)


def nothing_found(run: Run) -> str:
    """That no setting finds anything, under the cut that the choice is about; empty where one does, or stands alone."""
    row, choice = chosen_row(run), run.choice()
    if row is None or choice is None:
        return ""
    rows = run.retrieved(choice)
    if len(rows) == 1 or not is_nothing(rows[choice["score"]].max()):
        return ""
    return f"with {say_cut(cut_of(row))}, {found_nothing(choice['score'])}"


def answer_retrieval(run: Run) -> str:
    """The sentences of the card."""
    row, choice = chosen_row(run), run.choice()
    if row is None or choice is None:
        return "Nothing was retrieved."
    nothing = nothing_found(run)
    if nothing:
        return f"No: {nothing}{_at_best(run.retrieved(choice), choice)}."
    found = f"the right document for {with_range(row, 'hit')} of the questions"
    if choice["score"] == ON_SPANS and row["span_recall"] is not None:
        documents = f"the right document for {_of_questions(row['hit'])}"
        found = f"{with_range(row, 'span_recall')} of the evidence, and {documents}"
    return f"It finds {found}, with {run.the_cell(row)}. {_standing(run, choice, row)}".strip()


def _at_best(rows: pl.DataFrame, choice: Mapping[str, Any]) -> str:
    """Where no evidence is found, for how many questions its document is."""
    most: float = rows["hit"].max()  # type: ignore[assignment]  # a number
    if choice["score"] != ON_SPANS or not most:
        return ""
    return f"; the right document is found for {_of_questions(most)} at best"


def _of_questions(share: float) -> str:
    return "every question" if share == 1 else f"{percent(share)} of the questions"


def _standing(run: Run, choice: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    rows = run.retrieved(choice)
    n, cell = len(rows), cell_of(row)
    if n == 1:
        return ""
    equal = [cell_of(one) for one in leaders(rows, choice["score"]).iter_rows(named=True)]
    if len(equal) > 1:
        return _tied(run, choice, equal, n, is_tied=cell in equal)
    near, by = f"within {points(run.margin)} of the best", _by(choice)
    if choice["recommended"] is None:
        n_worse = n - len(maybe_best(choice, rows))
        out = f"; {are_worse(n_worse, n)}, but none to be {near}" if n_worse else f", but none is shown to be {near}"
        return f"That setting leads{by}{out}."
    if cell in equal:
        return f"Of {n} settings, this one leads{by}, and it is shown to be {near}."
    names = run.spoken.names(rows)
    return f"This setting reads less than {names[choice['best']]}, which lead{by}, and it is shown to be {near}."


def _by(choice: Mapping[str, Any]) -> str:
    """By which score; that it is the evidence is said before."""
    return "" if choice["score"] == ON_SPANS else " by nDCG"


def _tied(run: Run, choice: Mapping[str, Any], equal: list[Cell], n: int, *, is_tied: bool) -> str:
    """Where several settings score exactly the same, and no other scores higher."""
    near, by = f"within {points(run.margin)} of the best", _by(choice)
    who = say_equal(equal, n, run.spoken)
    how = f"{who} are equal{by or ' in this'}" if len(equal) == n else f"{who} lead{by}, and are equal"
    if choice["recommended"] is None:
        return f"{capital(how)}, but none is shown to be {near}."
    if is_tied:
        return f"{capital(how)}; this one {reads_no_more(len(equal))}."
    return f"This setting reads less than {who}, which lead{by} and are equal, and it is shown to be {near}."
