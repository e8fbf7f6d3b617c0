"""The sections on a sweep: accuracy and retrieval by size, the ladder, cost, readers, classes, pairs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from results.report.html.blocks import Block, Heading, Limits, Lines, Prose, Section, Shelf, Table, head_of
from results.report.plots.pareto_plots import LEVELS, frontier
from results.report.text.ladder import ARM_NAMES, LOSSES, sum_of_losses
from results.report.text.markdown import UNKNOWN, Tables, count, ends, number, p_value, share
from results.settings import SETTING, Cell, cell_of, cut_of

NO_BREAK = "\N{NO-BREAK SPACE}"
DOCUMENT_SCORES = {
    "hit": "hit", "recall": "recall", "precision": "precision", "reciprocal_rank": "MRR", "ndcg": "nDCG"
}  # fmt: skip
SPAN_SCORES = {
    "span_recall": "span recall", "span_precision": "span precision", "span_f1": "span F1", "span_iou": "span IoU"
}  # fmt: skip


def accuracy_section(tables: Tables, recommended: Collection[Cell], shelf: Shelf, limits: Limits) -> Section:
    """Accuracy by chunk size, under equal k and under an equal token budget.

    Args:
        tables: with cells, and baselines where there are any.
        recommended: the cells that are recommended, with readers named as in the table.
        shelf: the plots.
        limits: of the tables.
    """
    cells, baselines = tables["cells"], tables.get("baselines")
    blocks: list[Block] = [
        Prose(
            "Share of right answers on the reader's own gold set, with intervals over resampled documents. "
            "With an equal number of chunks, bigger chunks mean more text to read; with an equal token budget, all "
            "settings read about the same amount."
        )
    ]
    header = ["setting", "read", "gold accuracy", "gold F1", "all accuracy", "tokens read", "chunks", "failed", "notes"]
    for place, reader in enumerate(_readers(cells), 1):
        mine = cells.filter(pl.col("reader") == reader)
        rows, note = head_of(mine, limits, "cells.parquet")
        blocks += [Heading(reader), *_figures(shelf.take(f"accuracy_by_size_{place}_"))]
        body = [] if baselines is None else [_baseline(row) for row in _of(baselines, reader)]
        body += [_cell(row, recommended) for row in rows.iter_rows(named=True)]
        n_gold, n_all = mine.select("gold_n", "all_n").row(0)
        caption = f"{reader}: every cell, on {count(n_gold)} gold questions and on all {count(n_all)} with a reference"
        blocks.append(Table(caption, header, body, note))
    return Section("accuracy", "Accuracy by chunk size", blocks)


def _cell(row: Mapping[str, Any], recommended: Collection[Cell]) -> list[str]:
    notes = ["recommended"] * (cell_of(row) in recommended)
    notes += ["on the frontier"] * bool(row["is_pareto"])
    return [
        row["setting"], cut_of(row).name, *_scores(row), number(row["n_context_tokens"]), number(row["n_chunks"], 1),
        str(row["n_failed"]), ", ".join(notes),
    ]  # fmt: skip


def _baseline(row: Mapping[str, Any]) -> list[str]:
    return ["(none)", LEVELS.get(row["arm"], row["arm"]), *_scores(row), UNKNOWN, UNKNOWN, str(row["n_failed"]), ""]


def _scores(row: Mapping[str, Any]) -> list[str]:
    return [_with_interval(row, name) for name in ("gold_accuracy", "gold_f1", "all_accuracy")]


def retrieval_section(tables: Tables, shelf: Shelf, limits: Limits) -> Section:
    """Scores of what was retrieved, on documents and, where the corpus has evidence, on spans."""
    means = tables["retrieval_means"]
    scores = {
        name: title
        for name, title in {**DOCUMENT_SCORES, **SPAN_SCORES}.items()
        if name in means.columns and means[name].null_count() < len(means)
    }
    rows, note = head_of(means, limits, "retrieval_means.parquet")
    body = [
        [row["setting"], cut_of(row).name, count(row["n"]), *(_with_interval(row, name) for name in scores),
         number(row["n_context_tokens"])]
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    header = ["setting", "read", "questions", *scores.values(), "tokens read"]
    text = (
        "Hit, recall, precision, MRR and nDCG score the gold documents; span scores count tokens of the evidence. "
        "None of them depends on a reader."
    )
    if not any(name in scores for name in SPAN_SCORES):
        text += " This corpus marks no evidence, so there are no span scores."
    blocks = [
        Prose(text),
        *_figures(shelf.take("retrieval_by_size")),
        Table("Scores of what was retrieved", header, body, note),
    ]
    return Section("retrieval", "Retrieval by chunk size", blocks)


def ladder_section(tables: Tables, shelf: Shelf, limits: Limits) -> Section:
    """What is lost, and where."""
    ladder = tables["ladder"]
    blocks: list[Block] = [
        Prose(
            "The wrong answers are split exactly into three parts: lost by the reader (wrong with the whole document), "
            "by the chunking (the best chunks of the gold document do worse than the whole document) and by the "
            "retrieval (what was retrieved does worse than the best chunks). A part is negative where less text helps: "
            "it is drawn to the left of 0, and the parts to the right then exceed 1 by as much. Recovered: how much of "
            "the gap between closed book and whole document is closed, unknown where the gap is not shown to exist. "
            "Harm: right without context, wrong with what was retrieved."
        )
    ]
    header = ["setting", "read", "questions", "n", *ARM_NAMES.values(), "wrong = reader + chunking + retrieval"]
    header += [loss.replace("_", " ") for loss in LOSSES] + ["recovered", "harmed", "harm"]
    for place, reader in enumerate(_readers(ladder), 1):
        rows, note = head_of(ladder.filter(pl.col("reader") == reader), limits, "ladder.parquet")
        blocks += [Heading(reader), *_figures(shelf.take(f"ladder_{place}_"))]
        body = [
            [row["setting"], cut_of(row).name, row["questions"], count(row["n"]),
             *(share(row[arm]) for arm in ARM_NAMES), sum_of_losses(row),
             *(_with_interval(row, name) for name in (*LOSSES, "recovered")),
             count(row["n_harmed"]), _with_interval(row, "harm")]
            for row in rows.iter_rows(named=True)
        ]  # fmt: skip
        blocks.append(Table(f"{reader}: the ladder, cell by cell", header, body, note))
    return Section("ladder", "Where answers are lost", blocks)


def pareto_section(tables: Tables, shelf: Shelf, limits: Limits) -> Section:
    """Accuracy against the tokens read."""
    blocks: list[Block] = [
        Prose("A cell is on the frontier if no other cell is at least as accurate with no more tokens of context.")
    ]
    blocks += _figures(shelf.take("pareto"))
    for reader in _readers(tables["cells"]):
        rows, note = head_of(frontier(tables["cells"], reader), limits, "cells.parquet")
        body = [
            [str(row["number"]), row["setting"], cut_of(row).name, number(row["n_context_tokens"]),
             _with_interval(row, "gold_accuracy")]
            for row in rows.iter_rows(named=True)
        ]  # fmt: skip
        header = ["number", "setting", "read", "tokens read", "gold accuracy"]
        blocks.append(Table(f"{reader}: the frontier", header, body, note))
    return Section("cost", "Accuracy against context read", blocks)


def interaction_section(tables: Tables, shelf: Shelf, limits: Limits) -> Section:
    """Whether chunk size matters more to one reader than to another."""
    rows, note = head_of(tables["interactions"], limits, "interactions.parquet")
    found = [
        f"{cut_of(row).name}, {row['questions']} questions: {row['finding']}" for row in rows.iter_rows(named=True)
    ]
    blocks: list[Block] = [
        Prose(
            "Change in accuracy with each doubling of the chunk size, for both readers, and the difference of the two."
        ),
        Lines(found),
        *_figures(shelf.take("interaction")),
    ]
    names = ("slope_small", "slope_large", "difference")
    body = [
        [row["small"], row["large"], cut_of(row).name, row["questions"], count(row["n"]),
         *(_with_interval(row, name) for name in names), p_value(row["p_value"]), p_value(row.get("p_holm"))]
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    header = ["small", "large", "read", "questions", "n", "slope of the small", "slope of the large"]
    header += ["difference", "p", "p (Holm)"]
    blocks.append(Table("Slopes over chunk size", header, body, note))
    return Section("readers", "Small and large readers", blocks)


def class_section(tables: Tables, limits: Limits) -> Section:
    """Scores by label."""
    rows, note = head_of(_with_settings(tables["classes"], tables["cells"]), limits, "classes.parquet")
    body = [
        [row["setting"], row["reader"], cut_of(row).name, row["label"],
         *(share(row[name]) for name in ("precision", "recall", "f1")), count(row["n"]), count(row["n_answered"])]
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    header = ["setting", "reader", "read", "label", "precision", "recall", "F1", "n", "answered"]
    text = "Scored against the gold labels. A mean over labels can hide that one of them is never given."
    return Section("labels", "By label", [Prose(text), Table("Scores of each label in each cell", header, body, note)])


def _with_settings(classes: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    names = cells.select(*SETTING, "setting").unique()
    return classes.join(names, on=SETTING, how="left", maintain_order="left")


def comparison_section(tables: Tables, verdicts: Sequence[Mapping[str, Any]], limits: Limits) -> Section:
    """Settings pair by pair; where there are many, those with the leader of their cut come first."""
    led = {(one["reader"], one["cut"], one["best"]) for one in verdicts}
    frame = tables["comparisons"]
    with_leader = [
        any((row["reader"], cut_of(row).name, row[side]) in led for side in ("a", "b"))
        for row in frame.iter_rows(named=True)
    ]
    first = pl.Series("is_led", with_leader, dtype=pl.Boolean())
    order = frame.with_columns(first).sort("is_led", descending=True, maintain_order=True)
    rows, note = head_of(order if len(frame) > limits.rows else frame, limits, "comparisons.parquet")
    body = [
        [row["a"], row["b"], row["reader"], cut_of(row).name, count(row["n"]),
         together(row, "difference", "low", "high"), p_value(row["p_value"]), p_value(row["p_holm"])]
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    text = (
        "Difference in accuracy on the gold set, with its interval, and the p-value of an exact sign-flip test by "
        "document, with Holm's correction over the pairs of one reader and cut."
    )
    if note:
        text += " Pairs with the leader of their reader and cut come first."
    header = ["a", "b", "reader", "read", "n", "a minus b", "p", "p (Holm)"]
    return Section("pairs", "Settings pair by pair", [Prose(text), Table("All pairs", header, body, note)])


def verdict_section(verdicts: Sequence[Mapping[str, Any]], choices: Sequence[Mapping[str, Any]]) -> Section:
    """One line per cut for retrieval alone, and one per reader and cut, under its reader."""
    blocks: list[Block] = []
    if choices:
        blocks += [Heading("What retrieves best"), Lines([one["line"] for one in choices])]
    for reader in dict.fromkeys(one["reader"] for one in verdicts):
        blocks += [Heading(reader), Lines([one["line"] for one in verdicts if one["reader"] == reader])]
    return Section("verdicts", "Every verdict", blocks)


def together(row: Mapping[str, Any], name: str, low: str, high: str) -> str:
    """An estimate with its interval, which is never broken into two lines."""
    return UNKNOWN if row[name] is None else f"{share(row[name])} {ends(row, low, high).replace(' ', NO_BREAK)}"


def _readers(frame: pl.DataFrame) -> list[str]:
    return frame["reader"].unique(maintain_order=True).to_list()


def _of(frame: pl.DataFrame, reader: str) -> list[dict[str, Any]]:
    return frame.filter(pl.col("reader") == reader).rows(named=True)


def _figures(figures: Block | None) -> list[Block]:
    return [] if figures is None else [figures]


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    if row[name] is not None and row[f"{name}_low"] is None:
        return share(row[name])
    return together(row, name, f"{name}_low", f"{name}_high")
