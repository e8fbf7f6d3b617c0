"""The `markdown` splitter: sections before paragraphs, and code blocks and tables in one piece where they fit."""

import time
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from semantic_text_splitter import MarkdownSplitter

from retrieval.chunking.markdown import code_blocks
from retrieval.chunking.splitters import Chunking, split_text

CODE = "```python\nx = 1\n\n# no heading\ny = 2\n```"
TABLE = "| a | b |\n|---|---|\n| one cat | two dogs |\n| three | four |"

words = st.lists(
    st.sampled_from(["the", "cat", "sat", "on", "Dogs", "ran", "home", "one", "two", "café", "天気", "e.g."]),
    min_size=1,
    max_size=9,
)
line = words.map(" ".join)
fence = st.sampled_from(["```", "~~~", "````"])
in_code = st.lists(st.sampled_from(["x = 1", "# no heading", "", "    y(2)", "| a | b |", "---", "- one"]), max_size=9)
code = st.tuples(fence, in_code).map(lambda made: "\n".join([made[0], *made[1], made[0]]))
rows = st.lists(st.tuples(line, line), min_size=1, max_size=6)
table = rows.map(lambda cells: "\n".join(["| a | b |", "|---|---|", *(f"| {a} | {b} |" for a, b in cells)]))
other = st.one_of(
    st.tuples(st.integers(1, 6), line).map(lambda made: f"{'#' * made[0]} {made[1]}"),
    st.tuples(line, st.sampled_from(["===", "---"])).map("\n".join),
    st.lists(line, min_size=1, max_size=4).map(lambda lines: "\n".join(f"{one}." for one in lines)),
    st.lists(line, min_size=1, max_size=4).map(lambda lines: "\n".join(f"- {one}" for one in lines)),
    st.lists(line, min_size=1, max_size=3).map(lambda lines: "\n".join(f"> {one}" for one in lines)),
)
whole = st.one_of(code, table)  # what should stay in one piece
documents = st.lists(st.one_of(other, whole.map(lambda text: (text,))), min_size=1, max_size=14)
geometries = st.integers(10, 60).flatmap(lambda size: st.tuples(st.just(size), st.sampled_from([0, 3, size // 2 - 2])))
relaxed = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def pieces(text, tokenizer, size, overlap=0):
    return [text[start:end] for start, end in split_text(text, Chunking("markdown", size, overlap), tokenizer)]


def joined(document):
    """The text, and the places of its code blocks and tables."""
    text, places = "", []
    for one in document:
        block = one[0] if isinstance(one, tuple) else one
        if isinstance(one, tuple):
            places.append((len(text), len(text) + len(block)))
        text += block + "\n\n"
    return text, places


@pytest.mark.parametrize("windows", [False, True])
@relaxed
@given(document=documents, geometry=geometries)
def test_code_blocks_and_tables_that_fit_are_not_cut(windows, document, geometry, tiny):
    (size, overlap), (text, places) = geometry, joined(document)
    with pytest.MonkeyPatch.context() as patch:
        if windows:  # so narrow that nearly every document needs several
            patch.setattr("retrieval.chunking.recursive._LONG", 0)
            patch.setattr("retrieval.chunking.recursive._SHORTEST", 200)
            patch.setattr("retrieval.chunking.recursive._CHARACTERS_A_TOKEN", 8)
        slices = split_text(text, Chunking("markdown", size, overlap), tiny)
    assert slices == sorted(slices)
    assert all(tiny.count(text[start:end]) <= size - 2 for start, end in slices)
    assert overlap or all(before[1] <= after[0] for before, after in pairwise(slices))
    covered = {at for start, end in slices for at in range(start, end)}
    assert not [at for at, one in enumerate(text) if not one.isspace() and at not in covered]
    for start, end in places:
        fits = tiny.count(text[start:end]) <= size - 2
        assert not fits or any(a <= start and end <= b for a, b in slices), text[start:end]


def test_a_text_is_cut_at_its_headings_first(tiny):
    text = f"# A\n\nOne cat sat. Two dogs ran.\n\n## B\n\nThree ran home.\n\n{CODE}\n\nAfter.\n\nC\n===\n\n{TABLE}\n"
    found = pieces(text, tiny, 48)
    assert [one.splitlines()[0] for one in found] == ["# A", "## B", "C"]
    assert CODE in found[1]
    assert found[2].endswith(TABLE)


def test_a_code_block_that_does_not_fit_does_not_turn_what_follows_into_code(tiny):
    long = "```\n" + "x = 1\n" * 30 + "```"
    text = f"Before.\n\n{long}\n\nAfter.\n\n{CODE}\n\n# Next\n\nThe cat sat."
    found = pieces(text, tiny, 32)
    assert found[0] == "Before."
    assert all(len(one.splitlines()) > 1 and tiny.count(one) <= 30 for one in found[1:-3])  # cut between lines
    assert found[-3:] == ["After.", CODE, "# Next\n\nThe cat sat."]


def test_plain_text_is_split_as_the_library_splits_it(tiny):
    text = "The cat sat. A dog ran home!\n\nOne two three. " * 6
    whole = MarkdownSplitter.from_huggingface_tokenizer(tiny.raw, 18).chunk_indices(text)
    assert pieces(text, tiny, 20) == [one for _, one in whole]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_code_blocks_are_found_in_whole_lines(end):
    text = end.join(["# A\u2028b", "", "```", "x\x0b", "```", "", "~~~", "open to the end"])
    first, second = code_blocks(text)
    assert text[slice(*first)] == end.join(["```", "x\x0b", "```", ""])
    assert text[slice(*second)] == end.join(["~~~", "open to the end"])


def test_time_does_not_grow_with_the_square_of_the_length(tiny):
    text = "# A\n\n" + "The cat sat on the mat. " * 4000 + "\n\nThe end."
    start = time.process_time()
    found = split_text(text, Chunking("markdown", 64, 16), tiny)
    assert time.process_time() - start < 4  # the library alone takes 10 seconds
    assert [found[0][0], found[-1][1]] == [0, len(text)]
