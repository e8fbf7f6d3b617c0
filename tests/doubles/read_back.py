"""Reports read back: headings, tables and text of a page, and the tables of a Markdown report."""

import html
import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}
UNSEEN = {"style", "script", "svg"}
BLOCKS = {"p", "li", "h1", "h2", "h3", "h4", "tr", "caption", "summary", "dt", "title", "div"}


class Page(HTMLParser):
    """Headings, tables by caption, text, and everything that is opened; complains about what is not closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []
        self.headings, self.tables, self.captions, self.text, self._seen = [], {}, [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append((tag, ""))
        if tag == "caption":
            self.captions.append("")
        if tag == "tr":
            self.tables.setdefault(self.captions[-1], []).append([])
        if tag in ("td", "th"):
            self.tables[self.captions[-1]][-1].append("")
            self._seen.append(" | ")
        if tag in BLOCKS:
            self._seen.append("\n")

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if not UNSEEN & set(self.open):
            self._seen.append(data.replace("\n", " "))
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] = (self.headings[-1][0], self.headings[-1][1] + data)
        if self.open and self.open[-1] == "caption":
            self.captions[-1] += data
        if {"td", "th"} & set(self.open) and "svg" not in self.open:
            self.tables[self.captions[-1]][-1][-1] += data

    @property
    def seen(self):
        """The text without plots, a line for each paragraph, heading and row."""
        lines = (" ".join(line.split()) for line in "".join(self._seen).splitlines())
        return "\n".join(filter(None, lines)) + "\n"


def tables_in(markdown):
    """The tables of a Markdown report by their titles: rows of cells as one sees them, the header first."""
    found, title = {}, ""
    for block in markdown.split("\n\n"):
        if block.startswith("| "):
            header, _, *body = (re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines())
            found[title] = [[as_seen(cell) for cell in row] for row in (header, *body)]
        else:
            title = as_seen(block).lstrip("# ")
    return found


def as_seen(text):
    """What is shown of Markdown in a line: without the signs of code and emphasis, and without escapes."""
    text = re.sub(r"(?<!\\)\*\*|(?<!\\)`+ ?| ?(?<!\\)`+", "", text.strip())
    return html.unescape(re.sub(r"\\(?=[!-/:-@\[-`{-~])", "", text)).strip()


def rows_of(section, title):
    """The rows of a table of a section as dictionaries by the names of its columns."""
    (table,) = [block for block in section.blocks if getattr(block, "title", "") == title]
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names)), "two columns of one name"
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def section_of(report, slug):
    """The section of a report with that slug."""
    (found,) = [section for section in report.sections if section.slug == slug]
    return found
