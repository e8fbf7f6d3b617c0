"""The list of the finished runs of a store, as a page: newest first, each with what it found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from corpora.storage import StorePath, entries
from flows.serving.reports.files import RUN_NAME, read_of_run
from results.report.html.page import HTML_REPORT
from results.report.visible import visible
from results.store.finished import MANIFEST

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; }
ul { list-style: none; padding: 0; }
li { border-top: 1px solid #ccc; padding: 0.8rem 0; }
a { font-weight: 600; color: #0b57a4; overflow-wrap: anywhere; }
.about { color: #555; }
p { margin: 0.2rem 0; }
"""


class ListedRun(NamedTuple):
    """A finished run as the list shows it.

    Attributes:
        folder: its name in the store.
        kind: label, sweep, compare or run.
        finished: when; None if its manifest does not say.
        finding: what it found, in a line.
    """

    folder: str
    kind: str
    finished: datetime | None
    finding: str


def finished_runs(store: StorePath) -> list[ListedRun]:
    """The finished runs of a store that have a report, newest first."""
    runs = [run for folder in entries(store) if (run := _listed(folder))]
    return sorted(runs, key=lambda run: (run.finished or datetime.min.replace(tzinfo=UTC), run.folder), reverse=True)


def _listed(folder: StorePath) -> ListedRun | None:
    content = read_of_run(folder, MANIFEST) if RUN_NAME.fullmatch(folder.name) else None
    if content is None or not (folder / HTML_REPORT).is_file():
        return None
    try:
        manifest = json.loads(content)
        (*_, last) = manifest["sessions"]
        finished = datetime.fromisoformat(last["finished"]).astimezone(UTC)
        return ListedRun(folder.name, str(manifest["kind"]), finished, str(manifest["headline"]))
    except (ValueError, KeyError, TypeError):
        return ListedRun(folder.name, "run", None, "Its manifest does not parse: run the experiment again.")


def runs_page(runs: Iterable[ListedRun]) -> str:
    """The list as HTML."""
    items = "\n".join(_items(runs))
    shown = f"<ul>\n{items}\n</ul>" if items else "<p>No run has finished yet. When one has, it is listed here.</p>"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Finished runs</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>Finished runs</h1>\n{shown}\n</main>\n</body>\n</html>\n"
    )


def _items(runs: Iterable[ListedRun]) -> Iterator[str]:
    for run in runs:
        when = f"{run.finished.day} {run.finished:%B %Y, %H:%M}" if run.finished else "date unknown"
        yield (
            f'<li><p><a href="/{escape(run.folder)}/{HTML_REPORT}">{escape(run.folder)}</a></p>\n'
            f'<p class="about">{escape(visible(run.kind))}, {when}</p>\n<p>{escape(visible(run.finding))}</p></li>'
        )
