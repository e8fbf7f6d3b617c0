"""Renders the reports of published runs anew, from their sealed tables: `make published`."""

from __future__ import annotations

from pathlib import Path

from flows.run.pipeline import report_files
from results.report.documents import draw_plots
from results.store.finished import MANIFEST, read_manifest, read_tables

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published"
RENDERED = (".svg", ".md", ".html")  # by ending: all else in the folder of a run is sealed


def render_anew(folder: Path) -> None:
    """Write every file of a published run that is rendered from its tables; one that is rendered no more goes."""
    manifest = read_manifest(folder)
    tables = read_tables(folder, manifest)
    files = report_files(manifest, tables, draw_plots(tables))
    for file in folder.iterdir():
        if file.suffix in RENDERED and file.name not in files:
            file.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    for one in sorted(PUBLISHED.glob(f"*/{MANIFEST}")):
        render_anew(one.parent)
