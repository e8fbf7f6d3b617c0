"""The verdict: which setting to use under a cut, or that the run cannot tell, and what it could have told."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import polars as pl

from labeling.votes.consensus import Rule
from results.advice.recommendation import COST_ORDER, unqualified
from results.config import ScoringConfig
from results.settings import CUT
from results.stats.clustered import detectable_difference, missed

GOLD_MEANS: dict[str, str] = {
    "unanimous_and_correct": "questions it answers rightly and unanimously from the whole document",
    "unanimous": "questions it answers unanimously from the whole document, rightly or not",
    "majority": "questions with a majority of its votes on the whole document, right or not",
    "min_probability": "questions it answers with confidence from the whole document, rightly or not",
}


class Verdict(NamedTuple):
    """What the evidence says for one reader under one cut.

    Attributes:
        reader: who read.
        cut: as in `budget=256`.
        n_gold: gold questions it rests on.
        best: setting with the highest accuracy; of equal ones the one with the least context.
        not_worse: settings that the tests cannot tell from the best, the best included.
        recommended: the cheapest setting shown to be within the margin of the best (one that is told from all others
            needs no more), or None where none is.
        detectable: smallest difference that the run would have found with 80 % power; None with fewer than two
            settings or documents.
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
    cells: pl.DataFrame, comparisons: pl.DataFrame, labelers: pl.DataFrame, config: ScoringConfig, rule: Rule
) -> list[Verdict]:
    """One verdict for each reader and cut, the headline first.

    The headline is a qualified reader before one that is not, then the one with the most gold questions, under the
    first token budget (with a fixed k, bigger chunks win by reading more), or the largest k where no budget was swept.

    Args:
        cells: the cells of `score_sweep`.
        comparisons: its comparisons.
        labelers: frame of schema `LABELERS`, for the qualification of each reader.
        config: confidence and margin.
        rule: the consensus rule behind the gold sets.
    """
    qualified = dict(labelers.select("reader", "qualified").iter_rows())
    verdicts = []
    for (reader, cut, amount), rows in cells.group_by(["reader", *CUT], maintain_order=True):
        same = (pl.col("reader") == reader) & (pl.col("cut") == cut) & (pl.col("amount") == amount)
        verdict = _reach(rows, comparisons.filter(same), config, rule)
        if qualified.get(reader) is False:
            verdict = verdict._replace(line=f"{verdict.line} WARNING: {unqualified(verdict.reader)}")
        verdicts.append(verdict)

    def headline(verdict: Verdict) -> tuple[bool, int, bool, int]:
        kind, amount = verdict.cut.split("=")
        is_k = kind == "k"
        return qualified.get(verdict.reader) is False, -verdict.n_gold, is_k, -int(amount) if is_k else int(amount)

    return sorted(verdicts, key=headline)


def _reach(rows: pl.DataFrame, pairs: pl.DataFrame, config: ScoringConfig, rule: Rule) -> Verdict:
    reader, cut, n_gold = rows["reader"][0], f"{rows['cut'][0]}={rows['amount'][0]}", rows["gold_n"][0]
    undecided = Verdict(reader, cut, n_gold, "", (), None, None, decided=False, line="")
    if n_gold == 0:
        line = f"Cannot tell: {reader} at {cut} has an empty gold set, so nothing can be scored against it."
        return undecided._replace(line=line)
    too_long = int(rows["n_too_long"].sum())
    if too_long:
        # A prompt that did not fit is not a wrong answer; scored as one, it would look like an effect of size.
        line = f"Cannot tell: {too_long} prompts of {reader} at {cut} were longer than its num_ctx; raise it."
        return undecided._replace(line=line)
    ranked = rows.sort(-pl.col("gold_accuracy"), *COST_ORDER)
    best = ranked.row(0, named=True)
    told_apart = {name for name, p_holm in _against_best(best["setting"], pairs) if p_holm < 1 - config.confidence}
    not_worse = tuple(name for name in ranked["setting"] if name not in told_apart)
    decided = len(not_worse) == 1 and len(rows) > 1
    is_within = pl.col("p_within_cut") < 1 - config.confidence
    if decided or len(rows) == 1:
        is_within |= pl.col("setting") == best["setting"]
    affordable = rows.filter(is_within).sort(COST_ORDER)
    verdict = undecided._replace(
        best=best["setting"],
        not_worse=not_worse,
        recommended=None if affordable.is_empty() else affordable["setting"][0],
        detectable=_detectable(pairs, config),
        decided=decided,
    )
    return verdict._replace(line=_line(verdict, best, len(rows), config, rule))


def _against_best(best: str, pairs: pl.DataFrame) -> list[tuple[str, float]]:
    """Every other setting with its adjusted p-value."""
    found = []
    for pair in pairs.iter_rows(named=True):
        if best in (pair["a"], pair["b"]):
            found.append((pair["b"] if pair["a"] == best else pair["a"], pair["p_holm"]))
    return found


def _detectable(pairs: pl.DataFrame, config: ScoringConfig) -> float | None:
    """What the typical pair of settings could have shown."""
    error = pairs["standard_error"].median()
    if not isinstance(error, float) or not math.isfinite(error):
        return None
    return detectable_difference(error, len(pairs), config.confidence)


def _line(verdict: Verdict, best: dict[str, Any], n_settings: int, config: ScoringConfig, rule: Rule) -> str:
    where = f"{verdict.reader} at {verdict.cut}"
    shown = (
        f"accuracy {best['gold_accuracy']:.3f} [{best['gold_accuracy_low']:.3f}, {best['gold_accuracy_high']:.3f}] "
        f"on {verdict.n_gold} gold questions ({GOLD_MEANS[rule]})"
    )
    if n_settings == 1:
        return f"Nothing to choose: {where} was run with one setting only, {verdict.best}: {shown}."
    if verdict.decided and verdict.recommended == verdict.best:
        return f"Use {verdict.best} for {where}: {shown}, better than {_others(n_settings)}."
    if verdict.decided:
        return (
            f"Use {verdict.recommended} for {where}: the cheapest shown to be within {config.margin:g} of the best, "
            f"{verdict.best} ({shown}), which is better than {_others(n_settings)}."
        )
    others = n_settings - len(verdict.not_worse)
    told = f" ({others} of {n_settings} are worse)" if others else ""
    line = (
        f"Cannot tell which of {', '.join(verdict.not_worse)} is best for {where}{told}: {verdict.best} leads, "
        f"{shown}; {missed(verdict.detectable)}."
    )
    if verdict.recommended:
        line += f" Cheapest shown to be within {config.margin:g} of the leader: {verdict.recommended}."
    return line


def _others(n_settings: int) -> str:
    return "the other" if n_settings == 2 else f"each of the {n_settings - 1} others"
