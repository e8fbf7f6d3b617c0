"""The verdict: which setting to use under a cut, or that the run cannot tell, and what it could have shown."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from labeling.votes.consensus import Rule
from results.advice.advice import Advice, Names
from results.advice.wording import Basis, basis_of, more_line, unqualified
from results.config import ScoringConfig
from results.settings import CUT, Cell, cell_of, names_in, setting_of
from results.stats.clustered import detectable_difference, missed
from results.sweep.cells import COST_ORDER
from retrieval.context import Cut

GOLD_MEANS: dict[str, str] = {
    "unanimous_and_correct": "questions it answers correctly and unanimously from the whole document",
    "unanimous": "questions it answers unanimously from the whole document, right or wrong",
    "majority": "questions on which most of its votes from the whole document agree, right or wrong",
    "confident": "questions on which its three votes from the whole document would agree often enough, right or wrong",
    "min_probability": "questions it answers with confidence from the whole document, right or wrong",
}


def reach_verdicts(
    cells: pl.DataFrame, comparisons: pl.DataFrame, labelers: pl.DataFrame, config: ScoringConfig, rule: Rule
) -> list[Advice]:
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
    """
    qualified = dict(labelers.select("reader", "qualified").iter_rows())
    names, verdicts = names_in(cells), []
    for (reader, *cut), rows in cells.group_by(["reader", *CUT], maintain_order=True):
        same = [pl.col(name) == value for name, value in zip(("reader", *CUT), (reader, *cut), strict=True)]
        verdict = _reach(rows, names, comparisons.filter(same), config, rule)
        if qualified.get(reader) is False:
            verdict = verdict._replace(line=f"{verdict.line} WARNING: {unqualified(str(reader))}")
        verdicts.append((cell_of(rows.row(0, named=True)).cut, verdict))

    def headline(found: tuple[Cut, Advice]) -> tuple[bool, float, bool, int]:
        cut, verdict = found
        is_k = cut.kind == "k"
        n_gold = verdict.n_gold or 0
        return qualified.get(verdict.reader) is False, -n_gold, is_k, -cut.amount if is_k else cut.amount

    return [verdict for _, verdict in sorted(verdicts, key=headline)]


def _reach(rows: pl.DataFrame, names: Names, pairs: pl.DataFrame, config: ScoringConfig, rule: Rule) -> Advice:
    first = cell_of(rows.row(0, named=True))
    reader, cut = first.reader, first.cut
    basis = basis_of(rows, len(rows), config, rule)
    undecided = Advice("", told=False, reader=reader, cut=cut, n_gold=basis.n_gold)
    if basis.is_unscored:
        return undecided._replace(line=f"Cannot tell for {reader} at {cut.name}: {basis.why_unscored}")
    ranked = rows.sort(-pl.col("gold_accuracy"), *COST_ORDER)
    best = ranked.row(0, named=True)
    told_apart = {name for name, p_holm in _against_best(best["setting"], pairs) if p_holm < 1 - config.confidence}
    level = tuple(setting_of(row) for row in ranked.iter_rows(named=True) if row["setting"] not in told_apart)
    is_best = len(level) == 1 and len(rows) > 1
    is_within = pl.col("p_within_cut") < 1 - config.confidence
    if is_best or len(rows) == 1:
        is_within |= pl.col("setting") == best["setting"]
    affordable = rows.filter(is_within).sort(COST_ORDER)
    verdict = undecided._replace(
        told=is_best or (config.answers == "expected" and not affordable.is_empty()),
        recommended=None if affordable.is_empty() else cell_of(affordable.row(0, named=True)),
        leader=cell_of(best),
        level=level,
        detectable=_detectable(pairs, config) if config.answers == "drawn" else None,
        n_more=_more(rows, config) if affordable.is_empty() else None,
    )
    line = _drawn_line if config.answers == "drawn" else _line
    return verdict._replace(line=line(verdict, names, rows, len(affordable), basis, config, rule))


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


def _line(
    verdict: Advice, names: Names, rows: pl.DataFrame, n_within: int, basis: Basis, config: ScoringConfig, rule: Rule
) -> str:
    where, n_settings = f"{verdict.reader} at {_cut(verdict).name}", len(rows)
    best = _row_of(rows, verdict.leader)
    leader = best["setting"]
    shown = f"{basis.shown(best)}, {GOLD_MEANS[rule]}"
    if n_settings == 1:
        return f"Nothing to choose: {where} was run with only one setting, {leader}: {shown}."
    is_best = len(verdict.level) == 1
    if verdict.recommended is None:
        worse = n_settings - len(verdict.level)
        told = f" ({worse} of {n_settings} are worse than the leader)" if worse else ""
        line = f"Cannot tell what to use for {where}{told}: {basis.leads(leader, best)}"
        line += f"; no setting is shown to be within {config.margin:g} of the best"
        return line + more_line(verdict.n_more, basis, config)
    chosen = _row_of(rows, verdict.recommended)
    if verdict.recommended == verdict.leader:
        standing = f"better than {_others(n_settings)}" if is_best else _standing(n_within, n_settings, config)
        return f"Use {leader} for {where}: {shown}; {standing}."
    leads = f"{leader} leads: {shown}" + (f", better than {_others(n_settings)}" if is_best else "")
    standing = _standing(n_within, n_settings, config)
    return f"Use {chosen['setting']} for {where}: accuracy {basis.accuracy(chosen)}; {standing} ({leads})."


def _standing(n_within: int, n_settings: int, config: ScoringConfig) -> str:
    if n_within == n_settings:
        return f"the cheapest, as no setting is more than {config.margin:g} better than another"
    if n_within == 1:
        return f"the only one of {n_settings} settings shown to be within {config.margin:g} of the best"
    return f"the cheapest of the {n_within} settings (of {n_settings}) shown to be within {config.margin:g} of the best"


def _cut(verdict: Advice) -> Cut:
    if verdict.cut is None:
        raise AssertionError("a verdict is about one cut")
    return verdict.cut


def _row_of(rows: pl.DataFrame, cell: Cell | None) -> dict[str, Any]:
    return next(row for row in rows.iter_rows(named=True) if cell_of(row) == cell)


def _drawn_line(
    verdict: Advice, names: Names, rows: pl.DataFrame, _: int, basis: Basis, config: ScoringConfig, rule: Rule
) -> str:
    where, n_settings, best = f"{verdict.reader} at {_cut(verdict).name}", len(rows), _row_of(rows, verdict.leader)
    leader = best["setting"]
    recommended = names[verdict.recommended.setting] if verdict.recommended else None
    shown = f"accuracy {basis.accuracy(best)} on {basis.questions} ({GOLD_MEANS[rule]})"
    if n_settings == 1:
        return f"Nothing to choose: {where} was run with only one setting, {leader}: {shown}."
    if verdict.told and verdict.recommended == verdict.leader:
        return f"Use {leader} for {where}: {shown}, better than {_others(n_settings)}."
    if verdict.told:
        return (
            f"Use {recommended} for {where}: the cheapest setting shown to be within {config.margin:g} of the best, "
            f"{leader} ({shown}), which is better than {_others(n_settings)}."
        )
    others = n_settings - len(verdict.level)
    told = f" ({others} of {n_settings} are worse)" if others else ""
    level = ", ".join(names[setting] for setting in verdict.level)
    line = (
        f"Cannot tell which of {level} is best for {where}{told}: {leader} leads, "
        f"{shown}; {missed(verdict.detectable)}."
    )
    if recommended:
        line += f" The cheapest setting shown to be within {config.margin:g} of the leader is {recommended}."
    return line


def _others(n_settings: int) -> str:
    return "the other" if n_settings == 2 else f"each of the {n_settings - 1} others"
