"""Renders the reports of published runs anew, from their sealed tables: `make published`."""

from __future__ import annotations

from pathlib import Path

from results.report.documents import draw_plots, render_documents
from results.report.html.page import HTML_REPORT, render_html
from results.report.text.report import render_report
from results.store.finished import MANIFEST, REPORT, read_manifest, read_tables

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published"
RENDERED = (".svg", ".md", ".html")  # by ending: all else in the folder of a run is sealed


def render_anew(folder: Path) -> None:
    """Write every file of a published run that is rendered from its tables; one that is rendered no more goes."""
    manifest = read_manifest(folder)
    tables = read_tables(folder, manifest)
    plots = draw_plots(tables)
    files = render_documents(manifest, tables, plots)
    files |= {HTML_REPORT: render_html(manifest, tables, plots), REPORT: render_report(manifest, tables)}
    for file in folder.iterdir():
        if file.suffix in RENDERED and file.name not in files:
            file.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    for one in sorted(PUBLISHED.glob(f"*/{MANIFEST}")):
        render_anew(one.parent)
