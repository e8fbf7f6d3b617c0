"""The evidence of a sweep: every cell, what every setting retrieves, what accuracy costs, labels, pairs, and looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from results.advice.advice import recommended_cells
from results.advice.wording import listed
from results.report.model import Block, Cell, Definitions, Kind, PlotRef, Section, Sentences, Table
from results.report.plots.pareto_plots import LEVELS, frontier
from results.report.sections.intervals import Tested, beside_intervals, better_is_not_best
from results.report.sections.source import Source, read_of
from results.report.values import as_code, count, estimate, make_table
from results.settings import CUT, cell_of, cut_of, setting_of
from retrieval.context import Cut

MOST_PAIRS = 60  # rows in the Markdown report


def are_expected(cells: pl.DataFrame) -> bool:
    """Whether any cell of a table has expected scores; runs of older versions have drawn ones."""
    return "scores" in cells.columns and (cells["scores"] == "expected").any()


def accuracy_section(source: Source) -> Section:
    """Every cell of every reader, below what it answers without context and with whole documents."""
    cells = source.tables["cells"]
    is_expected = are_expected(cells)
    plots = PlotRef("accuracy_by_size", "Accuracy by chunk size")
    choices = source.manifest["corpus"].get("choices")
    said = [Sentences((choices,))] if choices else []
    blocks: list[Block] = [*said, plots, _accuracy_terms(is_expected)]
    chosen = [{**one, "reader": source.reader(one["reader"])} for one in source.manifest.get("recommendations", [])]
    recommended = recommended_cells(chosen, cells)
    for (reader,), mine in cells.group_by("reader", maintain_order=True):
        rows = [_baseline_row(row, is_expected) for row in _baselines(source, str(reader))]
        for row in mine.iter_rows(named=True):
            notes = ["recommended"] * (cell_of(row) in recommended) + ["on the frontier"] * bool(row["is_pareto"])
            rows.append(_cell_row(source, row, is_expected, ", ".join(notes)))
        n_gold, n_all = mine.select("gold_n", "all_n").row(0)
        title = f"{reader}: every cell, on {_gold(n_gold, is_expected)} and on {count(n_all)} with a reference label"
        blocks.append(make_table(title, _accuracy_columns(is_expected), rows, "cells.parquet"))
    return Section("accuracy", "Accuracy of every cell", tuple(blocks))


def _gold(n: float, is_expected: bool) -> str:
    kind = "effective gold question" if is_expected else "gold question"
    shown = f"{n:.0f}" if is_expected else count(n)
    return f"{shown} {kind}{'' if shown == '1' else 's'}"


def _accuracy_terms(is_expected: bool) -> Definitions:
    how = "intervals are over resampled documents and votes"
    if is_expected:
        how = (
            "where the reader gives distributions, scores are expectations: every question counts with the probability "
            "that the consensus rule keeps it, and every answer with its own. Intervals are over resampled documents"
        )
    corrected = "corrected for the number of cells" if is_expected else "with Holm's correction"
    greedy = (("greedy", "the gold accuracy if the reader always gave its most probable label"),) if is_expected else ()
    return Definitions(
        (
            ("gold accuracy", f"the share of right answers on the reader's own gold set; {how}"),
            ("all accuracy", "against the reference labels of all its questions"),
            *greedy,
            ("p within", f"of being more than the margin worse than the reader's best cell, {corrected}"),
            ("on the frontier", "no cell is as accurate with fewer tokens"),
            ("fragile", "the share of answers so close to a tie that another build could change them"),
        )
    )


def _accuracy_columns(is_expected: bool) -> dict[str, Kind]:
    return {
        "chunks": "text", "read": "text", "gold accuracy": "interval", **({"greedy": "share"} if is_expected else {}),
        "gold precision": "share", "gold recall": "share", "gold F1": "interval", "all accuracy": "interval",
        "chunks read": "tenth", "tokens read": "whole", "p within": "p", "fragile": "share", "failed": "whole",
        "notes": "text",
    }  # fmt: skip


def _baselines(source: Source, reader: str) -> list[dict[str, Any]]:
    if not source.has("baselines"):
        return []
    return source.tables["baselines"].filter(pl.col("reader") == reader).rows(named=True)


def _baseline_row(row: Mapping[str, Any], is_expected: bool) -> tuple[Cell, ...]:
    asked = (row["fragile"], row["n_failed"])
    return ("(none)", LEVELS.get(row["arm"], row["arm"]), *_scores(row, is_expected), None, None, None, *asked, "")


def _cell_row(source: Source, row: Mapping[str, Any], is_expected: bool, notes: str) -> tuple[Cell, ...]:
    # Tables of older versions, and those of tests, may lack what is not an accuracy.
    rest = (row.get("p_within"), row["fragile"], row["n_failed"])
    read = (row["n_chunks"], row["n_context_tokens"])
    return (source.setting(row["setting"]), read_of(row), *_scores(row, is_expected), *read, *rest, notes)


def _scores(row: Mapping[str, Any], is_expected: bool) -> tuple[Cell, ...]:
    greedy = (row.get("gold_greedy"),) if is_expected else ()
    macro = (row["gold_precision"], row["gold_recall"])
    return (estimate(row, "gold_accuracy"), *greedy, *macro, estimate(row, "gold_f1"), estimate(row, "all_accuracy"))


def cost_section(source: Source) -> Section:
    """Accuracy against the tokens read."""
    text = "A cell is on the frontier if no other cell is at least as accurate with no more tokens of context."
    blocks: list[Block] = [Sentences((text,)), PlotRef("pareto", "Accuracy against the tokens of context")]
    columns: dict[str, Kind] = {"number": "whole", "chunks": "text", "read": "text", "tokens read": "whole"}
    for reader in source.tables["cells"]["reader"].unique(maintain_order=True):
        rows = [
            (row["number"], source.setting(row["setting"]), read_of(row), row["n_context_tokens"],
             estimate(row, "gold_accuracy"))
            for row in frontier(source.tables["cells"], reader).iter_rows(named=True)
        ]  # fmt: skip
        title = f"{reader}: the frontier"
        blocks.append(make_table(title, columns | {"gold accuracy": "interval"}, rows, "cells.parquet"))
    return Section("cost", "Accuracy against context read", tuple(blocks))


def class_section(source: Source) -> Section:
    """Scores by label."""
    text = "Scored against the gold labels. A mean over labels can hide that one of them is never given."
    if source.manifest["corpus"].get("choices"):
        text = (
            "Scored against the gold labels, which are places of choices here: a place that is given too often is one "
            "that the reader prefers, and precision, recall and F1 say no more than that."
        )
    table = make_table(
        "Scores of each label in each cell",
        {"chunks": "text", "reader": "text", "read": "text", "label": "text", "precision": "share", "recall": "share",
         "F1": "share", "questions": "count", "answered": "count"},
        [
            (source.spoken.setting(setting_of(row)), row["reader"], read_of(row), as_code(row["label"]),
             *(row[name] for name in ("precision", "recall", "f1")), row["n"], row["n_answered"])
            for row in source.tables["classes"].iter_rows(named=True)
        ],
        "classes.parquet",
        most=0,
    )  # fmt: skip
    return Section("labels", "By label", (Sentences((text,)), table))


def pair_section(source: Source) -> Section:
    """Settings pair by pair, those with the leader of their reader and cut first."""
    frame = source.tables["comparisons"]
    led = {(source.reader(one["reader"]), one["cut"], one["best"]) for one in source.manifest["verdicts"]}
    is_led = [
        any((row["reader"], cut_of(row).name, row[side]) in led for side in ("a", "b"))
        for row in frame.iter_rows(named=True)
    ]
    first = frame.with_columns(pl.Series("is_led", is_led, dtype=pl.Boolean()))
    expected = source.has("cells") and are_expected(source.tables["cells"])
    table = make_table(
        "Settings pair by pair, on the gold set",
        {"reader": "text", "read": "text", "a": "text", "b": "text", "questions": "count", "a minus b": "interval",
         "p": "p", "p (Holm)": "p"},
        [
            (row["reader"], read_of(row), source.setting(row["a"]), source.setting(row["b"]), row["n"],
             estimate(row, "difference", "low", "high"), row["p_value"], row["p_holm"])
            for row in first.sort("is_led", descending=True, maintain_order=True).iter_rows(named=True)
        ],
        "comparisons.parquet",
        most=MOST_PAIRS,
    )  # fmt: skip
    text = ON_EXPECTED_PAIRS if expected else ON_DRAWN_PAIRS
    tested = Tested("pair", "pairs of a reader and cut", groups=("reader", *CUT))
    tested = tested._replace(stricter=WORST_CASE) if expected else tested
    notes = (*beside_intervals(source, frame, tested), *better_is_not_best(source, frame))
    return Section("pairs", "Settings pair by pair", (Sentences((text, *notes)), table))


WORST_CASE = "The test adds one worst case to each pair, which an interval does not"
ON_DRAWN_PAIRS = (
    "Difference in accuracy with its interval (Agresti and Min, over resampled documents and votes), and the p-value "
    "of an exact sign-flip test by document, with Holm's correction over the pairs of one reader and cut. Pairs with "
    "the leader come first."
)
ON_EXPECTED_PAIRS = (
    "Difference in accuracy with its interval (Agresti and Min, over resampled documents), and the p-value of a test "
    "by document with one worst case added, with Holm's correction over the pairs of one reader and cut. Pairs with "
    "the leader come first."
)


def interaction_section(source: Source) -> Section:
    """Whether chunk size matters more to one reader than to another."""
    terms = Definitions(
        (
            (
                "slope",
                "change in accuracy with each doubling of the chunk size, under one cut, on the questions of both "
                "readers",
            ),
            (
                "difference",
                "the slope of the smaller model minus that of the larger one; if it is below 0, larger chunks "
                "help the smaller model less, or hurt it more",
            ),
        )
    )
    table = make_table(
        "Slopes over chunk size",
        {"small": "text", "large": "text", "read": "text", "set": "text", "questions": "count",
         "slope of the small": "interval", "slope of the large": "interval", "difference": "interval", "p": "p",
         "p (Holm)": "p"},
        [
            (row["small"], row["large"], read_of(row), row["questions"], row["n"],
             *(estimate(row, name) for name in ("slope_small", "slope_large", "difference")), row["p_value"],
             row.get("p_holm"))
            for row in source.tables["interactions"].iter_rows(named=True)
        ],
        "interactions.parquet",
    )  # fmt: skip
    plots = PlotRef("interaction", "Accuracy by chunk size of both readers")
    slopes = Tested(
        "difference", "differences", "difference_low", "difference_high", groups=("questions",),
        stricter="The test is stricter than an interval",
    )  # fmt: skip
    notes = beside_intervals(source, source.tables["interactions"], slopes)
    found = tuple(_findings(source.tables["interactions"]))
    said = [Sentences(found, is_list=True)] if found else []
    said += [Sentences(notes)] if notes else []
    return Section("sizes", "Do readers want different chunk sizes?", (*said, plots, table, terms))


def _findings(interactions: pl.DataFrame) -> Iterator[str]:
    """Each finding once, with the questions and the cuts that it holds for; that none is found, the story says."""
    told = interactions.filter(~pl.col("finding").str.starts_with("Cannot tell"))
    for (questions, finding), rows in told.group_by("questions", "finding", maintain_order=True):
        cuts = listed([read_of(row) for row in rows.iter_rows(named=True)])
        yield f"{str(finding).removesuffix('.')} ({questions} questions; {cuts} read)."


def look_section(source: Source) -> Section:
    """How far each reader read, look by look, and which cells were dropped on the way."""
    text = (
        "Questions are read in looks, each of twice as many as the one before, until the advice is told or the budget "
        "is used up. The looks are paid for in the error rate: each has a stricter level than a single test would."
    )
    terms = Definitions((("context tokens", "the share that was shown to the reader, of all cells on all questions"),))
    blocks: list[Block] = [Sentences((text,)), _looks(source.tables["looks"]), terms]
    if source.has("dropped"):
        blocks.append(_dropped(source))
    return Section("looks", "How far it read", tuple(blocks))


def _looks(looks: pl.DataFrame) -> Table:
    return make_table(
        "Look by look",
        {"reader": "text", "look": "whole", "questions": "whole", "of questions": "whole",
         "effective gold questions": "whole", "cells": "whole", "of cells": "whole", "context tokens": "text",
         "then": "text"},
        [
            (row["reader"], row["look"], row["questions"], row["of_questions"], row["effective"], row["cells"],
             row["of_cells"], _share_of(row), row["stopped"] or "read on")
            for row in looks.iter_rows(named=True)
        ],
        "looks.parquet",
    )  # fmt: skip


def _share_of(row: Mapping[str, Any]) -> str | None:
    return f"{row['context_tokens'] / row['of_context_tokens']:.0%}" if row["of_context_tokens"] else None


def _dropped(source: Source) -> Table:
    rows = source.tables["cells"].iter_rows(named=True) if source.has("cells") else ()
    said = {f"{row['setting']} at {cut_of(row).name}": source.cell(row) for row in rows}
    return make_table(
        "Cells that were dropped",
        {"reader": "text", "chunks": "text", "read": "text", "after questions": "whole",
         "gold accuracy by then": "share", "dropped as": "text", "p": "p"},
        [
            (row["reader"], source.setting(row["setting"]), read_of(row), row["questions"], row["accuracy"],
             f"{row['reason']} than {said.get(row['rival'], row['rival'])}", row["p_value"])
            for row in source.tables["dropped"].iter_rows(named=True)
        ],
        "dropped.parquet",
        most=MOST_PAIRS,
    )  # fmt: skip


def temperature_section(source: Source) -> Section:
    """The advice if answers were drawn at other temperatures."""
    text = (
        "From the same distributions: what would be advised if the reader drew its answers at another temperature, "
        "down to always giving its most probable label. The gold set stays as it is. Advice that holds at one of them "
        "only is worth little to those who decode otherwise."
    )
    table = make_table(
        "The advice at other temperatures",
        {"reader": "text", "temperature": "text", "advice": "text", "its gold accuracy": "share", "leads": "text",
         "gold accuracy of the leader": "share"},
        [
            (row["reader"], "greedy" if row["temperature"] == 0 else f"{row['temperature']:g}",
             source.cell_at(row["setting"], Cut(row["cut"], row["amount"])) or "cannot tell", row["accuracy"],
             source.cell_at(row["best_setting"], Cut(row["best_cut"], row["best_amount"])), row["best_accuracy"])
            for row in source.tables["temperatures"].iter_rows(named=True)
        ],
        "temperatures.parquet",
        is_open=True,
    )  # fmt: skip
    leads = Definitions((("leads", "scores highest; of several that are equal, the one that reads the least"),))
    return Section("temperatures", "At other temperatures of the answer", (Sentences((text,)), table, leads))
