"""Which chunk size? What to use with each reader, or what it would take to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.advice.cards.retrieval import chosen_row, nothing_found
from results.advice.cards.run import Run, few_left, maybe_best, recommended_row, told_under_every_cut
from results.advice.cards.sentences import Saying, open_line, say_left, use_line
from results.advice.wording import all_of, capital, count, leaders, listed, say_equal
from results.settings import SETTING, cell_of, say_cut


def answer_chunk_size(run: Run) -> str:
    """The sentences of the card: the best qualified reader first, then what differs with the others."""
    if not run.recommendations:
        return _by_retrieval(run)
    first, *others = run.recommendations
    lines = [reader_line(run, first, f" with {first['reader']}" if others else "", _basis(run, first))]
    if others:
        lines.append(_others(run, first, others))
    if first["setting"] is None:
        lines.append(_pointer(run))
    return " ".join(filter(None, lines))


def reader_line(run: Run, entry: Mapping[str, Any], whose: str, basis: str = "") -> str:
    """What to use with a reader, or that no winner is known.

    Args:
        run: the run.
        entry: of its recommendations.
        whose: as for `Saying`.
        basis: how much was asked for it, where that is not the number of gold questions.
    """
    cells, rule = run.cells_of(entry["reader"]), run.manifest.get("config", {}).get("consensus", {}).get("rule", "")
    saying = Saying(run.spoken, run.scoring, whose, n_dropped=run.n_dropped(entry["reader"]))
    chosen = recommended_row(entry, cells)
    if chosen is None:
        open_ = open_line(cells, saying, entry.get("n_more"), rule=rule)
        everywhere = _same_under_every_cut(run, entry["reader"])
        not_yet = f"No winner yet{whose}. "
        if everywhere and open_.startswith(not_yet):
            which = f"Use {everywhere}{f',{whose}' if whose else ''}; which cut is best is open."
            return f"{which} {open_.removeprefix(not_yet)}"
        return open_
    return use_line(chosen, cells, saying, basis)


def _same_under_every_cut(run: Run, reader: str) -> str:
    """What is told under every cut with a reader, and that it is; empty if nothing is."""
    told = told_under_every_cut(run.manifest, reader)
    if told is None:
        return ""
    row = run.cells_of(reader).filter(pl.col("setting") == told).row(0, named=True)
    n = sum(one["reader"] == reader for one in run.manifest["verdicts"])
    return f"{run.spoken.setting(cell_of(row).setting)}, under {'both' if n == 2 else f'all {n}'} cuts"


def _basis(run: Run, entry: Mapping[str, Any]) -> str:
    look = run.last_look(entry["reader"])
    if look:
        told = "told after" if look["is_told"] else "after"
        return f", {told} {look['questions']:,} of {count(look['of_questions'], 'question')}"
    return ""


def _others(run: Run, first: Mapping[str, Any], others: list[dict[str, Any]]) -> str:
    """What the advice for the other readers is, in a few words."""
    everywhere = {one["reader"]: _same_under_every_cut(run, one["reader"]) for one in others if one["setting"] is None}
    open_ = [one for one in others if everywhere.get(one["reader"]) == ""]
    told = [one for one in others if one not in open_]
    if not told:
        return f"No winner yet with {'any of ' if len(others) > 1 else ''}{_names(others)}."
    same = [one for one in told if (one["setting"], one["cut"]) == (first["setting"], first["cut"])]
    if first["setting"] is not None and len(same) == len(others):
        return f"The same goes for {_names(others)}."
    said = []
    for one in told:
        row = recommended_row(one, run.cells_of(one["reader"]))
        what = run.the_cell(row) if row else everywhere.get(one["reader"], "")
        said.append(f"with {one['reader']}: {what}" if what else "")
    said += [f"with {_names(open_)}: no winner yet"] if open_ else []
    return f"{capital('; '.join(filter(None, said)))}."


def _names(entries: list[dict[str, Any]]) -> str:
    return listed([one["reader"] for one in entries])


def _pointer(run: Run) -> str:
    """What retrieval alone can tell where the reader cannot."""
    found = chosen_row(run)
    choice = run.choice()
    if found is None or choice is None or not _has_rivals(run) or nothing_found(run):
        return ""
    if choice["recommended"] is None:
        return _one_of(run, choice)
    return f"By retrieval alone, {_use(run, found, choice)}."


def _use(run: Run, found: Mapping[str, Any], choice: Mapping[str, Any]) -> str:
    """What retrieval alone advises, or that all settings are equal."""
    rows = run.retrieved(choice)
    if len(leaders(rows, choice["score"])) < len(rows):
        return f"use {run.the_cell(found)}"
    return f"{all_of(len(rows))} are equal; the cheapest is {run.the_cell(found)}"


def _has_rivals(run: Run) -> bool:
    return run.tables["retrieval_means"].select(SETTING).n_unique() > 1


def _by_retrieval(run: Run) -> str:
    """The answer of a run that asked no reader."""
    found, choice = chosen_row(run), run.choice()
    if found is None or choice is None:
        return "Nothing was scored."
    if not _has_rivals(run):
        return f"Nothing to choose: {run.the_cell(found)}, was the only setting; no reader was asked."
    nothing = nothing_found(run)
    if nothing:
        return f"Nothing can be told: {nothing}. No reader was asked."
    if choice["recommended"] is not None:
        return f"By retrieval alone, {_use(run, found, choice)}. No reader was asked."
    return f"{_one_of(run, choice) or f'No winner yet. {_best_so_far(run, found, choice)}.'} No reader was asked."


def _one_of(run: Run, choice: Mapping[str, Any]) -> str:
    """The few settings that are left where the others are shown to be worse; empty where none is, or many are left."""
    rows = run.retrieved(choice)
    if choice["recommended"] is not None or not few_left(choice):
        return ""
    maybe = [cell_of(row) for row in maybe_best(choice, rows).iter_rows(named=True)]
    return f"By retrieval alone, use {say_left(maybe, len(rows), run.spoken)}."


def _best_so_far(run: Run, found: Mapping[str, Any], choice: Mapping[str, Any]) -> str:
    rows = run.retrieved(choice)
    equal = [cell_of(row) for row in leaders(rows, choice["score"]).iter_rows(named=True)]
    if len(equal) == 1:
        return f"Best so far, by retrieval alone: {run.the_cell(found)}"
    who, cut = say_equal(equal, len(rows), run.spoken), say_cut(equal[0].cut)
    if len(equal) == len(rows):
        return f"By retrieval alone, {who} are equal so far, {cut}"
    return f"Best so far, by retrieval alone, and equal: {who}, {cut}"
