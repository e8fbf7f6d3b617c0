"""The files next to a report: plots as SVG, and the list of excluded questions; rendered from tables only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from results.report.model import Block, Heading, Kind
from results.report.plots.coverage_plots import plot_coverage, plot_vote_curves
from results.report.plots.interaction_plots import plot_interactions
from results.report.plots.ladder_plots import plot_ladder
from results.report.plots.pareto_plots import plot_pareto
from results.report.plots.plot import Plot
from results.report.plots.sweep_plots import plot_accuracy, plot_retrieval
from results.report.sections.corpus import LEFT_OUT_FILE, left_out_blocks, left_out_frames
from results.report.sections.readers import EXCLUDED_FILE
from results.report.sections.source import labeler_marks, mark_tables, marked
from results.report.text.markdown import write_document
from results.report.values import Tables, as_code, make_table


def render_documents(
    manifest: Mapping[str, Any], tables: Tables, plots: Sequence[Plot] | None = None
) -> dict[str, str]:
    """Text of every file next to the report, by file name.

    Args:
        manifest: content of `manifest.json`.
        tables: frames by name; a file appears where its frames are present and not empty.
        plots: those of `draw_plots`, if they have been drawn already.
    """
    documents = {plot.file: plot.svg for plot in (draw_plots(tables) if plots is None else plots)}
    if "gold" in tables and not tables["gold"]["kept"].all():
        documents[EXCLUDED_FILE] = render_excluded(str(manifest["name"]), tables, labeler_marks(tables))
    if left_out_frames(tables):
        documents[LEFT_OUT_FILE] = render_left_out(str(manifest["name"]), tables)
    return documents


def draw_plots(tables: Tables) -> list[Plot]:
    """Every plot of a run, the most telling first; one appears where its frames are present and not empty."""
    marks = labeler_marks(tables)
    shown = {name: frame for name, frame in mark_tables(tables, marks).items() if not frame.is_empty()}
    plots = []
    if "cells" in shown:
        plots += plot_accuracy(shown["cells"], shown.get("baselines"))
    if "ladder" in shown:
        plots += plot_ladder(shown["ladder"])
    if "cells" in shown:
        plots += plot_pareto(shown["cells"], shown.get("baselines"))
    if "interactions" in shown:
        plots += plot_interactions(shown["interactions"])
    plots += _labeler_plots(tables, marks)
    if "retrieval_means" in shown:
        plots += plot_retrieval(shown["retrieval_means"])
    return plots


def _labeler_plots(tables: Tables, marks: Mapping[str, str]) -> list[Plot]:
    found = {name: tables[name] for name in ("risk_coverage", "vote_curves") if name in tables and len(tables[name])}
    plots = []
    if "risk_coverage" in found:
        plots += plot_coverage(found["risk_coverage"], found.get("vote_curves"), tables["labelers"], marks)
    if "vote_curves" in found:
        plots += plot_vote_curves(found["vote_curves"], marks)
    return plots


def render_excluded(name: str, tables: Tables, marks: Mapping[str, str]) -> str:
    """Every question that is not in the gold set, by reader and reason, with its votes; none is left out."""
    columns: dict[str, Kind] = {"question": "text", "text": "text", "votes": "text", "reference": "text"}
    blocks: list[Block] = []
    for (reader, reason), rows in excluded_questions(tables).group_by("reader", "reason", maintain_order=True):
        title = f"{marked(str(reader), marks)}: {reason} ({len(rows)})"
        body = [
            (row["question_id"], " ".join(row["text"].split()), ", ".join(vote or "failed" for vote in row["votes"]),
             as_code(row["reference"]), row["p_unanimous"])
            for row in rows.iter_rows(named=True)
        ]  # fmt: skip
        blocks += [Heading(title), make_table(title, columns | {"P(unanimous)": "share"}, body, "gold.parquet")]
    return write_document(f"{name}: questions that are not in the gold set", blocks)


def render_left_out(name: str, tables: Tables) -> str:
    """Every row of the corpus that cannot be used; a defect that many rows have is said once, with all of them."""
    return write_document(f"{name}: what was left out of the corpus", left_out_blocks(tables, most_places=None))


def excluded_questions(tables: Tables) -> pl.DataFrame:
    """The questions that are not in the gold set, with their text and `p_unanimous`, by reader and reason."""
    out = tables["gold"].filter(~pl.col("kept"))
    out = out.join(tables["questions"].select("question_id", "text"), on="question_id", how="left")
    if "vote_law" in tables:
        law = tables["vote_law"].select("reader", "question_id", "p_unanimous")
        out = out.join(law, on=["reader", "question_id"], how="left")
    else:
        out = out.with_columns(p_unanimous=pl.lit(None, dtype=pl.Float64))
    return out.sort("reader", "reason", "question_id")
