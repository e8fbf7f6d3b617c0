"""The sections on readers: those of the Markdown report, with plots and with the tables behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from results.report.documents import excluded_questions
from results.report.html.blocks import Block, Limits, Prose, Section, Shelf, Table, head_of
from results.report.html.prose import split_section
from results.report.plots.plot import thinned
from results.report.text.comparison import corpora_section, speed_section
from results.report.text.labelers import (
    CURVES_PLOT,
    EXCLUDED_FILE,
    RISK_PLOT,
    annotator_section,
    calibration_section,
    consensus_section,
    diversity_section,
    generation_section,
    labeler_section,
    slice_section,
    unanimity_section,
)
from results.report.text.literal import literal_tables, literal_values
from results.report.text.markdown import UNKNOWN, Tables, interval, marked, share
from results.report.text.report import compared_sections, labeler_marks, mark_tables
from results.report.text.session import remote_section

REPORT = "report.md"


def labeler_sections(manifest: Mapping[str, Any], tables: Tables, shelf: Shelf, limits: Limits) -> list[Section]:
    """Every section on readers whose frames are present and not empty."""
    shown = _written(tables)
    written = {name: frame for name, frame in shown.items() if not frame.is_empty()}
    renders: dict[str, Callable[[Tables], str]] = {
        "labelers": labeler_section,
        "unanimity": unanimity_section,
        "diversity": diversity_section,
    }
    renders |= {"generation": generation_section, "remote": lambda of: remote_section(of["remote"])}
    found = [(name, render(shown)) for name, render in renders.items() if name in written]
    found += [("compared", text) for text in compared_sections(shown)]
    if "corpora" in written:
        found.append(("corpora", corpora_section(shown)))
    found += [
        ("speed", speed_section(literal_values(session)))
        for session in manifest["sessions"][-1:]
        if session.get("speeds")
    ]
    if "calibration" in written:
        found.append(("calibration", calibration_section(shown)))
    if "annotators" in written:
        found.append(("annotators", annotator_section(shown)))
    if "slices" in written:
        found.append(("slices", slice_section(shown)))
    return [_section(name, text, shelf, limits, tables) for name, text in found]


def _written(tables: Tables) -> dict[str, pl.DataFrame]:
    """The tables as the Markdown report writes them."""
    written = literal_tables(tables)
    return mark_tables(written, labeler_marks(written))


def excluded_section(tables: Tables, marks: Mapping[str, str], limits: Limits) -> Section:
    """What the filter keeps, why questions are excluded, and the first of these."""
    is_any = not tables["gold"]["kept"].all()
    blocks: list[Block] = []
    title = "What the filter keeps"
    if "consensus" in tables:
        text = consensus_section(_written(tables), has_excluded=is_any)
        title, html = split_section(text)
        blocks.append(Prose(html))
    if is_any:
        rows = excluded_questions(tables)
        more = len(rows) - limits.rows
        body = [
            [row["question_id"], marked(row["reader"], marks), row["reason"],
             _clipped(row["text"] or UNKNOWN), ", ".join(vote or "failed" for vote in row["votes"]),
             row["reference"] or UNKNOWN, share(row["p_unanimous"])]
            for row in rows.head(limits.rows).iter_rows(named=True)
        ]  # fmt: skip
        header = ["question", "labeler", "reason", "text", "votes", "reference", "P(unanimous)"]
        note = f"… and {more} more in {EXCLUDED_FILE}." if more > 0 else ""
        blocks.append(Table(f"Excluded questions ({len(rows)})", header, body, note))
    return Section("excluded", title, blocks)


def _clipped(text: str, most: int = 400) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]} [… {len(line) - most} characters …]"


def _section(name: str, text: str, shelf: Shelf, limits: Limits, tables: Tables) -> Section:
    title, html = split_section(text)
    fits = len(html) <= limits.prose_bytes
    blocks: list[Block] = [Prose(html if fits else f"Too long to show here; see {REPORT}.")]
    if name == "unanimity":
        blocks += _curves(tables, shelf, limits)
    return Section(name, title, blocks)


def _curves(tables: Tables, shelf: Shelf, limits: Limits) -> list[Block]:
    """Risk-coverage and vote curves, with some of their numbers."""
    blocks: list[Block] = []
    for file, name, table in ((RISK_PLOT, "risk_coverage", _risk_table), (CURVES_PLOT, "vote_curves", _curve_table)):
        figures = shelf.take(file)
        if figures and not tables[name].is_empty():
            blocks += [figures, table(tables[name], limits)]
    return blocks


def _risk_table(curve: pl.DataFrame, limits: Limits) -> Table:
    steps = thinned(curve, 20)
    rows, note = head_of(steps, limits, "risk_coverage.parquet")
    body = [
        [row["reader"], share(row["coverage"]), str(row["n"]), share(row["threshold"]),
         interval(row, "accuracy", "low", "high")]
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    header = ["labeler", "share kept", "n", "kept where P(unanimous) is at least", "accuracy of what is kept"]
    note = note or ("Some of the steps; all are in risk_coverage.parquet." if len(steps) < len(curve) else "")
    return Table("Accuracy of what is kept, by coverage", header, body, note)


def _curve_table(curves: pl.DataFrame, limits: Limits) -> Table:
    rows, note = head_of(curves, limits, "vote_curves.parquet")
    body = [
        [row["reader"], f"{row['parameter']} = {row['value']:g}{' (its own)' if row['is_own'] else ''}",
         interval(row, "coverage", "coverage_low", "coverage_high"),
         interval(row, "accuracy", "accuracy_low", "accuracy_high"), share(row["single"])]
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    header = ["labeler", "sampling", "share unanimous", "accuracy of these", "accuracy of a single vote"]
    return Table("Unanimity under other sampling", header, body, note)
