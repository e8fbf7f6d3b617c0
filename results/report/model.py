"""The report of a run as data: sections of sentences, tables and plots, built once and rendered as Markdown and HTML.

All text here is as it was written, by us or by others: whoever renders it escapes it. All numbers are those of the
tables: whoever renders them asks `values.shown` how they are written, so that no two reports round them differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from results.advice.summary import Answer

Kind = Literal["text", "share", "count", "whole", "tenth", "p", "three", "interval", "yes"]


class Code(NamedTuple):
    """A label, a rule or a file name, shown letter by letter."""

    text: str


class Strong(NamedTuple):
    """A few words that matter."""

    text: str


class Link(NamedTuple):
    """A link to a section (`#slug`) or to a file next to the report."""

    text: str
    target: str


Words = str | tuple[str | Code | Strong | Link, ...]


class Estimate(NamedTuple):
    """A number with the two ends of its interval, any of which may be unknown."""

    value: float | None
    low: float | None
    high: float | None


Cell = str | int | float | bool | Code | Strong | Estimate | None


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: its heading.
        kind: how its values are written; texts are shown as they are in any column.
    """

    name: str
    kind: Kind = "text"


class Table(NamedTuple):
    """A table with its values unformatted.

    Attributes:
        title: what it shows, in a line.
        columns: from left to right.
        rows: as many values as there are columns.
        file: where the rows are that a report leaves out; also what a download of the table is called.
        most: rows of the Markdown report; None for all. A page has limits of its own.
        is_open: whether it is part of the story, rather than the evidence behind it.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    file: str
    most: int | None = None
    is_open: bool = False


class Sentences(NamedTuple):
    """A paragraph, or a list of findings."""

    lines: tuple[Words, ...]
    is_list: bool = False


class Definitions(NamedTuple):
    """What terms mean that the tables near it use."""

    terms: tuple[tuple[str, Words], ...]


class Note(NamedTuple):
    """What to distrust, and why."""

    words: Words


class Heading(NamedTuple):
    """A heading inside a section."""

    text: str


class PlotRef(NamedTuple):
    """The plots whose file names start with `prefix`; nothing where none was drawn.

    Attributes:
        prefix: as in `accuracy_by_size`; a digit at its end is the end of a number.
        alt: what they show, for those who cannot see them.
        most: only the first of them; None for all.
        file: the one that is drawn for certain; a Markdown report is written without drawing any, and shows this one.
    """

    prefix: str
    alt: str
    most: int | None = None
    file: str = ""


class Examples(NamedTuple):
    """Worst examples of one reader, as rows of schema `EXAMPLES`; `file` holds all of them."""

    title: str
    rows: tuple[Mapping[str, Any], ...]
    file: str = "examples.parquet"


Block = Sentences | Definitions | Note | Heading | Table | PlotRef | Examples


class Section(NamedTuple):
    """A part of the report under one title.

    Attributes:
        slug: its anchor: `verdict`, `accuracy`, `retrieval`, `ladder`, `readers`, `curves`, `examples`, `questions`,
            `corpus`, `made`, and others.
        title: its heading.
        blocks: from top to bottom.
        is_folded: whether it opens on demand; the story does not.
    """

    slug: str
    title: str
    blocks: tuple[Block, ...]
    is_folded: bool = True


class Report(NamedTuple):
    """A whole report.

    Attributes:
        name: of the run.
        kind: its flow.
        facts: one line on what was asked, of whom, when, at what cost.
        answers: the cards of the first screen.
        distrust: what to keep in mind about all of it; one line a cause.
        sections: the story first, then the evidence.
    """

    name: str
    kind: str
    facts: str
    answers: tuple[Answer, ...]
    distrust: tuple[str, ...]
    sections: tuple[Section, ...]
