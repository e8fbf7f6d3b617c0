"""What to distrust: one line for each cause, not one for each reader or cut; and nothing that an answer says already.

Whether a reader is better than a constant answer is such an answer (`results.advice.cards.readers`), and so is that the
first reader has too few gold questions to name a leader (`results.advice.cards.chunk_size`).
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from results.advice.advice import Advice
from results.advice.cards.origins import say_drafted
from results.advice.cards.run import Run
from results.advice.guards import edge_sizes, same_chunks, say_chunkings
from results.advice.wording import NO_FIGURES, NO_WINNER, count, count_gold, leaders, listed, percent, quoted, shortened
from results.settings import cell_of
from results.sweep.cells import COST_ORDER


def find_distrust(run: Run) -> Iterator[str]:
    """The lines, the gravest first."""
    yield from say_drafted(run)
    if run.reads:
        yield from _few_gold(run)
    yield from _one_label(run)
    if run.reads:
        yield from _failed(run)
        yield from _context_free(run)
        yield from _invents(run)
    yield from _one_document(run)
    if run.sweeps:
        yield from _same_chunks(run)
        yield from _edge(run)


def is_at_edge(run: Run) -> bool:
    """Whether a size beyond those that were tried may be better, so that a line of `find_distrust` names the next."""
    return run.sweeps and any(_edge(run))


def _whose(run: Run, reader: str) -> str:
    return "" if len(run.readers) == 1 else f"{reader} "


def _few_gold(run: Run) -> Iterator[str]:
    readers = run.tables["cells"]["reader"].unique(maintain_order=True)
    few = {reader: n for reader in readers if (n := run.n_gold(reader)) < NO_WINNER and not _is_said(run, reader)}
    if not few:
        return
    so = "so only very large differences show" if any(few.values()) else "so nothing is shown"
    if len(run.readers) == 1:
        (n,) = few.values()
        only = f"{'Only ' if n >= 0.5 else ''}{count_gold(n)}" if n else "no gold question"
        yield f"{only[:1].upper()}{only[1:]}, {so}."
    elif len(few) == 1 and any(few.values()):
        ((reader, n),) = few.items()
        yield f"Only {count_gold(n)} with {reader}, {so}."
    elif any(few.values()):
        each = listed([f"{'under 1' if 0 < n < 0.5 else f'{n:.0f}'} with {reader}" for reader, n in few.items()])
        yield f"Few gold questions ({each}), {so}."
    else:
        yield f"No gold question with {listed(list(few))}, {so}."


def _is_said(run: Run, reader: str) -> bool:
    """Whether the answer on chunk sizes gives the number of its gold questions as the reason why there is no winner."""
    if not run.recommendations:
        return False
    first, cells = run.recommendations[0], run.cells_of(reader)
    return first["reader"] == reader and first["setting"] is None and not cells["n_too_long"].sum()


def _one_label(run: Run) -> Iterator[str]:
    if "gold" not in run.tables:
        return
    kept = run.tables["gold"].filter("kept", pl.col("label").is_not_null())
    for (reader,), mine in kept.group_by(["reader"], maintain_order=True):
        if len(mine) > 1 and mine["label"].n_unique() == 1:
            whose = "" if len(run.readers) == 1 else f" of {reader}"
            label = quoted(mine["label"][0])
            yield f"All {len(mine)} gold questions{whose} are {label}: always answering {label} would be 100 % right."


def _failed(run: Run) -> Iterator[str]:
    answers = run.tables.get("answers")
    if answers is None:
        return
    failed = answers.filter(pl.col("failure").is_not_null())
    if len(failed):
        yield f"{count(len(failed), 'answer')} of {len(answers):,} failed and {_counts(len(failed))} as wrong."


def _counts(n: int) -> str:
    return "counts" if n == 1 else "count"


def _context_free(run: Run) -> Iterator[str]:
    ladder = run.tables.get("ladder")
    if ladder is None:
        return
    known = ladder.filter(
        pl.col("questions") == "gold", pl.col("closed_book").is_not_null(), pl.col("document").is_not_null(),
        pl.col("n_failed").fill_null(0) == 0, pl.col("recovered").is_null(),
    ).unique("reader").sort("reader")  # fmt: skip
    each = [
        f"{_whose(run, reader)}{_with_and_without(run.n_gold(reader), whole, closed)}"
        for reader, closed, whole in known.select("reader", "closed_book", "document").iter_rows()
    ]
    if each:
        yield f"What is retrieved may not matter: the document is not shown to help ({shortened(each)})."


def _invents(run: Run) -> Iterator[str]:
    """Chunks that make a reader answer where nothing is stated, more often than the largest ones do."""
    frame = run.tables.get("abstention")
    if frame is None:
        return
    shown = frame.filter(pl.col("false_more_low") > 0)
    # By the gold labels where they say it, by the references where they do not.
    for questions in ("gold", "all"):
        mine = shown.filter(pl.col("questions") == questions)
        worst = mine.sort("false_more", descending=True, maintain_order=True).unique("reader", maintain_order=True)
        for row in worst.iter_rows(named=True):
            who, false = _whose(run, row["reader"]) or "the reader ", row["false_answers"]
            yield (
                f"Small chunks make {who}invent: where nothing is stated, {percent(false)} of the answers are false "
                f"with {run.the_cell(row)}, against {percent(false - row['false_more'])} with the largest chunks."
            )
        if len(worst):
            return


def _with_and_without(n_gold: float, whole: float, closed: float) -> str:
    figures = "" if n_gold < NO_FIGURES else f"{percent(whole)} right with it, {percent(closed)} without, "
    return f"{figures}on {count_gold(n_gold)}"


def _one_document(run: Run) -> Iterator[str]:
    questions = run.tables.get("questions")
    if questions is None or len(questions) < 2:
        return
    if questions["document_ids"].list.first().n_unique() == 1:
        yield "All questions share one document, so nothing shows how much of a difference is chance."


def _same_chunks(run: Run) -> Iterator[str]:
    if "chunks" not in run.tables:
        return
    for names in same_chunks(run.tables["chunks"], say_chunkings(run.tables["retrieval_means"])):
        yield f"{listed(names)} make the same chunks, so they cannot differ."


def _edge(run: Run) -> Iterator[str]:
    """The leading size of the first reader, or of retrieval if no reader was asked, at the edge of what was tried."""
    if run.recommendations:
        first = run.recommendations[0]
        reader, n_gold, score, cells = first["reader"], first["n_gold"], "gold_accuracy", run.cells_of(first["reader"])
    else:
        choice = run.choice()
        if choice is None:
            return
        reader, n_gold, score, cells = None, None, choice["score"], run.retrieved(choice)
    equal = [cell_of(row) for row in leaders(cells.drop_nulls(score), score).sort(COST_ORDER).iter_rows(named=True)]
    if not equal:
        return
    sizes = tuple(sorted(set(cells["size"].to_list())))
    one = Advice("", told=False, reader=reader, leader=equal[0], equal=tuple(equal), n_gold=n_gold, sizes=sizes)
    for tries in edge_sizes([one]):
        whose = f" with {reader}" if reader and len(run.recommendations) > 1 else ""
        yield f"The leading size{whose} is the {tries}."
