"""What lies beside a report: plots as SVG, and the list of excluded questions; rendered from tables only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.plots import plot_risk_coverage, plot_vote_curves
from results.report import labeler_marks
from results.report.labelers import CURVES_PLOT, EXCLUDED_FILE, RISK_PLOT
from results.report.markdown import Tables, code, share, table


def render_documents(manifest: Mapping[str, Any], tables: Tables) -> dict[str, str]:
    """Text of every file beside the report, by file name.

    Args:
        manifest: content of `manifest.json`.
        tables: frames by name; a file appears where its frames are there and say something.
    """
    documents = {}
    marks = labeler_marks(tables)
    if "risk_coverage" in tables and not tables["risk_coverage"].is_empty():
        documents[RISK_PLOT] = plot_risk_coverage(tables["risk_coverage"], tables["labelers"], marks)
    if "vote_curves" in tables and not tables["vote_curves"].is_empty():
        documents[CURVES_PLOT] = plot_vote_curves(tables["vote_curves"], marks)
    if "gold" in tables and not tables["gold"]["kept"].all():
        documents[EXCLUDED_FILE] = render_excluded(str(manifest["name"]), tables, marks)
    return documents


def render_excluded(name: str, tables: Tables, marks: Mapping[str, str]) -> str:
    """Every question that is not in the gold set, by labeler and reason, with its votes; none is left out."""
    out = tables["gold"].filter(~pl.col("kept"))
    out = out.join(tables["questions"].select("question_id", "text"), on="question_id", how="left")
    if "vote_law" in tables:
        law = tables["vote_law"].select("reader", "question_id", "p_unanimous")
        out = out.join(law, on=["reader", "question_id"], how="left")
    else:
        out = out.with_columns(p_unanimous=pl.lit(None, dtype=pl.Float64))
    parts = [f"# {name}: questions that are not in the gold set"]
    header = ["question", "text", "votes", "reference", "P(unanimous)"]
    for (reader, reason), rows in out.sort("reader", "reason", "question_id").group_by(
        "reader", "reason", maintain_order=True
    ):
        body = [
            [row["question_id"], " ".join(row["text"].split()), ", ".join(vote or "failed" for vote in row["votes"]),
             code(row["reference"]), share(row["p_unanimous"])]
            for row in rows.iter_rows(named=True)
        ]  # fmt: skip
        mark = f" {marks[reader]}" if reader in marks else ""
        parts += [f"## {reader}{mark}: {reason} ({len(rows)})", table(header, body)]
    return "\n\n".join(parts) + "\n"
