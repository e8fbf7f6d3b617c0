"""The blocks of a report as its templates need them: every value written, as much of each as the page has room for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from results.report.html.example_view import ShownExample, view_example
from results.report.html.furniture import both_widths
from results.report.html.question_list import Questions
from results.report.model import (
    Block,
    Cell,
    Code,
    Column,
    Definitions,
    Examples,
    Heading,
    Link,
    Note,
    PlotRef,
    Section,
    Sentences,
    Strong,
    Table,
    Words,
)
from results.report.plots.plot import Plot
from results.report.values import shown
from results.report.visible import visible

LONG = 60  # rows of a table that opens on demand, and stays folded in print


class Limits(NamedTuple):
    """How much the page may show before it points to a file instead.

    Attributes:
        rows: of a table.
        plot_bytes: of all plots together.
        examples: of worst examples of a reader.
        question_bytes: of the list of all questions.
    """

    rows: int = 300
    plot_bytes: int = 2_000_000
    examples: int = 1000
    question_bytes: int = 1_500_000

    def divided(self, by: int) -> Limits:
        """Less of everything."""
        return Limits(*(limit // by for limit in self))


class ShownTable(NamedTuple):
    """A table with its values written; `note` says what is not shown."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Markup]]
    note: str
    file: str
    is_folded: bool
    kind: str = "table"


class Figure(NamedTuple):
    """A plot as SVG, and the file that it is in."""

    svg: Markup
    file: str


class Figures(NamedTuple):
    """Plots; those left out are files next to the report."""

    plots: Sequence[Figure]
    left_out: Sequence[str]
    kind: str = "figures"


class Prose(NamedTuple):
    """Sentences: a paragraph, a list, or a warning."""

    lines: Sequence[str | Markup]
    kind: str


class Terms(NamedTuple):
    """What terms mean."""

    terms: Sequence[tuple[str, str | Markup]]
    kind: str = "terms"


class ShownExamples(NamedTuple):
    """Worst examples of one reader; `note` says what is not shown."""

    title: str
    examples: Sequence[ShownExample]
    note: str
    kind: str = "examples"


ShownBlock = ShownTable | Figures | Prose | Terms | ShownExamples | Questions


class ShownSection(NamedTuple):
    """A section of the page."""

    slug: str
    title: str
    blocks: Sequence[ShownBlock]
    is_folded: bool


class Shelf:
    """The plots of a run, handed out until their bytes are spent; `ids` in them are made unique on the page."""

    def __init__(self, plots: Sequence[Plot], limits: Limits) -> None:
        self._by_file = {plot.file: plot for plot in plots}
        self._left = limits.plot_bytes
        self._shown: set[str] = set()

    def take(self, prefix: str, most: int | None = None) -> Figures | None:
        """The plots whose file names start with the prefix and that were not taken before; None where there are none.

        Args:
            prefix: of file names; a digit at its end is the end of a number.
            most: only the first of them.
        """
        plots = [plot for file, plot in self._by_file.items() if _is_of(file, prefix) and file not in self._shown]
        inline: list[Figure] = []
        left_out: list[str] = []
        for plot in plots[:most]:
            # Where there is no room for both, the wide layout serves narrow pages too.
            fitting = plot if len(plot.svg) + len(plot.narrow) <= self._left else plot._replace(narrow="")
            if len(fitting.svg) > self._left:
                left_out.append(plot.file)
                continue
            self._left -= len(fitting.svg) + len(fitting.narrow)
            self._shown.add(plot.file)
            inline.append(Figure(both_widths(fitting, len(self._shown)), plot.file))
        return Figures(inline, left_out) if inline or left_out else None


def _is_of(file: str, prefix: str) -> bool:
    rest = file.removeprefix(prefix)
    return file.startswith(prefix) and not (prefix[-1:].isdigit() and rest[:1].isdigit())


def show_section(section: Section, shelf: Shelf, limits: Limits) -> ShownSection:
    """A section of the report as the page shows it."""
    blocks = [shown for block in section.blocks for shown in _show(block, section, shelf, limits)]
    return ShownSection(section.slug, section.title, blocks, section.is_folded)


def _show(block: Block, section: Section, shelf: Shelf, limits: Limits) -> Iterator[ShownBlock]:
    match block:
        case Heading(text):
            yield Prose([text], "heading")
        case Sentences(lines, is_list):
            yield Prose([in_html(line) for line in lines], "lines" if is_list else "prose")
        case Note(text):
            yield Prose([in_html(text)], "note")
        case Definitions(terms):
            yield Terms([(term, in_html(meaning)) for term, meaning in terms])
        case Table():
            yield _show_table(block, section, limits)
        case PlotRef(prefix, _, most):
            figures = shelf.take(prefix, most)
            yield from [] if figures is None else [figures]
        case Examples(title, rows, file):
            examples = [view_example(row) for row in rows[: limits.examples]]
            yield ShownExamples(title, examples, _left_out(len(rows) - len(examples), "example", file))


def _show_table(one: Table, section: Section, limits: Limits) -> ShownTable:
    rows = one.rows[: limits.rows]
    note = _left_out(len(one.rows) - len(rows), "row", one.file)
    # What is folded already opens with one click; only a long table is folded again.
    is_folded = len(rows) > LONG or not (one.is_open or section.is_folded)
    written = [
        [_cell(cell, column) for cell, column in zip(row, one.columns, strict=True)] for row in rows
    ]  # fmt: skip
    return ShownTable(one.title, one.columns, written, note, one.file, is_folded)


def _left_out(n: int, what: str, file: str) -> str:
    return f"… and {n:,} more {what}{'' if n == 1 else 's'} in {file}." if n else ""


def _cell(cell: Cell, column: Column) -> str | Markup:
    return _inline(cell) if isinstance(cell, Code | Strong) else shown(cell, column.kind)


def in_html(of: Words) -> str | Markup:
    """A sentence in HTML; a plain one is escaped by the template."""
    return of if isinstance(of, str) else Markup("").join(map(_inline, of))


_ELEMENTS: Mapping[type, Markup] = {Code: Markup("<code>{}</code>"), Strong: Markup("<strong>{}</strong>")}


def _inline(part: str | Code | Strong | Link) -> Markup:
    if isinstance(part, str):
        return escape(visible(part))
    if isinstance(part, Link):
        return Markup('<a href="{}">{}</a>').format(part.target, visible(part.text))
    return _ELEMENTS[type(part)].format(visible(part.text))
