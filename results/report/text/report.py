"""The Markdown report of a run: renders its tables and its manifest, computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.report.text.comparison import (
    best_section,
    corpora_section,
    pair_section,
    render_agreement,
    score_section,
    speed_section,
)
from results.report.text.corpus import left_out_section, unknown_section
from results.report.text.labelers import (
    annotator_section,
    calibration_section,
    consensus_section,
    diversity_section,
    generation_section,
    labeler_section,
    slice_section,
    unanimity_section,
)
from results.report.text.ladder import interaction_section, ladder_section
from results.report.text.literal import literal_tables, literal_values
from results.report.text.markdown import Tables
from results.report.text.reading import looks_section, temperature_section
from results.report.text.session import made_section, remote_section
from results.report.text.sweep import retrieval_section, sweep_section, verdict_section

__all__ = ["compared_sections", "labeler_marks", "legend_of", "mark_tables", "render_agreement", "render_report"]

NOT_QUALIFIED, AT_CHANCE = "†", "‡"
_NAMES = ("reader", "a", "b", "best", "second", "small", "large")  # columns that hold a reader's name
_VERDICTS = ("recommendations", "retrieval", "verdicts")


def render_report(manifest: Mapping[str, Any], tables: Tables) -> str:
    """Render a run.

    Args:
        manifest: content of `manifest.json`; `recommendations` and `retrieval` may be missing.
        tables: frames by name; a section appears where its frames are present.
    """
    manifest, tables = literal_values(manifest), literal_tables(tables)
    marks = labeler_marks(tables)
    marked = mark_tables(tables, marks)
    has_excluded = not tables["gold"]["kept"].all() if "gold" in tables else False
    sections = [
        _head(manifest, marks),
        verdict_section(manifest, marked, marks) if any(map(manifest.get, _VERDICTS)) else "",
        looks_section(marked) if "looks" in tables else "",
        sweep_section(marked) if "cells" in tables else "",
        temperature_section(marked) if "temperatures" in tables and not tables["temperatures"].is_empty() else "",
        ladder_section(marked) if "ladder" in tables else "",
        interaction_section(marked) if "interactions" in tables and not tables["interactions"].is_empty() else "",
        retrieval_section(marked) if "retrieval_means" in tables else "",
        labeler_section(marked) if "labelers" in tables else "",
        unanimity_section(marked) if "unanimity" in tables else "",
        diversity_section(marked) if "diversity" in tables else "",
        generation_section(marked) if "generation" in tables else "",
        remote_section(marked["remote"]) if "remote" in tables else "",
        *compared_sections(marked),
        corpora_section(marked) if "corpora" in tables else "",
        *(speed_section(session) for session in manifest["sessions"][-1:] if session.get("speeds")),
        consensus_section(marked, has_excluded=has_excluded) if "consensus" in tables else "",
        calibration_section(marked) if "calibration" in tables else "",
        annotator_section(marked) if "annotators" in tables and not tables["annotators"].is_empty() else "",
        slice_section(marked) if "slices" in tables else "",
        left_out_section(tables),
        unknown_section(manifest),
        made_section(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def labeler_marks(tables: Tables) -> dict[str, str]:
    """The sign after the name of each reader that is not qualified."""
    if "labelers" not in tables:
        return {}
    rows = tables["labelers"].filter(pl.col("qualified").not_()).iter_rows(named=True)
    return {row["reader"]: AT_CHANCE if row["standing"] == "at chance" else NOT_QUALIFIED for row in rows}


def mark_tables(tables: Tables, marks: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    """The tables with the sign after each name of such a reader."""
    # The marks are those of the first corpus: where several are compared, each row gives its own standing.
    return {name: frame if name in ("corpora", "shifts") else _mark(frame, marks) for name, frame in tables.items()}


def _mark(frame: pl.DataFrame, marks: Mapping[str, str]) -> pl.DataFrame:
    names = {name: f"{name} {mark}" for name, mark in marks.items()}
    columns = [name for name in _NAMES if name in frame.columns and frame.schema[name] == pl.String]
    return frame.with_columns(pl.col(columns).replace(names)) if names and columns else frame


def _head(manifest: Mapping[str, Any], marks: Mapping[str, str]) -> str:
    lines = [f"# {manifest['name']} ({manifest['kind']})"]
    lines.append(f"**{'Verdict' if manifest['verdicts'] else 'Result'}.** {manifest['headline']}")
    lines += [f"> Warning: {warning}" for warning in manifest["warnings"]]
    return "\n\n".join([*lines, *filter(None, [legend_of(marks)])])


def legend_of(marks: Mapping[str, str]) -> str:
    """What the signs mean that a report uses; empty where it uses none."""
    meaning = {
        NOT_QUALIFIED: "not shown to beat always giving the majority label",
        AT_CHANCE: "shown to beat neither always giving the majority label nor chance",
    }
    legend = [f"{mark} {meaning[mark]}" for mark in (NOT_QUALIFIED, AT_CHANCE) if mark in marks.values()]
    return f"{'; '.join(legend)}: gold sets and scores of such a reader are weak evidence." if legend else ""


def compared_sections(tables: Tables) -> list[str]:
    """The sections that compare readers, where readers were compared."""
    if "pairs" not in tables:
        return []
    sections = [pair_section(tables)]
    if not tables["pairs"].is_empty():
        sections.append(score_section(tables))
    if "best_on_slice" in tables and not tables["best_on_slice"].is_empty():
        sections.append(best_section(tables))
    return sections
