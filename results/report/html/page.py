"""The HTML report of a run: one file that needs no network and no script.

It renders tables and manifest, and computes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from results.advice.advice import recommended_cells
from results.report.documents import draw_plots
from results.report.html.blocks import Block, Examples, Heading, Limits, Prose, Section, Shelf, Table
from results.report.html.corpus_sections import corpus_sections
from results.report.html.example_view import view_example
from results.report.html.labeler_sections import excluded_section, labeler_sections
from results.report.html.prose import split_section
from results.report.html.sweep_sections import (
    accuracy_section,
    class_section,
    comparison_section,
    interaction_section,
    ladder_section,
    pareto_section,
    retrieval_section,
    verdict_section,
)
from results.report.plots.plot import Plot
from results.report.text.literal import literal_values
from results.report.text.markdown import Tables, marked
from results.report.text.reading import looks_section, temperature_section
from results.report.text.report import labeler_marks, legend_of, mark_tables
from results.report.text.session import made_section as made_markdown
from results.report.visible import visible
from results.settings import cut_of


def made_section(manifest: Mapping[str, Any]) -> Section:
    """Sessions as in the Markdown report, then digests and seeds as in the manifest."""
    title, html = split_section(made_markdown(literal_values(manifest)))
    blocks: list[Block] = [Prose(html)]
    digests = [
        *_leaves(manifest.get("readers", {}), "reader"),
        *_leaves(manifest["corpus"].get("inputs", {}), "input"),
        *_leaves(manifest.get("embedder", {}), "embedder"),
        *_leaves(manifest.get("embedders", {}), "embedder"),
        *((name, value) for name, value in _leaves(manifest.get("config", {}), "config") if name.endswith("seed")),
    ]
    if digests:
        blocks.append(Table("Digests and seeds", ["what", "value"], [list(pair) for pair in digests]))
    return Section("made", title, blocks)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Everything that is not a dictionary or a list of dictionaries, with the path to it."""
    if isinstance(value, Mapping):
        for name, of in value.items():
            yield from _leaves(of, f"{path}, {name}")
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for number, one in enumerate(value, 1):
            yield from _leaves(one, f"{path} {number}")
    elif value is not None:
        yield path, str(value)


@cache
def environment() -> Environment:
    """The environment of the report's templates."""
    return Environment(
        loader=PackageLoader("results.report.html"), autoescape=True, finalize=_finalize, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


__all__ = ["HTML_REPORT", "render_html"]

HTML_REPORT = "report.html"
MOST_BYTES = 5_000_000


def render_html(manifest: Mapping[str, Any], tables: Tables, plots: Sequence[Plot] | None = None) -> str:
    """Render a run as one HTML page of less than `MOST_BYTES` in UTF-8.

    Where a run is so large that its tables and plots do not fit, the page shows fewer of them and says where the
    others are. Verdicts, warnings and names are never shortened.

    Args:
        manifest: content of `manifest.json`.
        tables: frames by name; a section appears where its frames are present and not empty.
        plots: those of `draw_plots`, if they have been drawn already.
    """
    drawn = draw_plots(tables) if plots is None else plots
    page = ""
    for divisor in (1, 3, 10, 100, 10_000_000):
        page = _page(manifest, tables, drawn, Limits().divided(divisor))
        if len(page.encode()) < MOST_BYTES:
            break
    return page


def _page(manifest: Mapping[str, Any], tables: Tables, plots: Sequence[Plot], limits: Limits) -> str:
    marks = labeler_marks(tables)
    verdicts = [{**one, "reader": marked(one["reader"], marks)} for one in manifest["verdicts"]]
    recommendations = manifest.get("recommendations", [])
    advice = [one for one in recommendations if one["line"] != manifest["headline"]]
    chosen = [{**one, "reader": marked(one["reader"], marks)} for one in recommendations]
    sections = _sections(manifest, tables, marks, verdicts, chosen, Shelf(plots, limits), limits)
    template = environment().get_template("report.html.j2")
    # The style sheet is a file of this package, not text from a corpus.
    style = Markup(files("results.report.html").joinpath("templates/style.css").read_text("utf-8"))  # noqa: S704  # a file of ours
    return template.render(
        manifest=manifest, verdict=bool(verdicts), recommendations=advice, legend=legend_of(marks),
        sections=sections, style=style,
    )  # fmt: skip


def _sections(
    manifest: Mapping[str, Any], tables: Tables, marks: Mapping[str, str], verdicts: Sequence[Mapping[str, Any]],
    chosen: Sequence[Mapping[str, Any]], shelf: Shelf, limits: Limits,
) -> list[Section]:  # fmt: skip
    shown = {name: frame for name, frame in mark_tables(tables, marks).items() if not frame.is_empty()}
    choices = manifest.get("retrieval", [])
    sections = [verdict_section(verdicts, choices)] if verdicts or choices else []
    sections += [_from_markdown("looks", looks_section(shown))] if "looks" in shown else []
    if "cells" in shown:
        sections.append(accuracy_section(shown, recommended_cells(chosen, shown["cells"]), shelf, limits))
    sections += [_from_markdown("temperatures", temperature_section(shown))] if "temperatures" in shown else []
    if "retrieval_means" in shown:
        sections.append(retrieval_section(shown, shelf, limits))
    if "ladder" in shown:
        sections.append(ladder_section(shown, shelf, limits))
    if "cells" in shown:
        sections.append(pareto_section(shown, shelf, limits))
    if "interactions" in shown:
        sections.append(interaction_section(shown, shelf, limits))
    sections += labeler_sections(manifest, tables, shelf, limits)
    sections += _details(tables, shown, marks, verdicts, limits)
    return [*sections, *corpus_sections(manifest, tables, limits), made_section(manifest)]


def _details(
    tables: Tables, shown: Tables, marks: Mapping[str, str], verdicts: Sequence[Mapping[str, Any]], limits: Limits
) -> list[Section]:
    """The sections that few read to the end: classes, pairs, excluded questions, examples."""
    sections = []
    if "classes" in shown and "cells" in shown:
        sections.append(class_section(shown, limits))
    if "comparisons" in shown:
        sections.append(comparison_section(shown, verdicts, limits))
    if "gold" in shown:
        sections.append(excluded_section(tables, marks, limits))
    if "examples" in shown:
        sections.append(_example_section(shown, limits))
    return sections


def _from_markdown(name: str, text: str) -> Section:
    title, html = split_section(text)
    return Section(name, title, [Prose(html)])


def _example_section(tables: Tables, limits: Limits) -> Section:
    text = (
        "Gold questions that the reader gets wrong with what was retrieved, the surest wrong answers first. In the "
        "texts, evidence is bold and underlined twice; each chunk that was read is highlighted, between brackets with "
        "its rank: [1 … 1]."
    )
    blocks: list[Block] = [Prose(text)]
    for (reader,), rows in tables["examples"].group_by("reader", maintain_order=True):
        first = rows.row(0, named=True)
        blocks.append(Heading(f"{reader}, {first['setting']}, {cut_of(first).name}"))
        blocks.append(Examples([view_example(row) for row in rows.head(limits.examples).iter_rows(named=True)]))
    return Section("examples", "Worst examples", blocks)
