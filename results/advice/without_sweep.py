"""Advice of a run without a sweep: which reader is the best, or what the gold sets keep."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from results.advice.advice import Advice
from results.advice.wording import listed
from results.comparing.comparison import better_of


def best_reader(labelers: pl.DataFrame, pairs: pl.DataFrame, confidence: float) -> Advice:
    """The result of a comparison: which readers beat the majority label, which are at chance, which is the best.

    Args:
        labelers: frame of schema `LABELERS`, corrected.
        pairs: frame of schema `PAIRS`.
        confidence: of the comparison.
    """
    if pairs.is_empty():
        return Advice("Cannot tell: no two readers share a question with a reference label.", told=False)
    ranked = labelers.sort("accuracy", "reader", descending=[True, False], nulls_last=True)["reader"].to_list()
    best, others, beaten = ranked[0], 0, set()
    for row in pairs.iter_rows(named=True):
        if best in (row["a"], row["b"]):
            others += 1
            beaten |= {row["a"], row["b"]} - {best} if better_of(row, 1 - confidence) == best else set()
    told = 0 < others == len(beaten)
    level = " and ".join(name for name in ranked if name not in beaten)
    end = f"{best} is the best of them" if told else f"cannot tell which of {level} is best"
    line = "; ".join([*_standings(labelers), end])
    return Advice(f"{line}.", told, best if told else None, score="accuracy")


def _standings(labelers: pl.DataFrame) -> list[str]:
    qualified = labelers.filter("qualified")["reader"].to_list()
    at_chance = labelers.filter(pl.col("standing") == "at chance")["reader"].to_list()
    parts = [
        f"{' and '.join(qualified)} {'beats' if len(qualified) == 1 else 'beat'} always answering the majority label"
        if qualified
        else "No reader is shown to beat always answering the majority label"
    ]
    if at_chance:
        parts.append(f"{' and '.join(at_chance)} {'is' if len(at_chance) == 1 else 'are'} at chance")
    return parts


def kept_gold(labelers: pl.DataFrame, golds: Mapping[str, pl.DataFrame]) -> Advice:
    """How many questions each reader's gold set keeps, and whether the reader is qualified.

    Args:
        labelers: frame of schema `LABELERS`, corrected.
        golds: gold set, by reader.
    """
    kept = "; ".join(f"{name} keeps {gold['kept'].sum()} of {len(gold)}" for name, gold in golds.items())
    failing = labelers.filter(~pl.col("qualified"))["reader"].to_list()
    if not failing:
        return Advice(f"Gold sets: {kept}.", told=True)
    who = (
        "No reader is"
        if len(failing) == len(labelers) > 1
        else f"{listed(failing)} {'is' if len(failing) == 1 else 'are'} not"
    )
    return Advice(f"Gold sets: {kept}. {who} shown to be better than always giving the majority label.", told=True)
