"""The Markdown report of a run: renders its tables and its manifest, computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from results.report.sections.build import build_report
from results.report.sections.comparison import agreement_table
from results.report.text.markdown import cells, table, write_report
from results.report.values import Tables


def render_report(manifest: Mapping[str, Any], tables: Tables) -> str:
    """Render a run.

    Args:
        manifest: content of `manifest.json`; keys that older versions did not write may be missing.
        tables: frames by name; a section appears where its frames are present.
    """
    return write_report(build_report(manifest, tables))


def render_agreement(agreement: pl.DataFrame) -> str:
    """The table of `compare_runs`."""
    one = agreement_table(agreement)
    return table([column.name for column in one.columns], (cells(row, one.columns) for row in one.rows))
