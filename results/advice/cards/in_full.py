"""The advice in full sentences: for each reader, and for retrieval alone under each cut, made anew from the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from results.advice.cards.chunk_size import reader_line
from results.advice.cards.run import Run, recommended_row
from results.advice.cards.sentences import ON_SPANS, Choice, Found, retrieval_line
from results.advice.wording import how_far, leaders, losses_line
from results.settings import cell_of


def advice_in_full(run: Run) -> Iterator[str]:
    """The lines, those of readers first; a run of an older version says them in today's words too."""
    for entry in run.recommendations:
        yield _of_reader(run, entry)
    for entry in run.choices:
        line = _of_retrieval(run, entry)
        if line:
            yield line


def _of_reader(run: Run, entry: Mapping[str, Any]) -> str:
    line = reader_line(run, entry, f" with {entry['reader']}")
    chosen, ladder = recommended_row(entry, run.cells_of(entry["reader"])), run.tables.get("ladder")
    if chosen is not None and ladder is not None:
        line += losses_line(chosen, ladder)
    look = run.last_look(entry["reader"])
    return f"{line} {how_far(look)}" if look else line


def _of_retrieval(run: Run, entry: Mapping[str, Any]) -> str:
    known = run.retrieved(entry)
    rows = {row["setting"]: row for row in known.iter_rows(named=True)}
    best, chosen = rows.get(entry["best"]), rows.get(entry["recommended"] or "")
    if best is None:
        return ""
    n = best["n_spans" if entry["score"] == ON_SPANS else "n"]
    found = _found(best, entry["score"])
    equal = tuple(cell_of(row) for row in leaders(known, entry["score"]).iter_rows(named=True))
    told = _found(chosen, entry["score"]) if chosen else None
    maybe = tuple(cell_of(rows[name]) for name in entry.get("not_worse", ()) if name in rows)
    choice = Choice(entry["score"], n, len(rows), found, equal, told, maybe=maybe)
    return retrieval_line(choice, run.spoken, run.margin)


def _found(row: Mapping[str, Any], score: str) -> Found:
    return Found(cell_of(row), row[score], row["n_context_tokens"])
