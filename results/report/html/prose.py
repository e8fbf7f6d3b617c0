"""Sections of the Markdown report in HTML, so that their words and numbers have one origin.

Only what these sections use is understood: emphasis, code, tables, headings, quotes and lists. HTML, entities and
foreign links are shown as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

from results.report.text.labelers import EXCLUDED_FILE
from results.report.text.markdown import Tables
from results.report.visible import visible

RULES = ("backticks", "blockquote", "emphasis", "escape", "heading", "link", "list", "table")
FREE_TEXT = ("reader", "a", "b", "best", "second", "value", "slice", "finding", "corpus", "annotator", "note")
_IMAGE = re.compile(r"^!\[[^\]]*\]\([\w.]+\)$", re.MULTILINE)
_SYNTAX = re.compile(r"([\\*_`\[\]])")


class _Renderer(RendererHTML):
    """Tables with a caption, a scope and a container of their own to scroll in."""

    def table_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        caption = next((tokens[i + 1].content for i in range(at, -1, -1) if tokens[i].type == "heading_open"), "")
        caption = str(escape(caption or env["title"]))
        region = f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}">'
        return f'{region}<table><caption class="hidden">{caption}</caption>'

    def table_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return '<th scope="col">'


_MARKDOWN = MarkdownIt("zero", renderer_cls=_Renderer).enable(list(RULES))
_MARKDOWN.validateLink = lambda url: url == EXCLUDED_FILE  # type: ignore[method-assign]  # as its documentation says


def split_section(markdown: str) -> tuple[str, Markup]:
    """Title and HTML of a section that starts with a heading of the second level; plots are left to the caller."""
    heading, _, body = markdown.partition("\n\n")
    title = heading.lstrip("# ")
    # Its own renderer escapes every text.
    return title, Markup(_MARKDOWN.render(visible(_IMAGE.sub("", body)), {"title": title}))  # noqa: S704  # HTML is off


def literal(tables: Tables) -> dict[str, pl.DataFrame]:
    """The tables with names and findings written so that Markdown leaves them as they are."""
    return {name: _literal(frame) for name, frame in tables.items()}


def _literal(frame: pl.DataFrame) -> pl.DataFrame:
    columns = [name for name in FREE_TEXT if frame.schema.get(name) == pl.String]
    return frame.with_columns(pl.col(columns).str.replace_all(_SYNTAX.pattern, r"\$1")) if columns else frame


def literal_values(value: Any) -> Any:
    """The same for all text in nested lists and dictionaries; keys stay as they are."""
    if isinstance(value, str):
        return _SYNTAX.sub(r"\\\1", value)
    if isinstance(value, Mapping):
        return {name: literal_values(of) for name, of in value.items()}
    return [literal_values(one) for one in value] if isinstance(value, list | tuple) else value
