"""Does retrieval find it? The share of documents and of evidence that is found, and with which setting."""

from __future__ import annotations

from typing import Any

from results.advice.cards.run import Run
from results.advice.cards.sentences import ON_DOCUMENTS, ON_SPANS
from results.advice.wording import percent, points, with_range
from results.settings import SETTING, cell_of


def chosen_row(run: Run) -> dict[str, Any] | None:
    """The row of the setting that retrieval alone recommends, or of the one that leads."""
    choice = run.choice()
    if choice is None:
        return None
    name = choice["recommended"] or choice["best"]
    rows = run.tables["retrieval_means"].rows(named=True)
    return next((row for row in rows if row["setting"] == name and cell_of(row).cut.name == choice["cut"]), None)


def answer_retrieval(run: Run) -> str:
    """The sentences of the card."""
    row, choice = chosen_row(run), run.choice()
    if row is None or choice is None:
        return "Nothing was retrieved."
    found = f"the right document for {with_range(row, 'hit')} of the questions"
    if choice["score"] == ON_SPANS and row["span_recall"] is not None:
        documents = f"the right document for {percent(row['hit'])} of the questions"
        found = f"{with_range(row, 'span_recall')} of the evidence, and {documents}"
    n_settings = run.tables["retrieval_means"].select(SETTING).n_unique()
    first = f"It finds {found}, with {run.the_cell(row)}."
    return f"{first} {_standing(run, choice, n_settings)}".strip()


def _standing(run: Run, choice: dict[str, Any], n_settings: int) -> str:
    if n_settings == 1:
        return ""
    near = f"within {points(run.margin)} of the best"
    by = " by nDCG" if choice["score"] == ON_DOCUMENTS else ""  # otherwise by the evidence, which is said before
    if choice["recommended"] is None:
        return f"That setting leads{by}, but none is shown to be {near}."
    if choice["recommended"] == choice["best"]:
        return f"Of {n_settings} settings it leads{by}, and is shown to be {near}."
    names = run.spoken.names(run.tables["retrieval_means"])
    return f"It reads less than {names[choice['best']]}, which lead{by}, and is shown to be {near}."
