"""Text that others wrote is shown as it is by Markdown, and nothing in it acts."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from results.report.text.literal import literal, literal_frame, literal_tables, literal_values
from results.report.text.markdown import code, table
from results.report.visible import for_terminal, visible

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")

PLAIN = [
    "qwen2.5-coder-1.5b", "p < 0.05 and q > 3", "[0.1, 0.2]", "snake_case_name", "1.5b", "a & b", "50 %",
    "C:\\models\\x",
    "-3.2", "+0.012", "#hash", "größe 文書", "https://example.org/a_b?c=d&e=f", "(a) b", "don't", "90 tokens: fine",
]  # fmt: skip
HOSTILE = [
    "<script>alert(1)</script>", "<b>", "</td>", "<!-- x -->", "<?php", "&lt;", "&#60;b&#62;", "&amp;",
    "[x](http://evil.example)", "![x](http://evil.example/x.png)", "[x][y]", "[x]: http://evil.example",
    "<http://evil.example>", "<5@evil.example>", "<=a@evil.example>",
    "*a*", "**a**", "_a_", "__a__", "a _b_ c", "`a`", "``a", "\\*a*", "a\\", "\\", "# a", "## a", "> a", "- a",
    "+ a", "* a",
    "1. a", "23) a", "===", "---", "~~~", "```", "a | b", "a\nb", "a\r\nb", "a\rb", "a\u2028b", "| a |\n| --- |",
]  # fmt: skip


def shown(markdown):
    """The text that a browser shows of some Markdown, and the elements that it is in."""
    texts, tags = [], []
    for token in MARKDOWN.parse(markdown):
        tags.append(token.tag or token.type)
        for part in token.children or ():
            texts.append(" " if part.type == "softbreak" else part.content)
            tags += [part.tag] if part.tag else [part.type] if part.type.startswith("html") else []
    return "".join(texts), set(tags)


@pytest.mark.parametrize("text", PLAIN)
def test_what_means_nothing_is_left_alone(text):
    assert literal(text) == text


@pytest.mark.parametrize("text", [*PLAIN, *HOSTILE])
@pytest.mark.parametrize("frame", ["{}", "### {} (3)", "* {}", "**Result.** {}", "> Warning: {}", "before {}: after"])
def test_a_text_is_shown_letter_by_letter_wherever_it_stands(text, frame):
    seen, tags = shown(frame.format(literal(text)))
    plain, plain_tags = shown(frame.format("x"))
    assert seen == plain.replace("x", " ".join(text.splitlines()), 1)
    assert tags == plain_tags


@pytest.mark.parametrize("text", [*PLAIN, *HOSTILE])
def test_a_text_is_shown_letter_by_letter_in_a_table(text):
    seen, tags = shown(table(["head"], [[literal(text)], [code(literal(text))]]))
    one = " ".join(text.splitlines())
    assert seen == f"head{one}{one}"
    assert tags <= {"table", "thead", "tbody", "tr", "th", "td", "code", "inline"}


@given(st.text())
def test_any_text_is_shown_letter_by_letter(text):
    line = " ".join(visible(text).splitlines())
    if line == line.strip() and "\t" not in line:  # Markdown shows no space at the ends
        seen, tags = shown(f"### {literal(text)}!")
        assert seen.split() == f"{line}!".split()
        assert tags == {"h3", "inline"}


@given(st.text())
def test_no_text_holds_what_acts_on_a_terminal(text):
    assert not set(literal(text)) & {
        *map(chr, set(range(32)) - {9}),
        *map(chr, range(0x7F, 0xA0)),
        *"\u202a\u202e\u2066\u2069",
    }
    printed = for_terminal(text)
    assert not set(printed) & ({*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *"\u202e\u2066"} - {"\n", "\t"})


def test_a_carriage_return_overwrites_no_line():
    assert for_terminal("tercet: refused\rtercet: fine\r\nnext\x1b[2K") == "tercet: refused␍tercet: fine\nnext␛[2K"


def test_frames_lists_and_values_are_literal_and_nothing_else_changes():
    frame = pl.DataFrame(
        {
            "reader": ["<b>", None, "plain"],
            "votes": [["`a`", None], None, []],
            "n": [1, 2, 3],
            "nested": [{"a": "<b>"}] * 3,
        }
    )
    made = literal_tables({"t": frame})["t"]
    assert made["reader"].to_list() == ["&lt;b>", None, "plain"]
    assert made["votes"].to_list() == [["\\`a\\`", None], None, []]
    assert made.select("n", "nested").equals(frame.select("n", "nested"))
    assert made.schema == frame.schema
    assert literal_frame(made.select("n")).columns == ["n"]
    assert literal_values({"<b>": ["`", 1, None, {"a_b": "*"}]}) == {"&lt;b>": ["\\`", 1, None, {"a_b": "\\*"}]}


def test_the_quick_look_for_suspects_misses_none():
    for text in (*PLAIN, *HOSTILE):
        assert literal_frame(pl.DataFrame({"a": [text]}))["a"].item() == literal(text)


@given(st.text())
def test_the_quick_look_misses_no_text(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert literal_frame(pl.DataFrame({"a": [text]}))["a"].item() == literal(text)


def test_code_shows_escapes_as_what_they_stand_for():
    assert code(literal("yes_no")) == "`yes_no`"
    assert shown(code(literal("a`b")))[0] == "a`b"
    assert shown(code(literal("<b>")))[0] == "<b>"
