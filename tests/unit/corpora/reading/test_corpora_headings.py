"""Headings of Markdown: which there are, and what each stands over."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.reading.headings import headings, path_at

TEXT = "---\ntitle: x\n---\n# A *b* `c` [l](u)\r\none\n\n## B\n```\n# no\n```\nSet\n===\n> # quoted\n\n- # item\n"


def test_headings_are_those_of_commonmark():
    assert [one[:2] for one in headings(TEXT)] == [(1, "A b c l"), (2, "B"), (1, "Set")]
    assert [TEXT[one.start : one.end][:5] for one in headings(TEXT)] == ["# A *", "## B\n", "Set\n="]


def test_a_text_that_begins_with_a_rule_has_no_front_matter():
    assert [one.title for one in headings("---\n\nwords\n\n# A\n\n---\n\n# B\n")] == ["A", "B"]
    assert [one.title for one in headings("---\r\n \r\n# A\r\n---\r\n")] == ["A"]


def test_a_heading_stands_over_all_that_is_below_it():
    found = headings("zero\n# A\na\n## B\nb\n### C\n## D\n# E\n")
    assert [(one.title, one.start, one.end) for one in found] == [
        ("A", 5, 29), ("B", 11, 24), ("C", 18, 24), ("D", 24, 29), ("E", 29, 33)
    ]  # fmt: skip
    assert [path_at(found, at) for at in (0, 9, 16, 32)] == [(), ("A",), ("A", "B"), ("E",)]


@pytest.mark.parametrize(
    "text", ["", "no heading", "    # code", "<div>\n# html\n</div>", "#tag", "---\n# x: 1\n---\n"]
)
def test_what_is_no_heading_gives_none(text):
    assert headings(text) == []


line = st.sampled_from(
    ["# A", "## B", "### C", "#### D", "words", "", "---", "```", "> # q", "é\x00中\u2028x", "A\n==="]
)


@given(st.lists(st.tuples(line, st.sampled_from(["\n", "\r\n", "\r"])), max_size=12))
def test_parts_begin_at_their_headings_and_are_nested_or_apart(lines):
    text = "".join(one + end for one, end in lines)
    found = headings(text)
    for one in found:
        assert 0 <= one.start < one.end <= len(text)
        assert one.start == 0 or text[one.start - 1] in "\r\n"
        assert " ".join(text[one.start :].replace("\0", "\ufffd").lstrip(" #").split()).startswith(one.title)
    for first, second in itertools.pairwise(found):
        assert first.start < second.start
        assert second.end <= first.end if second.level > first.level else first.end == second.start
