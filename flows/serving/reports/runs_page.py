"""The list of the finished runs of a store, as a page: newest first, each with what it found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from html import escape
from typing import Any, NamedTuple

from corpora.errors import InputError
from corpora.storage import StorePath, entries
from flows.serving.reports.files import RUN_NAME, read_of_run
from results.advice.summary import summarise
from results.report.html.page import HTML_REPORT
from results.report.visible import visible
from results.store.finished import MANIFEST, check_format, parse_manifest, parse_tables
from results.store.listing import ended

_EARLIEST = datetime.min.replace(tzinfo=UTC)  # for runs that do not say when they ended
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; }
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
        kind: label, sweep, compare or run; or damaged.
        finished: when; None if its manifest does not say.
        finding: what it found, or what is wrong with it, in a line.
    """

    folder: str
    kind: str
    finished: datetime | None
    finding: str


class RunList:
    """The finished runs of a store. What a run found is worked out once, as long as its manifest stays the same.

    Args:
        store: folder of runs.
    """

    def __init__(self, store: StorePath) -> None:
        self._store = store
        self._known: dict[str, tuple[bytes, ListedRun]] = {}

    def newest_first(self) -> list[ListedRun]:
        """The runs that have a report."""
        runs = [run for folder in entries(self._store) if (run := self._listed(folder))]
        return sorted(runs, key=lambda run: (run.finished or _EARLIEST, run.folder), reverse=True)

    def _listed(self, folder: StorePath) -> ListedRun | None:
        content = read_of_run(folder, MANIFEST) if RUN_NAME.fullmatch(folder.name) else None
        if content is None or not (folder / HTML_REPORT).is_file():
            return None
        known, run = self._known.get(folder.name, (b"", None))
        if known != content or run is None:
            run = _described(folder, content)
            self._known[folder.name] = content, run
        return run


def _described(folder: StorePath, content: bytes) -> ListedRun:
    """As `tercet runs list` has it; the finding is in the words of the report."""
    try:
        manifest = parse_manifest(folder / MANIFEST, content)
        return ListedRun(folder.name, manifest["kind"], _ended(manifest), _finding(folder, manifest))
    except InputError as error:
        return ListedRun(folder.name, "damaged", None, error.found)


def _ended(manifest: Mapping[str, Any]) -> datetime | None:
    with suppress(ValueError):  # it is not known
        return datetime.fromisoformat(ended(manifest)).astimezone(UTC)
    return None


def _finding(folder: StorePath, manifest: Mapping[str, Any]) -> str:
    """The first answer of a run's summary; its headline where a version before wrote other tables."""
    try:
        check_format(folder, manifest)
    except InputError:
        return str(manifest.get("headline", ""))
    tables = parse_tables(folder, manifest, partial(read_of_run, folder))
    return summarise(manifest, tables).answers[0].sentence


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
        when = f"{run.finished.day} {run.finished:%B %Y, %H:%M} UTC" if run.finished else "date unknown"
        yield (
            f'<li><p><a href="/{escape(run.folder)}/{HTML_REPORT}">{escape(run.folder)}</a></p>\n'
            f'<p class="about">{escape(visible(run.kind))}, {when}</p>\n<p>{escape(visible(run.finding))}</p></li>'
        )
