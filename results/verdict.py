"""The verdict: which chunking to use under a cut, or that the run cannot tell, and what it could have told."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl

from results.scoring import CUT, ScoringConfig, chunking_name
from results.statistics import detectable_difference


class Verdict(NamedTuple):
    """What the evidence says for one reader under one cut.

    Attributes:
        reader: who read.
        cut: as in `budget=256`.
        n_gold: gold questions it rests on.
        best: chunking with the highest accuracy; of equal ones the one with the least context.
        not_worse: chunkings that the tests cannot tell from the best, the best included.
        recommended: the cheapest chunking shown to be within the margin of the best, or None.
        detectable: smallest difference that the run would probably have found; None where nothing ever differed, or
            with fewer than two chunkings.
        decided: whether the best is told from all others.
        line: all of that in one line.
    """

    reader: str
    cut: str
    n_gold: int
    best: str
    not_worse: tuple[str, ...]
    recommended: str | None
    detectable: float | None
    decided: bool
    line: str


def reach_verdicts(
    cells: pl.DataFrame, comparisons: pl.DataFrame, labelers: pl.DataFrame, config: ScoringConfig
) -> list[Verdict]:
    """One verdict for each reader and cut, the headline first.

    The headline is the reader with the most gold questions under the first token budget (with a fixed k, bigger chunks
    win by reading more), or under the largest k where no budget was swept.

    Args:
        cells: the cells of `score_sweep`.
        comparisons: its comparisons.
        labelers: frame of schema `LABELERS`, for the qualification of each reader.
        config: confidence and margin.
    """
    qualified = dict(labelers.select("reader", "qualified").iter_rows())
    named = cells.with_columns(chunking_name())
    verdicts = []
    for (reader, cut, amount), rows in named.group_by(["reader", *CUT], maintain_order=True):
        same = (pl.col("reader") == reader) & (pl.col("cut") == cut) & (pl.col("amount") == amount)
        verdicts.append(_reach(rows, comparisons.filter(same), qualified.get(reader), config))
    order = {"budget": 0, "k": 1}

    def headline(verdict: Verdict) -> tuple[int, int, int]:
        kind, amount = verdict.cut.split("=")
        return -verdict.n_gold, order[kind], int(amount) if kind == "budget" else -int(amount)

    return sorted(verdicts, key=headline)


def _reach(rows: pl.DataFrame, pairs: pl.DataFrame, qualified: bool | None, config: ScoringConfig) -> Verdict:
    reader, cut, n_gold = rows["reader"][0], f"{rows['cut'][0]}={rows['amount'][0]}", rows["gold_n"][0]
    if n_gold == 0:
        line = f"Cannot tell: {reader} at {cut} has an empty gold set, so nothing can be scored against it."
        return Verdict(reader, cut, 0, "", (), None, None, decided=False, line=line)
    ranked = rows.sort(-pl.col("gold_accuracy"), "n_context_tokens", "size", "chunking")
    best = ranked.row(0, named=True)
    against = _against_best(best["chunking"], pairs)
    alpha = 1 - config.confidence
    told_apart = {name for name, p_holm, _ in against if p_holm < alpha}
    not_worse = tuple(name for name in ranked["chunking"] if name not in told_apart)
    within = {best["chunking"]} | {name for name, _, high in against if high <= config.margin}
    affordable = rows.filter(pl.col("chunking").is_in(within)).sort("n_context_tokens", "size", "chunking")
    recommended = affordable["chunking"][0] if len(not_worse) == 1 or len(within) > 1 else None
    # The typical pair; one that never differs has no error to learn from.
    error = pairs.filter(pl.col("standard_error") > 0)["standard_error"].median()
    detectable = None
    if isinstance(error, float):
        detectable = detectable_difference(error, len(pairs), config.confidence)
    decided = len(not_worse) == 1 and len(rows) > 1
    line = _line(best, not_worse, recommended, detectable, decided, len(rows), config)
    if qualified is False:
        line += f" WARNING: {reader} is not shown to beat always answering the majority label; its gold proves little."
    return Verdict(reader, cut, n_gold, best["chunking"], not_worse, recommended, detectable, decided, line)


def _against_best(best: str, pairs: pl.DataFrame) -> list[tuple[str, float, float]]:
    """Every other chunking with its adjusted p-value and the upper end of (best minus it)."""
    found = []
    for pair in pairs.iter_rows(named=True):
        if pair["a"] == best:
            found.append((pair["b"], pair["p_holm"], pair["high"]))
        elif pair["b"] == best:
            found.append((pair["a"], pair["p_holm"], -pair["low"]))
    return found


def _line(
    best: dict[str, Any],
    not_worse: tuple[str, ...],
    recommended: str | None,
    detectable: float | None,
    decided: bool,
    n_chunkings: int,
    config: ScoringConfig,
) -> str:
    where = f"{best['reader']} at {best['cut']}={best['amount']}"
    shown = (
        f"accuracy {best['gold_accuracy']:.3f} [{best['gold_low']:.3f}, {best['gold_high']:.3f}] "
        f"on {best['gold_n']} gold questions"
    )
    if n_chunkings == 1:
        return f"Nothing to choose: {where} was run with one chunking only, {best['chunking']}: {shown}."
    if decided:
        return f"Use {best['chunking']} for {where}: {shown}, better than each of the {n_chunkings - 1} others."
    others = n_chunkings - len(not_worse)
    told = f" ({others} of {n_chunkings} are worse)" if others else ""
    line = (
        f"Cannot tell which of {', '.join(not_worse)} is best for {where}{told}: {best['chunking']} leads, {shown}; "
        + ("no answer ever differed." if detectable is None else missed(detectable))
    )
    if recommended:
        line += f" Cheapest shown to be within {config.margin:g} of the best: {recommended}."
    return line


def missed(detectable: float) -> str:
    """What the run was too small to see."""
    return f"a difference below about {detectable:.3f} would have been missed."
