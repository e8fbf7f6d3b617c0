"""A report as Markdown: every block in its own few lines, every text literal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    Report,
    Sentences,
    Strong,
    Table,
    Words,
)
from results.report.text.literal import literal
from results.report.values import UNKNOWN, shown


def write_report(report: Report) -> str:
    """A whole report."""
    titles = {section.slug: section.title for section in report.sections}
    parts = [f"# {literal(report.name)} ({literal(report.kind)})", literal(report.facts)]
    parts += [
        f"**{literal(answer.question)}** {literal(answer.sentence)}{_evidence(answer.section, titles)}"
        for answer in report.answers
    ]
    parts += [f"> {literal(line)}" for line in report.distrust[:1]]
    for section in report.sections:
        parts += [f"## {literal(section.title)}", *write_blocks(section.blocks)]
    return "\n\n".join(parts) + "\n"


def _evidence(slug: str, titles: Mapping[str, str]) -> str:
    title = titles.get(slug)
    return "" if title is None else f" ([evidence](#{_anchor(title)}))"


def _anchor(title: str) -> str:
    """The anchor of a heading on GitHub."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def write_document(title: str, blocks: Iterable[Block]) -> str:
    """Blocks under a title of their own, in a file next to the report."""
    return "\n\n".join([f"# {literal(title)}", *write_blocks(blocks, 2)]) + "\n"


def write_blocks(blocks: Iterable[Block], level: int = 3) -> Iterator[str]:
    """The blocks of a section; headings in it have the given level."""
    heading = ""
    for block in blocks:
        match block:
            case Heading(text):
                heading = text
                yield f"{'#' * level} {literal(text)}"
            case Sentences(lines, is_list):
                yield from _sentences(lines, is_list=is_list)
            case Definitions(terms):
                yield "\n".join(f"* *{literal(term)}*: {words(meaning)}" for term, meaning in terms)
            case Note(text):
                yield f"> {words(text)}"
            case Table():
                yield from _titled(block, heading)
            case PlotRef():
                yield from [f"![{literal(block.alt)}]({block.file})"] if block.file else []
            case Examples():
                yield from _titled(_examples(block))


def _sentences(lines: Sequence[Words], *, is_list: bool) -> Iterator[str]:
    if is_list and lines:
        yield "\n".join(f"* {words(line)}" for line in lines)
    elif lines:
        yield " ".join(map(words, lines))


def words(of: Words) -> str:
    """A sentence in Markdown."""
    return literal(of) if isinstance(of, str) else "".join(map(_inline, of))


def _inline(part: str | Code | Strong | Link) -> str:
    match part:
        case str():
            # A sign at the start of a part means nothing, as the part is in the middle of a line.
            blank = part[: len(part) - len(part.lstrip())], part[len(part.rstrip()) :] if part.strip() else ""
            return f"{blank[0]}{literal(part.strip())}{blank[1]}"
        case Code(text):
            return code(literal(text))
        case Strong(text):
            return f"**{literal(text)}**"
        case Link(text, target):
            return f"[{literal(text)}]({target})"


def _titled(one: Table, heading: str = "") -> Iterator[str]:
    n_shown = len(one.rows) if one.most is None else min(one.most, len(one.rows))
    more = len(one.rows) - n_shown
    if n_shown:
        if one.title != heading:
            yield f"**{literal(one.title)}**"
        yield table([column.name for column in one.columns], (cells(row, one.columns) for row in one.rows[:n_shown]))
        if more:
            yield f"… and {more:,} more row{'' if more == 1 else 's'} in `{one.file}`."
    elif more:
        yield f"{literal(one.title)}: {more:,} row{'' if more == 1 else 's'} in `{one.file}`."


def cells(row: Sequence[Cell], columns: Sequence[Column]) -> list[str]:
    """The values of a row, written and literal."""
    return [_cell(cell, column) for cell, column in zip(row, columns, strict=True)]


def _cell(cell: Cell, column: Column) -> str:
    match cell:
        case Code(text):
            return code(literal(text))
        case Strong(text):
            return f"**{literal(text)}**"
        case str(text):
            return literal(text)
    return shown(cell, column.kind)


def _examples(block: Examples) -> Table:
    columns = ("question", "text", "gold label", "answered", "lost by")
    rows = tuple(
        (row["question_id"], row["question"], Code(row["gold"]),
         Code(row["answer"]) if row["answer"] else row["failure"], row["kind"])
        for row in block.rows
    )  # fmt: skip
    return Table(f"Worst examples of {block.title}", tuple(map(Column, columns)), rows, block.file)


def table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what is in a cell is never read as a column or line break."""
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(map(_one_line, line)) + " |" for line in lines)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()).replace("|", "\\|")


def code(value: str | None) -> str:
    """A literal text as code, or a dash for what is unknown; code shows no escapes, so one that needs them is none."""
    if value is None:
        return UNKNOWN
    plain = value.replace("\\`", "`")
    if any(escape in plain for escape in ("\\", "&lt;", "&amp;")):
        return value
    # A longer row of backticks than any in it is its fence.
    ticks = max(map(len, re.findall("`+", plain)), default=0)
    return f"{'`' * (ticks + 1)} {plain} {'`' * (ticks + 1)}" if ticks else f"`{plain}`"
