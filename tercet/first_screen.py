"""The first screen of a report, as text, Markdown and HTML: facts, answers, and what to distrust."""

from __future__ import annotations

import contextlib
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from corpora.storage import StorePath
from results.advice.summary import Answer, Summary
from results.report.text.literal import literal
from results.report.visible import for_terminal, visible

CARD = Markup('<div style="border-left:3px solid;padding-left:.7em;margin:.7em 0"><b>{}</b><br>{}</div>')
LINK = Markup('<a href="{}" target="_blank">{}</a>')


def text_screen(title: str, summary: Summary, where: StorePath) -> str:
    """Lines for a terminal, in which no text acts.

    Args:
        title: of the run.
        summary: what it found.
        where: the report.
    """
    answers = [f"{one.question} {one.sentence}" for one in summary.answers]
    distrust = [f"Beware: {one}" for one in summary.distrust]
    return for_terminal("\n".join([f"{title}: {summary.facts}", *answers, *distrust, f"Report: {where}"]))


def markdown_screen(title: str, summary: Summary, where: StorePath) -> str:
    """Markdown in which no name or text acts; arguments as for `text_screen`."""
    parts = [f"**{literal(title)}**: {literal(summary.facts)}"]
    parts += [f"**{literal(one.question)}** {literal(one.sentence)}" for one in summary.answers]
    parts += [f"> Beware: {literal(one)}" for one in summary.distrust]
    return "\n\n".join([*parts, f"Report: {literal(str(where))}"])


def html_screen(title: str, summary: Summary, report: StorePath | None, folder: StorePath) -> str:
    """HTML in which no name or text acts, with links into the report.

    Args:
        title: of the run.
        summary: what it found.
        report: the HTML report, if there is one.
        folder: of the run.
    """
    link = link_to(report) if report else ""
    parts = [Markup("<p><b>{}</b>: {}</p>").format(visible(title), visible(summary.facts))]
    parts += [_card(one, link) for one in summary.answers]
    if summary.distrust:
        items = Markup().join(Markup("<li>{}</li>").format(visible(one)) for one in summary.distrust)
        parts.append(Markup("<p>Beware:</p><ul>{}</ul>").format(items))
    shown = LINK.format(link, "The whole report") if link else Markup("The run")
    parts.append(Markup("<p>{}: <code>{}</code></p>").format(shown, visible(str(report or folder))))
    return Markup("<div>{}</div>").format(Markup().join(parts))


def link_to(file: StorePath) -> str:
    """An address for a browser: relative to the current folder if the file lies below it, as Jupyter needs it."""
    if not isinstance(file, Path):
        return ""  # a store at an address, which a browser cannot open
    with contextlib.suppress(ValueError):
        return quote(file.relative_to(Path.cwd()).as_posix())
    return file.as_uri()


def _card(answer: Answer, link: str) -> Markup:
    question = visible(answer.question)
    asked = LINK.format(f"{link}#{answer.section}", question) if link else question
    return CARD.format(asked, visible(answer.sentence))
