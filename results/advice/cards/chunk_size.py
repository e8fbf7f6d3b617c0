"""Which chunk size? What to use with each reader, or what it would take to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.advice.cards.retrieval import chosen_row
from results.advice.cards.run import Run, leading_row, recommended_row
from results.advice.wording import NO_FIGURES, NO_WINNER, about, count, from_to, listed, percent, points, right
from results.settings import SETTING
from results.stats.worst_case import fewest_documents


def answer_chunk_size(run: Run) -> str:
    """The sentences of the card: the best qualified reader first, then what differs with the others."""
    if not run.recommendations:
        return _by_retrieval(run)
    first, *others = run.recommendations
    if others:
        lines = [f"With {first['reader']}: {lower_first(_line(run, first))}", _others(run, first, others)]
    else:
        lines = [_line(run, first)]
    if first["setting"] is None:
        lines.append(_pointer(run))
    return " ".join(filter(None, lines))


def lower_first(sentence: str) -> str:
    """A sentence as it goes on after a colon."""
    return sentence[:1].lower() + sentence[1:]


def _line(run: Run, entry: Mapping[str, Any]) -> str:
    cells = run.cells_of(entry["reader"])
    chosen = recommended_row(entry, cells)
    return _told(run, chosen, cells) if chosen else _untold(run, entry, cells)


def _told(run: Run, chosen: Mapping[str, Any], cells: pl.DataFrame) -> str:
    accuracy = right(chosen, "gold_accuracy") + _basis(run, chosen)
    n_all, n_dropped = len(cells), run.n_dropped(chosen["reader"])
    n_within = len(cells.filter(pl.col("p_within") < run.alpha))
    best = f"{points(run.margin)} of the best"
    if n_all + n_dropped == 1:
        return f"Nothing to choose: {run.said(chosen)}, the only setting that was tried, is {accuracy}."
    if n_within == n_all and not n_dropped:
        one_way = cells.select(*(name for name in SETTING if name != "size"), "cut", "amount").n_unique() == 1
        sizes = sorted(cells["size"].to_list())
        any_of = f"Any of {sizes[0]} to {sizes[-1]} tokens" if one_way else f"Any of {n_all} settings"
        least = str(chosen["size"]) if one_way else article(run, chosen)
        alike = f"all are within {points(run.margin)} of each other"
        return f"{any_of} will do: {alike}. The least text is read with {least}: {accuracy}."
    if n_within < 2:
        standing = f"only this one of {n_all + n_dropped} settings is shown to be within {best}"
    else:
        standing = f"it reads the least of the {n_within} settings (of {n_all + n_dropped}) within {best}"
    return f"Use {article(run, chosen)}: {accuracy}; {standing}."


def article(run: Run, row: Mapping[str, Any]) -> str:
    """A cell inside a sentence, as in `the best 3 chunks of 64 tokens`."""
    return ("the " if row["cut"] == "k" else "") + run.said(row)


def _basis(run: Run, row: Mapping[str, Any]) -> str:
    look = run.last_look(row["reader"])
    if look:
        told = "told after" if look["is_told"] else "after"
        return f", {told} {look['questions']:,} of {count(look['of_questions'], 'question')}"
    return f", on {count(row['gold_n'], 'gold question')}"


def _untold(run: Run, entry: Mapping[str, Any], cells: pl.DataFrame) -> str:
    best, n_gold = leading_row(cells), entry["n_gold"] or 0
    if best is None:
        return "Nothing can be told: no question is in the gold set."
    too_long = int(cells["n_too_long"].sum())
    if too_long:
        return f"Nothing can be told: {count(too_long, 'prompt')} did not fit in num_ctx; raise it."
    if not run.is_drawn and n_gold < NO_FIGURES and len(cells) > 1 and run.margin > 0:
        fewest = fewest_documents(len(cells), run.margin, run.alpha)
        return (
            f"No winner yet: {count(n_gold, 'gold question')} cannot tell {len(cells)} settings apart; "
            f"it takes at least {fewest:.0f}, on as many documents."
        )
    more = f"{about(entry['n_more'])} more questions are needed" if entry.get("n_more") else ""
    if not run.is_drawn and n_gold < NO_WINNER:
        few = f"No winner yet: {count(n_gold, 'gold question')} are too few to name a leader"
        return f"{few}; {more}." if more else f"{few}."
    accuracy = f"{percent(best['gold_accuracy'])}, {from_to(best['gold_accuracy_low'], best['gold_accuracy_high'])}"
    lead = f"No winner yet. Best so far: {run.said(best)} ({accuracy})"
    return f"{lead}; {more}." if more else f"{lead}; no setting is shown to be within {points(run.margin)} of the best."


def _others(run: Run, first: Mapping[str, Any], others: list[dict[str, Any]]) -> str:
    """What the advice for the other readers is, in a few words."""
    told = [one for one in others if one["setting"] is not None]
    if not told:
        return f"No winner yet with {'any of ' if len(others) > 1 else ''}{_names(others)}."
    same = [one for one in told if (one["setting"], one["cut"]) == (first["setting"], first["cut"])]
    if len(same) == len(others):
        return f"The same goes for {_names(others)}."
    said = []
    for one in told:
        row = recommended_row(one, run.cells_of(one["reader"]))
        said.append(f"with {one['reader']}: {run.said(row)}" if row else "")
    open_ = [one for one in others if one["setting"] is None]
    said += [f"with {_names(open_)}: no winner yet"] if open_ else []
    joined = "; ".join(filter(None, said))
    return f"{joined[:1].upper()}{joined[1:]}."


def _names(entries: list[dict[str, Any]]) -> str:
    return listed([one["reader"] for one in entries])


def _pointer(run: Run) -> str:
    """What retrieval alone can tell where the reader cannot."""
    found = chosen_row(run)
    choice = run.choice()
    if found is None or choice is None or choice["recommended"] is None or not _has_rivals(run):
        return ""
    return f"Retrieval alone can tell: {run.said(found)} (next answer)."


def _has_rivals(run: Run) -> bool:
    return run.tables["retrieval_means"].select(SETTING).n_unique() > 1


def _by_retrieval(run: Run) -> str:
    """The answer of a run that asked no reader."""
    found, choice = chosen_row(run), run.choice()
    if found is None or choice is None:
        return "Nothing was scored."
    if not _has_rivals(run):
        return f"Nothing to choose: {run.said(found)}, was the only setting; no reader was asked."
    if choice["recommended"] is None:
        return f"No winner yet. Best so far, by retrieval alone: {run.said(found)}. No reader was asked."
    return f"By retrieval alone, use {article(run, found)}. No reader was asked."
