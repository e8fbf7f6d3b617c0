"""What the page has besides its sections: style sheet, script with the digest that lets it run, and the words."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from markupsafe import Markup

from results.report.plots.plot import Plot

_ROW = re.compile(r"^\| \*\*(.+?)\*\* \| (.+) \|$", re.MULTILINE)


class Furniture(NamedTuple):
    """The parts of a page that are the same in every report.

    Attributes:
        style: the style sheet.
        script: the script.
        policy: its source in a content security policy: nothing else on the page may run.
        words: terms and what they mean, as in the glossary of the documentation.
    """

    style: Markup
    script: Markup
    policy: str
    words: tuple[tuple[str, str], ...]


@cache
def furniture() -> Furniture:
    """What every page has."""
    script = "\n" + _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Files of this package, not text from a corpus.
    style, shown = Markup(_file("style.css")), Markup(script)  # noqa: S704  # files of ours
    return Furniture(style, shown, f"'sha256-{digest}'", tuple(_words(_file("glossary.md"))))


def _file(name: str) -> str:
    return files("results.report.html").joinpath("templates", name).read_text("utf-8")


def _words(glossary: str) -> Iterator[tuple[str, str]]:
    for term, meaning in _ROW.findall(glossary):
        yield term, re.sub(r"[*`]", "", meaning)


def both_widths(plot: Plot, number: int) -> Markup:
    """The plot for a wide page and for a narrow one, with ids of its own: as drawn, those of all plots are the same.

    Args:
        plot: drawn by Vega, which escapes every text; `plots.plot.described` escapes the others.
        number: of the plot on its page.
    """
    shown = [("broad", plot.svg), ("slim", plot.narrow)] if plot.narrow else [("", plot.svg)]
    parts = []
    for name, svg in shown:
        for mark in ('id="', "url(#"):
            svg = svg.replace(f"{mark}clip", f"{mark}p{number}{name}-clip")
        parts.append(f'<div class="{name}">{svg}</div>' if name else svg)
    return Markup("".join(parts))  # noqa: S704  # drawn by Vega, which escapes
