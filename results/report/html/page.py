"""The HTML report of a run: one file that needs no network, and can be read without scripts.

It renders the report and its plots, and computes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from results.report.documents import draw_plots
from results.report.html.blocks import Limits, Shelf, ShownSection, show_section
from results.report.html.furniture import furniture
from results.report.html.question_list import list_questions
from results.report.model import Report
from results.report.plots.plot import Plot
from results.report.sections.build import build_report
from results.report.sections.source import labeler_marks, mark_tables
from results.report.values import Tables
from results.report.visible import visible

__all__ = ["HTML_REPORT", "render_html"]

HTML_REPORT = "report.html"
MOST_BYTES = 5_000_000
QUESTIONS = "Every question"


@cache
def environment() -> Environment:
    """The environment of the report's templates."""
    made = Environment(
        loader=PackageLoader("results.report.html"), autoescape=True, finalize=_finalize, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["unbroken"] = lambda text: re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", text)
    return made


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def render_html(manifest: Mapping[str, Any], tables: Tables, plots: Sequence[Plot] | None = None) -> str:
    """Render a run as one HTML page of less than `MOST_BYTES` in UTF-8.

    Where a run is so large that its tables and plots do not fit, the page shows fewer of them and says where the
    others are. Answers, warnings and names are never shortened.

    Args:
        manifest: content of `manifest.json`.
        tables: frames by name; a section appears where its frames are present and not empty.
        plots: those of `draw_plots`, if they have been drawn already.
    """
    report, drawn = build_report(manifest, tables), draw_plots(tables) if plots is None else plots
    named = mark_tables(tables, labeler_marks(tables))
    page = ""
    for divisor in (1, 3, 10, 100, 10_000_000):
        page = fill_page(report, named, drawn, Limits().divided(divisor))
        if len(page.encode()) < MOST_BYTES:
            break
    return page


def fill_page(report: Report, tables: Tables, plots: Sequence[Plot], limits: Limits) -> str:
    """The page of a report, with no more on it than the limits allow.

    Args:
        report: its sections.
        tables: frames by name, each reader's name with its mark, for the list of questions.
        plots: those of `draw_plots`.
        limits: how much of each block is shown.
    """
    shelf = Shelf(plots, limits)
    sections = [show_section(section, shelf, limits) for section in report.sections]
    questions = list_questions(tables, limits.question_bytes)
    if questions is not None:
        # Before the last, which says how the run was made.
        sections.insert(-1, ShownSection("questions", QUESTIONS, [questions], is_folded=True))
    template = environment().get_template("report.html.j2")
    return template.render(report=report, sections=sections, furniture=furniture())
