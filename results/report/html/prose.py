"""Sections of the Markdown report in HTML, so that their words and numbers have one origin.

Only what these sections use is understood: emphasis, code, tables, headings, quotes, lists and entities. HTML and
foreign links are shown as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

from results.report.text.labelers import EXCLUDED_FILE
from results.report.visible import visible

RULES = ("backticks", "blockquote", "emphasis", "entity", "escape", "heading", "link", "list", "table")
_IMAGE = re.compile(r"^!\[[^\]]*\]\([\w.]+\)$", re.MULTILINE)


class _Renderer(RendererHTML):
    """Tables with a caption, a scope and a container of their own to scroll in."""

    def table_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        heading = next((tokens[i + 1] for i in range(at, -1, -1) if tokens[i].type == "heading_open"), None)
        # Its parts, without the escapes of the whole.
        caption = "".join(part.content for part in heading.children or ()) if heading else env["title"]
        caption = str(escape(caption))
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
