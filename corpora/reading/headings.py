"""The headings of a text in Markdown, and what each of them stands over."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

_BLOCKS = MarkdownIt("commonmark").disable("inline")  # only titles are parsed within their line
_INLINE = MarkdownIt("commonmark")
_LINE_END = re.compile(r"\r\n|\r|\n")  # as CommonMark has them; `str.splitlines` knows more
# A blank line after the first `---` makes that a rule, as pandoc reads it too.
_FRONT_MATTER = re.compile(
    r"---[ \t]*(?:\r\n|\r|\n)(?![ \t]*[\r\n])(?:.*?(?:\r\n|\r|\n))??(?:---|\.\.\.)[ \t]*(?:\r\n|\r|\n|\Z)", re.S
)


class Heading(NamedTuple):
    """A heading, and the part of the text that it stands over.

    Attributes:
        level: 1 to 6.
        title: its text without marks such as `#` or `**`.
        start: where its own first line begins, in characters.
        end: where the next heading of the same or a higher rank begins, or the end of the text; end-exclusive. So the
            part holds the heading itself and all headings below it, and parts are nested or apart, never crossed.
    """

    level: int
    title: str
    start: int
    end: int


def headings(text: str) -> list[Heading]:
    """The headings of a Markdown text, in their order.

    Headings are those of CommonMark, with `#` or underlined; what looks like one in a code block, in HTML or in front
    matter (YAML between lines of `---` at the very beginning) is none.

    Args:
        text: in Markdown; a text without headings gives none.
    """
    starts = _line_starts(text)
    skipped = _front_matter(text)
    n_skipped = sum(1 for start in starts if start < skipped)
    found = [(level, title, starts[n_skipped + line]) for level, title, line in _found(text[skipped:])]
    return [Heading(*one, end) for one, end in zip(found, _ends(found, len(text)), strict=True)]


def path_at(found: Sequence[Heading], offset: int) -> tuple[str, ...]:
    """The titles that stand over a place in the text, the outermost first.

    Args:
        found: the headings of the text.
        offset: a character of the text.
    """
    return tuple(one.title for one in found if one.start <= offset < one.end)


def _found(text: str) -> Iterator[tuple[int, str, int]]:
    """The level, the title and the line of every heading; only those at the top, not those in a list or a quote."""
    # CommonMark reads a NUL as another character, of the same length.
    tokens = _BLOCKS.parse(text)
    for opening, content in itertools.pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map:
            yield int(opening.tag[1:]), _title(content), opening.map[0]


def _ends(found: Sequence[tuple[int, str, int]], length: int) -> list[int]:
    ends = [length] * len(found)
    open_ones: list[int] = []  # headings that nothing has ended yet, each of a lower rank than the one before
    for at, (level, _, start) in enumerate(found):
        while open_ones and found[open_ones[-1]][0] >= level:
            ends[open_ones.pop()] = start
        open_ones.append(at)
    return ends


def _title(content: Token) -> str:
    """The words of a heading, without the marks of emphasis, code, links and images."""
    (inline,) = _INLINE.parseInline(content.content)
    words = "".join(
        one.content if one.type in ("text", "code_inline") else " " if one.type.endswith("break") else _alternative(one)
        for one in inline.children or ()
    )
    return " ".join(words.split())


def _alternative(token: Token) -> str:
    return "".join(one.content for one in token.children or ()) if token.type == "image" else ""


def _line_starts(text: str) -> list[int]:
    return [0, *(end.end() for end in _LINE_END.finditer(text))]


def _front_matter(text: str) -> int:
    """Where the text begins after its front matter; 0 without any."""
    found = _FRONT_MATTER.match(text)
    return found.end() if found else 0
