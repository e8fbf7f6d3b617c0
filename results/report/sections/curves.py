"""The section on both curves: what agreement of three votes is worth, and what ranking by its probability is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from results.advice.wording import percent
from results.report.model import Block, Definitions, Estimate, Heading, PlotRef, Section, Sentences, Table
from results.report.plots.coverage_plots import CURVES_PLOT, RISK_PLOT
from results.report.sections.intervals import Tested, beside_intervals
from results.report.sections.source import Source
from results.report.values import estimate, make_table

TEMPERATURE = "temperature"
NEAR = 0.02  # shares that differ by less are the same share


def curve_section(source: Source) -> Section:
    """The exact vote law, whether agreement raises accuracy, and both curves of accuracy by coverage."""
    blocks: list[Block] = []
    told = tuple(_sentences(source))
    if told:
        blocks.append(Sentences(told, is_list=True))
    if source.has("risk_coverage"):
        blocks += [PlotRef(RISK_PLOT, "Accuracy of what is kept, by coverage", file=RISK_PLOT), _both(source)]
    blocks += [Heading("What unanimity is worth"), Sentences((LAW,))]
    blocks += [_law(source.tables["unanimity"]), _gains(source.tables["unanimity"]), *_notes(source), TERMS]
    if source.has("vote_curves"):
        alt = "Unanimous coverage and accuracy over temperature, top_p and min_p"
        blocks += [PlotRef(CURVES_PLOT, alt, file=CURVES_PLOT), _sampling(source.tables["vote_curves"])]
    return Section("curves", "Keeping the surest: accuracy by coverage", tuple(blocks))


LAW = (
    "Computed from the recorded label distributions under each reader's own sampling: the exact law of its three "
    "votes. The three votes that were drawn are one outcome of that law; the accuracies are expectations over it. "
    "Three draws agree mostly where the distribution is least flat, which explains part of the gain over a single "
    "vote. The gain over the most probable label is what waiting for agreement adds to simply taking the best answer."
)
TERMS = Definitions((("AURC", "the mean error over all coverages; lower is better"),))


GAINS = (
    Tested("reader", "readers", "gain_low", "gain_high"),
    Tested("reader", "readers", "greedy_gain_low", "greedy_gain_high", "greedy_p_value", "greedy_p_holm"),
)


def _notes(source: Source) -> Iterator[Sentences]:
    """Once, if either gain has an interval that excludes 0 where the test cannot tell."""
    found = (beside_intervals(source, source.tables["unanimity"], gain) for gain in GAINS)
    yield from [Sentences(lines) for lines in found if lines][:1]


class Kept(NamedTuple):
    """What is kept of a reader's questions at one coverage, by either way of keeping them."""

    coverage: float
    by_draw: Estimate
    by_rank: Estimate


def _ranked(curve: pl.DataFrame, coverage: float) -> Estimate | None:
    """The accuracy of the surest questions that make up a share of all; None where no step of the curve is near it.

    Equally sure questions come in together, so that a curve may have few steps.
    """
    off = (pl.col("coverage") - coverage).abs()
    near = curve.filter(off <= pl.max_horizontal(pl.lit(NEAR), 1 / curve["n"].max())).sort(off).head(1)  # type: ignore[operator]  # counts
    return None if near.is_empty() else Estimate(*near.select("accuracy", "low", "high").row(0))


def _own(source: Source, row: Mapping[str, Any]) -> Kept | None:
    """Both curves at the coverage of a reader's own unanimity; None where either is unknown."""
    if not source.has("risk_coverage") or row["accuracy"] is None or row["p_unanimous"] is None:
        return None
    curve = source.tables["risk_coverage"].filter(pl.col("reader") == row["reader"])
    ranked = None if curve.is_empty() else _ranked(curve, row["p_unanimous"])
    return None if ranked is None else Kept(row["p_unanimous"], estimate(row, "accuracy"), ranked)


def _sentences(source: Source) -> Iterator[str]:
    for row in source.tables["unanimity"].iter_rows(named=True):
        kept = _own(source, row)
        if kept is None or kept.by_draw.value is None or kept.by_rank.value is None:
            continue
        by_rank, by_draw = percent(kept.by_rank.value), percent(kept.by_draw.value)
        instead = f"in {by_rank} instead of {by_draw}" if by_rank != by_draw else f"in {by_rank}, just as now"
        yield (
            f"{row['reader']}: three votes agree on {percent(kept.coverage)} of the questions and are right in "
            f"{by_draw} of these. Keeping the same share ({percent(kept.coverage)}) by probability would be "
            f"right {instead}."
        )


def _both(source: Source) -> Table:
    """Both curves in one table: at each temperature of the votes, and at the reader's own sampling."""
    rows = [
        (reader, sampling, kept.coverage, kept.by_draw, kept.by_rank)
        for reader, sampling, kept in _points(source)
    ]  # fmt: skip
    return make_table(
        "Accuracy of what is kept, by coverage: kept where three votes agree, or where they most probably would",
        {"reader": "text", "votes drawn at": "text", "share kept": "share", "where three votes agree": "interval",
         "the same share by P(unanimous)": "interval"},
        rows,
        "risk_coverage.parquet",
        is_open=True,
    )  # fmt: skip


def _points(source: Source) -> Iterator[tuple[str, str, Kept]]:
    curves = source.tables.get("vote_curves")
    for row in source.tables["unanimity"].iter_rows(named=True):
        reader = row["reader"]
        curve = source.tables["risk_coverage"].filter(pl.col("reader") == reader)
        own = _own(source, row)
        if own:
            yield reader, "its own sampling", own
        if curves is None or curve.is_empty():
            continue
        mine = curves.filter(pl.col("reader") == reader, pl.col("parameter") == TEMPERATURE, ~pl.col("is_own"))
        for point in mine.sort("coverage").iter_rows(named=True):
            ranked = _ranked(curve, point["coverage"])
            if ranked is not None:
                kept = Kept(point["coverage"], estimate(point, "accuracy"), ranked)
                yield reader, f"temperature {point['value']:g}", kept


def _law(unanimity: pl.DataFrame) -> Table:
    return make_table(
        "The law of three votes",
        {"reader": "text", "questions": "whole", "P(unanimous)": "share", "drawn unanimous": "share",
         "P(majority)": "share", "P(three-way tie)": "share", "questions without a distribution": "whole"},
        [
            (row["reader"], row["n"], row["p_unanimous"], row["sampled_unanimous"], row["p_majority"], row["p_tie"],
             row["n_unknown"])
            for row in unanimity.iter_rows(named=True)
        ],
        "unanimity.parquet",
    )  # fmt: skip


def _gains(unanimity: pl.DataFrame) -> Table:
    return make_table(
        "Whether unanimity raises accuracy",
        {"reader": "text", "single vote": "interval", "unanimous": "interval", "gain over a single vote": "interval",
         "p of that (Holm)": "p", "most probable label": "share", "gain over the most probable label": "interval",
         "p of this (Holm)": "p", "AURC": "share", "does unanimity raise accuracy?": "text"},
        [
            (row["reader"], estimate(row, "single"), estimate(row, "accuracy"), estimate(row, "gain"), row["p_holm"],
             row["greedy"], estimate(row, "greedy_gain"), row["greedy_p_holm"], row["aurc"], row["finding"])
            for row in unanimity.iter_rows(named=True)
        ],
        "unanimity.parquet",
    )  # fmt: skip


def _sampling(curves: pl.DataFrame) -> Table:
    return make_table(
        "Unanimity under other sampling",
        {"reader": "text", "sampling": "text", "share unanimous": "interval", "accuracy of these": "interval",
         "accuracy of a single vote": "share"},
        [
            (row["reader"], f"{row['parameter']} = {row['value']:g}{' (its own)' if row['is_own'] else ''}",
             estimate(row, "coverage"), estimate(row, "accuracy"), row["single"])
            for row in curves.iter_rows(named=True)
        ],
        "vote_curves.parquet",
        most=0,
    )  # fmt: skip
