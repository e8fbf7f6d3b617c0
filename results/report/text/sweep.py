"""The report's sections on a sweep: what every cell answers, and what every setting retrieves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from results.advice.wording import count_gold
from results.evidence.span_metrics import SPAN_SCORES
from results.report.text.markdown import UNKNOWN, Tables, count, interval, marked, number, p_value, share, table
from results.settings import cut_of

MOST_SETTINGS = 30  # if there are more, only the pairs with the best are shown


def verdict_section(manifest: Mapping[str, Any], tables: Tables, marks: Mapping[str, str]) -> str:
    """What to use: over all cells, for retrieval alone, and under each cut; then the evidence pair by pair.

    Args:
        manifest: of the run; `recommendations`, `retrieval` and `verdicts` may be empty, and the first two missing.
        tables: of the run, with `comparisons` where it has any.
        marks: sign after the name of a reader.
    """
    parts = ["## Verdict"]
    for heading, name in (
        ("### What to use, over all settings and cuts", "recommendations"),
        ("### What retrieves best", "retrieval"),
        ("### By reader and cut", "verdicts"),
    ):
        if manifest.get(name):
            parts += [heading, "\n".join(f"* {one['line']}" for one in manifest[name])]
    if "comparisons" in tables and not tables["comparisons"].is_empty():
        text = ON_EXPECTED_PAIRS if are_expected(tables["cells"]) else ON_DRAWN_PAIRS
        parts += _pairs(tables["comparisons"], manifest["verdicts"], marks, text)
    return "\n\n".join(parts)


def are_expected(cells: pl.DataFrame) -> bool:
    """Whether any cell of a table has expected scores; runs of older versions have drawn ones."""
    return "scores" in cells.columns and (cells["scores"] == "expected").any()


ON_DRAWN_PAIRS = (
    "Difference in accuracy with its interval (Agresti and Min, over resampled documents and votes), and the p-value "
    "of an exact sign-flip test by document, with Holm's correction over the pairs of one reader and cut."
)
ON_EXPECTED_PAIRS = (
    "Difference in accuracy with its interval (Agresti and Min, over resampled documents), and the p-value of a test "
    "by document with one worst case added, with Holm's correction over the pairs of one reader and cut."
)


def _pairs(
    comparisons: pl.DataFrame, verdicts: Iterable[Mapping[str, Any]], marks: Mapping[str, str], text: str
) -> list[str]:
    rows = comparisons.rows(named=True)
    n_settings = pl.concat([comparisons["a"], comparisons["b"]]).n_unique()
    if n_settings > MOST_SETTINGS:
        best = {(marked(one["reader"], marks), one["cut"]): one["best"] for one in verdicts}
        rows = [row for row in rows if best.get((row["reader"], cut_of(row).name)) in (row["a"], row["b"])]
        text += (
            f" With {n_settings} settings, only the pairs with the best of each reader and cut are shown; all "
            f"{len(comparisons)} are in `comparisons.parquet`."
        )
    body = [
        [row["reader"], cut_of(row).name, row["a"], row["b"], count(row["n"]),
         interval(row, "difference", "low", "high"), p_value(row["p_value"]), p_value(row["p_holm"])]
        for row in rows
    ]  # fmt: skip
    header = ["reader", "read", "a", "b", "n", "a minus b", "p", "p (Holm)"]
    return ["### Settings pair by pair, on the gold set", text, table(header, body)]


BASELINE_NAMES = {"closed_book": "closed book", "document": "whole document"}
RETRIEVAL_NAMES = {
    "hit": "hit",
    "recall": "recall",
    "precision": "precision",
    "reciprocal_rank": "MRR",
    "ndcg": "nDCG",
    "span_recall": "span recall",
    "span_precision": "span precision",
    "span_f1": "span F1",
    "span_iou": "span IoU",
}


def sweep_section(tables: Tables) -> str:
    """Every cell of every reader, below what it answers without context and with whole documents."""
    are = are_expected(tables["cells"])
    how = "Brackets hold intervals over resampled documents and votes."
    if are:
        how = (
            "Where the reader gives distributions, scores are expectations: every question counts with the "
            "probability that the consensus rule keeps it, and every answer with its own. *Greedy*: the gold accuracy "
            "if the reader always gave its most probable label. Brackets hold intervals over resampled documents."
        )
    corrected = "(corrected for the number of cells)" if are else "(Holm)"
    parts = [
        "## Sweep",
        "Accuracy and macro scores of the answers. Gold: against the reader's own gold set. All: against the reference "
        f"labels of all its questions. {how} *p within*: the p-value of being more than the margin worse than the "
        f"reader's best cell {corrected}. *Frontier*: no cell is as accurate with fewer tokens. *Fragile*: the share "
        "of answers so close to a tie that another build could change them.",
    ]
    header = ["setting", "read", "gold accuracy", *(["greedy"] if are else []), "precision", "recall", "F1"]
    header += ["all accuracy", "chunks", "tokens read", "p within", "frontier", "fragile", "failed"]
    for (reader,), cells in tables["cells"].group_by(["reader"], maintain_order=True):
        baselines = tables["baselines"].filter(pl.col("reader") == reader)
        body = [_baseline_row(row, are) for row in baselines.iter_rows(named=True)]
        body += [_cell_row(row, are) for row in cells.iter_rows(named=True)]
        gold = count_gold(cells["gold_n"][0], is_expected=are_expected(cells))
        parts.append(f"### {reader}: {gold}, {count(cells['all_n'][0])} with a reference label")
        parts.append(table(header, body))
    return "\n\n".join(parts)


def _baseline_row(row: Mapping[str, Any], are_expected: bool) -> list[str]:
    unknown = [UNKNOWN] * 4
    return ["(none)", BASELINE_NAMES[row["arm"]], *_answer_columns(row, are_expected), *unknown, *_asked_columns(row)]


def _cell_row(row: Mapping[str, Any], are_expected: bool) -> list[str]:
    cost = [number(row["n_chunks"], 1), number(row["n_context_tokens"])]
    standing = [p_value(row["p_within"]), "yes" if row["is_pareto"] else ""]
    return [
        row["setting"],
        cut_of(row).name,
        *_answer_columns(row, are_expected),
        *cost,
        *standing,
        *_asked_columns(row),
    ]


def _asked_columns(row: Mapping[str, Any]) -> list[str]:
    return [share(row["fragile"]), str(row["n_failed"])]


def _answer_columns(row: Mapping[str, Any], are_expected: bool) -> list[str]:
    return [
        interval(row, "gold_accuracy", "gold_accuracy_low", "gold_accuracy_high"),
        *([share(row.get("gold_greedy"))] if are_expected else []),
        *(share(row[f"gold_{name}"]) for name in ("precision", "recall")),
        interval(row, "gold_f1", "gold_f1_low", "gold_f1_high"),
        interval(row, "all_accuracy", "all_accuracy_low", "all_accuracy_high"),
    ]


def retrieval_section(tables: Tables) -> str:
    """What every setting retrieves under every cut, which is the same for all readers."""
    means = tables["retrieval_means"]
    known = [name for name in RETRIEVAL_NAMES if name in means.columns and means[name].null_count() < len(means)]
    has_spans = any(name in SPAN_SCORES for name in known)
    header = ["setting", "read", "questions", *(["with evidence"] if has_spans else []), "tokens read"]
    body = [
        [row["setting"], cut_of(row).name, count(row["n"]), *([str(row["n_spans"])] if has_spans else []),
         number(row["n_context_tokens"]), *(interval(row, name, f"{name}_low", f"{name}_high") for name in known)]
        for row in means.iter_rows(named=True)
    ]  # fmt: skip
    spans = " Span scores count tokens of the evidence, over the questions that have any." if has_spans else ""
    return "\n\n".join(
        [
            "## Retrieval",
            "Over all questions, and the same for all readers. Hit, recall, precision, MRR and nDCG score the gold "
            f"documents.{spans} Brackets hold bootstrap intervals, clustered by document.",
            table([*header, *(RETRIEVAL_NAMES[name] for name in known)], body),
        ]
    )
