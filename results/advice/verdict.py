"""The verdict: which setting to use under a cut, or that the run cannot tell, and what it could have shown."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from labeling.votes.consensus import Rule
from results.advice.advice import Advice
from results.advice.cards.sentences import Saying, open_line, use_line
from results.advice.wording import DIGITS, basis_of, is_nothing, leaders, points
from results.config import ScoringConfig
from results.settings import CUT, SETTING, Cell, cell_of, say_cut, setting_of, spoken_in
from results.stats.clustered import detectable_difference, missed
from results.sweep.cells import COST_ORDER
from retrieval.context import Cut


def reach_verdicts(
    cells: pl.DataFrame, comparisons: pl.DataFrame, labelers: pl.DataFrame, config: ScoringConfig, rule: Rule,
    tried: pl.DataFrame,
) -> list[Advice]:  # fmt: skip
    """One verdict for each reader and cut, the headline first.

    Qualified readers come first, then those with the most gold questions. A reader's headline is the verdict under the
    first token budget (with a fixed k, bigger chunks win by reading more), or under the largest k where no budget was
    swept.

    Args:
        cells: the cells of `score_sweep`.
        comparisons: its comparisons.
        labelers: frame of schema `LABELERS`, for the qualification of each reader.
        config: confidence and margin.
        rule: the consensus rule behind the gold sets.
        tried: as for `recommend`.
    """
    qualified = dict(labelers.select("reader", "qualified").iter_rows())
    spoken, verdicts = spoken_in(tried), []
    for (reader, *cut), rows in cells.group_by(["reader", *CUT], maintain_order=True):
        of_cut = [pl.col(name) == value for name, value in zip(CUT, cut, strict=True)]
        n_tried = tried.filter(of_cut).select(SETTING).n_unique()
        saying = Saying(spoken, config, f" with {reader}", "p_within_cut", n_tried - len(rows))
        verdict = _reach(rows, saying, comparisons.filter(pl.col("reader") == reader, *of_cut), rule)
        verdicts.append((cell_of(rows.row(0, named=True)).cut, verdict))

    def headline(found: tuple[Cut, Advice]) -> tuple[bool, float, bool, int]:
        cut, verdict = found
        is_k = cut.kind == "k"
        n_gold = verdict.n_gold or 0
        return qualified.get(verdict.reader) is False, -n_gold, is_k, -cut.amount if is_k else cut.amount

    return [verdict for _, verdict in sorted(verdicts, key=headline)]


def _reach(rows: pl.DataFrame, saying: Saying, pairs: pl.DataFrame, rule: Rule) -> Advice:
    first, config = cell_of(rows.row(0, named=True)), saying.config
    reader, cut = first.reader, first.cut
    basis = basis_of(rows, len(rows), config, rule)
    undecided = Advice("", told=False, reader=reader, cut=cut, n_gold=basis.n_gold)
    if basis.is_unscored:
        return undecided._replace(line=_open(rows, saying, cut, None, rule=rule))
    ranked = rows.sort(-pl.col("gold_accuracy").round(DIGITS), *COST_ORDER)
    best = ranked.row(0, named=True)
    told_apart = {name for name, p_holm in _against_best(best["setting"], pairs) if p_holm < 1 - config.confidence}
    level = tuple(setting_of(row) for row in ranked.iter_rows(named=True) if row["setting"] not in told_apart)
    is_best = len(level) == 1 and len(rows) > 1
    is_within = pl.col("p_within_cut") < 1 - config.confidence
    if is_best or len(rows) == 1:
        is_within |= pl.col("setting") == best["setting"]
    if len(rows) > 1 and is_nothing(best["gold_accuracy"]):
        is_within = pl.lit(value=False)
    affordable = rows.filter(is_within).sort(COST_ORDER)
    verdict = undecided._replace(
        told=is_best or (config.answers == "expected" and not affordable.is_empty()),
        recommended=None if affordable.is_empty() else cell_of(affordable.row(0, named=True)),
        leader=cell_of(best),
        equal=tuple(cell_of(row) for row in leaders(ranked, "gold_accuracy").iter_rows(named=True)),
        level=level,
        detectable=_detectable(pairs, config) if config.answers == "drawn" else None,
        n_more=_more(rows, config) if affordable.is_empty() else None,
    )
    return verdict._replace(line=_line(verdict, rows, saying, is_best=is_best))


def _more(rows: pl.DataFrame, config: ScoringConfig) -> int | None:
    more = rows["n_more_cut"][0] if config.answers == "expected" else None
    return None if more is None else int(more)


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


def _line(verdict: Advice, rows: pl.DataFrame, saying: Saying, *, is_best: bool) -> str:
    if verdict.cut is None:
        raise AssertionError("a verdict is about one cut")
    is_drawn = saying.config.answers == "drawn"
    if verdict.recommended and (verdict.told or not is_drawn or len(rows) == 1):
        chosen = _row_of(rows, verdict.recommended)
        return use_line(chosen, rows, saying, is_best=is_best and verdict.recommended == verdict.leader)
    n_worse = len(rows) - len(verdict.level)
    more = missed(verdict.detectable) if is_drawn else ""
    line = _open(rows, saying, verdict.cut, verdict.n_more, more=more)
    if n_worse:
        line += f" {n_worse} of {len(rows)} settings {'is' if n_worse == 1 else 'are'} shown to be worse."
    if verdict.recommended:
        least = saying.the_cell(_row_of(rows, verdict.recommended))
        near = f"within {points(saying.config.margin)} of the best"
        line += f" Of those shown to be {near}, the least is read with {least}."
    return line


def _open(rows: pl.DataFrame, saying: Saying, cut: Cut, n_more: int | None, *, more: str = "", rule: str = "") -> str:
    """That no winner is known under a cut."""
    under = saying._replace(whose=f"{saying.whose}, {say_cut(cut)}")
    return open_line(rows, under, n_more, more=more, rule=rule)


def _row_of(rows: pl.DataFrame, cell: Cell | None) -> dict[str, Any]:
    return next(row for row in rows.iter_rows(named=True) if cell_of(row) == cell)
