"""What a finished run shows in the Prefect UI: the verdict, the sweep table, the plots, and where the report is."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import vl_convert
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from corpora.storage import StorePath
from flows.runners.names import REPORTS, slug
from flows.stages.runner import Finished
from results.report.html.page import HTML_REPORT
from results.report.plots.plot import Plot
from results.report.text.literal import literal
from results.report.text.markdown import code
from results.settings import CELL, CUT, cuts_in

MOST_BYTES = 700_000  # per plot: the UI shows pictures of less than 1 MB, in base64
PLOT_SCALE = 2.0  # PNG pixels per SVG pixel
SCORES = {
    "gold_accuracy": "accuracy (%)",
    "gold_accuracy_low": "from",
    "gold_accuracy_high": "to",
    "gold_f1": "macro F1 (%)",
    "all_accuracy": "on all questions (%)",
}


def show_run(finished: Finished) -> None:
    """Publish the artifacts of a finished run; they belong to the flow run that is under way."""
    name, line = slug(finished.folder.name), literal(finished.line)
    address = report_address(finished.folder)
    file = code(literal(str(finished.folder / HTML_REPORT)))
    place = f"[The whole report]({address})" if address else f"The whole report: {file}"
    body = f"{place}\n\n{without_pictures(finished.report)}"
    create_markdown_artifact(key=f"{name}-verdict", markdown=body, description=line)
    if address:
        create_link_artifact(key=f"{name}-report", link=address, link_text="The whole report", description=line)
    for kind, rows, title in shown_tables(finished.tables):
        create_table_artifact(key=f"{name}-{kind}", table=rows, description=title)
    for plot, picture in drawn(finished.plots):
        title = literal(plot.title)
        shown = f"![{title}](data:image/png;base64,{base64.b64encode(picture).decode()})\n\n{literal(plot.description)}"
        key = f"{name}-{slug(plot.file.removesuffix('.svg'))}"
        create_markdown_artifact(key=key, markdown=f"## {title}\n\n{shown}", description=title)


def report_address(folder: StorePath) -> str | None:
    """Where a browser finds the HTML report of a run; None if no server shows it."""
    reports = os.environ.get(REPORTS)
    return f"{reports}/{folder.name}/{HTML_REPORT}" if reports else None


def without_pictures(report: str) -> str:
    """A report without its picture files, which the UI cannot reach."""
    return re.sub(r"^!\[.*\]\(.*\)\n\n", "", report, flags=re.MULTILINE)


def shown_tables(tables: Mapping[str, pl.DataFrame]) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """The tables that a user looks for first: key, rows, title."""
    if "cells" in tables:
        yield "sweep", sweep_rows(tables["cells"]), "Every cell of the sweep"
    elif "retrieval_means" in tables:
        yield "retrieval", plain_rows(tables["retrieval_means"]), "What every setting retrieves"
    if "labelers" in tables:
        yield "labelers", plain_rows(tables["labelers"]), "The readers compared"


def plain_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as JSON can hold them: without NaN, and with no more digits than are meaningful."""
    shares = [name for name, kind in frame.schema.items() if kind.is_float()]
    return frame.with_columns(pl.col(shares).fill_nan(None).round(4)).to_dicts()


def sweep_rows(cells: pl.DataFrame) -> list[dict[str, Any]]:
    """The sweep table, one row per cell, with shares as percentages and without columns that do not vary."""
    varying = [name for name in CELL if name == "size" or cells[name].n_unique() > 1]
    setting = [name for name in varying if name not in CUT]
    reads = pl.Series("reads", [cut.name for cut in cuts_in(cells)], dtype=pl.String)
    scores = [(100 * pl.col(name)).round(1).alias(shown) for name, shown in SCORES.items()]
    tokens = pl.col("n_context_tokens").round(1).alias("tokens read")
    return plain_rows(cells.select(*setting, reads, tokens, *scores, pl.col("gold_n").alias("gold questions")))


def drawn(plots: Sequence[Plot]) -> Iterator[tuple[Plot, bytes]]:
    """The plots as PNG; one that is too large for the UI is drawn smaller."""
    for plot in plots:
        for scale in (PLOT_SCALE, 1.0, 0.5):
            picture: bytes = vl_convert.svg_to_png(plot.svg, scale=scale)
            if len(picture) <= MOST_BYTES:
                yield plot, picture
                break
