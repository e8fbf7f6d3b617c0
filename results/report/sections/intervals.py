"""Why nothing is told where a table seems to show a difference: a sentence for the place in which both stand."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from results.advice.wording import count, points
from results.config import ScoringConfig
from results.report.sections.source import Source
from results.settings import cut_of


class Tested(NamedTuple):
    """The columns of a difference in a table, and what is compared at once.

    Attributes:
        one: one of those that Holm's correction is over, as in `pair`.
        all_of_them: what these are together, as in `pairs of a reader and cut`.
        low: the lower end of the interval.
        high: the upper end.
        p_value: of the test of one alone.
        p_holm: the same, corrected.
        groups: columns that are the same in all that one correction is over.
        stricter: why the test may miss what the interval seems to show.
    """

    one: str
    all_of_them: str
    low: str = "low"
    high: str = "high"
    p_value: str = "p_value"
    p_holm: str = "p_holm"
    groups: tuple[str, ...] = ()
    stricter: str = "The test is exact, and stricter than an interval"


def _scoring(source: Source) -> ScoringConfig:
    return ScoringConfig.model_validate(source.manifest.get("config", {}).get("scoring", {}))


def beside_intervals(source: Source, rows: pl.DataFrame, tested: Tested) -> tuple[str, ...]:
    """The sentence; nothing where the intervals and the tests of the table agree.

    Args:
        source: the run.
        rows: of the table; one of an older version may lack a column.
        tested: its columns.
    """
    if any(name not in rows.columns for name in (tested.low, tested.high, tested.p_value, tested.p_holm)):
        return ()
    alpha = 1 - _scoring(source).confidence
    excludes = (pl.col(tested.low) > 0) | (pl.col(tested.high) < 0)
    odd = rows.filter(excludes, pl.col(tested.p_holm) >= alpha)
    if odd.is_empty():
        return ()
    # Only what one test alone would show is lost to the correction.
    corrected = odd.filter(pl.col(tested.p_value) < alpha)
    said = f"{count(len(odd), 'interval')} {'excludes' if len(odd) == 1 else 'exclude'} 0 where the test cannot tell."
    reasons = []
    if len(corrected):
        n = len(rows.join(corrected.head(1), on=tested.groups, how="semi")) if tested.groups else len(rows)
        over = f"over all {n} {tested.all_of_them} at once"
        reasons.append(f"An interval looks at one {tested.one} alone; {over} it is not enough.")
    if len(corrected) < len(odd):
        reasons.append(f"{tested.stricter}.")
    return (" ".join([said, *reasons]),)


def better_is_not_best(source: Source, pairs: pl.DataFrame) -> tuple[str, ...]:
    """Why nothing is advised under a cut where one setting is shown to be better than another; nothing elsewhere.

    Args:
        source: the run.
        pairs: frame of schema `COMPARISONS`.
    """
    scoring = _scoring(source)
    shown = pairs.filter(pl.col("p_holm") < 1 - scoring.confidence)
    better = {(row["reader"], cut_of(row).name) for row in shown.iter_rows(named=True)}
    untold = {
        (source.reader(one["reader"]), one["cut"])
        for one in source.manifest["verdicts"]
        if one["recommended"] is None
    }  # fmt: skip
    if not better & untold:
        return ()
    near = f"within {points(scoring.margin)} of the best of all"
    return (f"A setting that is shown to be better than another need not be {near}, which the advice asks for.",)
