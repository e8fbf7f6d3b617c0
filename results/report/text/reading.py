"""The report's sections on how far a sweep read, and what it would say at other temperatures of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from results.report.text.markdown import UNKNOWN, Tables, number, p_value, share, table
from results.settings import cut_of
from retrieval.context import Cut


def looks_section(tables: Tables) -> str:
    """How far each reader read, look by look, and which cells were dropped on the way."""
    body = [
        [row["reader"], str(row["look"]), f"{row['questions']} of {row['of_questions']}", number(row["effective"]),
         f"{row['cells']} of {row['of_cells']}", _share_of(row), row["stopped"] or "read on"]
        for row in tables["looks"].iter_rows(named=True)
    ]  # fmt: skip
    parts = [
        "## How far it read",
        "Questions are read in looks, each of twice as many as the one before, until the advice is told or the budget "
        "is used up. The looks are paid for in the error rate: each has a stricter level than a single test would. "
        "*Context tokens*: the share that was shown to the reader, of all cells on all questions.",
        table(["reader", "look", "questions", "effective gold questions", "cells", "context tokens", "then"], body),
    ]
    dropped = tables.get("dropped")
    if dropped is not None and not dropped.is_empty():
        rows = [
            [row["reader"], row["setting"], cut_of(row).name, str(row["questions"]), share(row["accuracy"]),
             f"{row['reason']} than {row['rival']}", p_value(row["p_value"])]
            for row in dropped.iter_rows(named=True)
        ]  # fmt: skip
        header = ["reader", "setting", "read", "after questions", "gold accuracy by then", "dropped as", "p"]
        parts += ["### Cells that were dropped", table(header, rows)]
    return "\n\n".join(parts)


def _share_of(row: Mapping[str, Any]) -> str:
    return f"{row['context_tokens'] / row['of_context_tokens']:.0%}" if row["of_context_tokens"] else UNKNOWN


def temperature_section(tables: Tables) -> str:
    """The advice if answers were drawn at other temperatures."""
    body = [
        [row["reader"], "greedy" if row["temperature"] == 0 else f"{row['temperature']:g}",
         "cannot tell" if row["setting"] is None else f"{row['setting']} at {Cut(row['cut'], row['amount']).name}",
         share(row["accuracy"]), f"{row['best_setting']} at {Cut(row['best_cut'], row['best_amount']).name}",
         share(row["best_accuracy"])]
        for row in tables["temperatures"].iter_rows(named=True)
    ]  # fmt: skip
    return "\n\n".join(
        [
            "## At other temperatures of the answer",
            "From the same distributions: what would be advised if the reader drew its answers at another temperature, "
            "down to always giving its most probable label. The gold set stays as it is. Advice that holds at one of "
            "them only is worth little to those who decode otherwise.",
            table(["reader", "temperature", "advice", "gold accuracy", "leads", "gold accuracy of the leader"], body),
        ]
    )
