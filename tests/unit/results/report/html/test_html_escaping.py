"""Texts that try to leave their place: in names, labels, questions, documents, and in the plots."""

import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import polars as pl
import pytest

from results.advice.examples import pick_examples
from results.report.documents import draw_plots
from results.report.html.page import render_html

EVIL = '<script>alert(1)</script></style></svg><b id="evil" onclick="x()">&amp;"\'`*_[x](http://evil.example)|\\|\u202egnp.exe\x00\x0b</b>'
SEEN = EVIL.replace("\u202e", "⟨U+202E⟩").replace("\x00", "␀").replace("\x0b", "␋")

FEW = {"sizes": (64, 128), "cuts": (("k", 1),)}


class Collected(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def calm(run_of):
    return run_of(**FEW, readers=("one", "two"), embedders=("minilm", "bge"), text="word " * 200)


@pytest.fixture(scope="module")
def hostile(run_of):
    """The same run with names and texts that are markup."""
    names = {"readers": (f"1{EVIL}", f"2{EVIL}"), "embedders": (f"e{EVIL}", f"f{EVIL}")}
    return run_of(**FEW, **names, text=EVIL * 10 + "word " * 200)


@pytest.fixture(scope="module")
def plots(hostile):
    return draw_plots(hostile.tables)


def evil_everywhere(frame):
    """Every text of a frame followed by the evil one, nested ones too."""

    def changed(value):
        if isinstance(value, str):
            return value + EVIL
        if isinstance(value, dict):
            return {name: changed(of) for name, of in value.items()}
        return [changed(one) for one in value] if isinstance(value, list) else value

    keep = ("kind", "arm", "cut", "questions")
    rows = [
        {name: of if name in keep else changed(of) for name, of in row.items()} for row in frame.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=frame.schema)


@pytest.fixture(scope="module")
def page(hostile, plots):
    examples = evil_everywhere(pick_examples(hostile.corpus, hostile.tables))
    tables = hostile.tables | {"examples": examples, "gold": evil_everywhere(hostile.tables["gold"])}
    tables["classes"] = evil_everywhere(hostile.tables["classes"].drop("setting"))
    tables["questions"] = evil_everywhere(tables["questions"])
    manifest = json.loads(json.dumps(hostile.manifest))
    manifest |= {"name": EVIL, "headline": EVIL, "warnings": [EVIL]}
    manifest["readers"] = {EVIL: {EVIL: EVIL}}
    manifest["corpus"]["name"] = manifest["corpus"]["split"] = EVIL
    return render_html(manifest, tables, plots)


def test_no_element_and_no_attribute_comes_from_a_text(page, calm):
    tables = calm.tables | {"examples": pick_examples(calm.corpus, calm.tables)}
    expected = Collected(render_html(calm.manifest, tables))
    found = Collected(page)
    assert found.tags <= expected.tags
    assert found.attributes <= expected.attributes
    assert page.count("<script") == 1  # our own


def test_the_texts_are_all_there_to_read(page):
    text = "".join(Collected(page).text)
    assert f"1{SEEN}" in text
    assert f"e{SEEN}" in text
    # Documents, questions, warnings, labels.
    assert text.count(SEEN) > 100


def test_nothing_unseen_is_left(page):
    assert not [character for character in page if ord(character) < 32 and character not in "\n\t\r"]
    assert not {"\u202e", "\x85", "\ufffe"} & set(page)
    page.encode()


def test_a_plot_with_such_names_is_sound_xml(plots):
    assert len(plots) > 5
    for plot in plots:
        root = ElementTree.fromstring(plot.svg)
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "g", "path", "text", "rect", "line", "title", "desc", "defs", "clipPath", "tspan"}, (
            plot.file
        )
        assert not {name for element in root.iter() for name in element.attrib if name.startswith("on")}
