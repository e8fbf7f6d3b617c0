"""The report's sections on a sweep: every cell, and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.report.markdown import Tables, interval, p_value, share, table
from results.scoring import chunking_name


def sweep_section(tables: Tables) -> str:
    """Every cell of every reader."""
    cells = tables["cells"].with_columns(chunking_name())
    has_spans = cells["span_recall"].null_count() < len(cells)
    parts = [
        "## Sweep",
        "Accuracy and macro scores are of the reader's answers; hit, recall, MRR and nDCG of the gold documents; span "
        "scores of the evidence, in tokens. Gold: against the reader's own gold set. All: against the reference labels "
        "of all its questions. Brackets hold bootstrap intervals, clustered by document.",
    ]
    for (reader,), rows in cells.group_by(["reader"], maintain_order=True):
        header = [
            "chunking",
            "read",
            "gold accuracy",
            "precision",
            "recall",
            "F1",
            "all accuracy",
            "hit",
            "MRR",
            "nDCG",
        ]
        header += ["span recall", "span precision", "span IoU"] * has_spans + ["tokens read", "failed"]
        ceiling = tables["whole_document"].filter(pl.col("reader") == reader).row(0, named=True)
        unknown = ["—"] * (7 if has_spans else 4)
        body = [["(none)", "whole document", *_answer_columns(ceiling), *unknown, str(ceiling["n_failed"])]]
        for row in rows.iter_rows(named=True):
            names = ["hit", "reciprocal_rank", "ndcg"] + ["span_recall", "span_precision", "span_iou"] * has_spans
            found = [interval(row, name, f"{name}_low", f"{name}_high") for name in names]
            read = f"{row['cut']}={row['amount']}"
            body.append([row["chunking"], read, *_answer_columns(row), *found])
            body[-1] += [f"{row['n_context_tokens']:.0f}", str(row["n_failed"])]
        parts.append(f"### {reader}: {ceiling['gold_n']} gold of {ceiling['all_n']} questions")
        parts.append(table(header, body))
    return "\n\n".join(parts)


def _answer_columns(row: Mapping[str, Any]) -> list[str]:
    return [
        interval(row, "gold_accuracy", "gold_accuracy_low", "gold_accuracy_high"),
        *(share(row[f"gold_{name}"]) for name in ("precision", "recall")),
        interval(row, "gold_f1", "gold_f1_low", "gold_f1_high"),
        interval(row, "all_accuracy", "all_accuracy_low", "all_accuracy_high"),
    ]


def verdict_section(manifest: Mapping[str, Any], tables: Tables) -> str:
    """The verdicts, and the comparisons behind them."""
    parts = ["## Verdict by reader and cut", "\n".join(f"* {one['line']}" for one in manifest["verdicts"])]
    parts += [
        "### Chunkings pair by pair, on the gold set",
        "Difference of accuracy with its interval (Agresti and Min); exact sign-flip p-value by document, with Holm's "
        "correction over the pairs of one reader and cut.",
    ]
    body = [
        [row["reader"], f"{row['cut']}={row['amount']}", row["a"], row["b"], str(row["n"]),
         interval(row, "difference", "low", "high"), p_value(row["p_value"]), p_value(row["p_holm"])]
        for row in tables["comparisons"].iter_rows(named=True)
    ]  # fmt: skip
    parts.append(table(["reader", "read", "a", "b", "n", "a minus b", "p", "p (Holm)"], body))
    return "\n\n".join(parts)
