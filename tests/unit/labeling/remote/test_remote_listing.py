from itertools import count

import pytest

from corpora.errors import InputError
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.client import ProviderError
from labeling.remote.listing import read_files, read_page
from labeling.remote.wire.policy import Policy
from tests.doubles.off_the_wire import OffTheWire
from tests.doubles.provider import ProviderDouble

BATCHES = [{"id": "b2"}, {"id": "b1"}]


@pytest.mark.parametrize(
    ("more", "following"),
    [
        ({}, None),
        ({"has_more": False}, None),
        ({"has_more": None, "paging": None}, None),
        ({"paging": {}}, None),
        ({"paging": {"next_cursor": None}}, None),
        ({"paging": {"next_cursor": ""}}, None),
        ({"paging": {"next_cursor": "c"}}, {"cursor": "c"}),
        ({"paging": {"next_cursor": 20}}, {"cursor": "20"}),
        ({"has_more": True}, {"after": "b1"}),
    ],
    ids=str,
)
def test_a_page_says_what_is_on_it_and_where_the_next_is(more, following):
    assert read_page({"data": BATCHES} | more) == (BATCHES, following)


def test_an_empty_page_may_have_a_next_one():
    assert read_page({"data": [], "paging": {"next_cursor": "c"}}) == ([], {"cursor": "c"})


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"data": None},
        {"data": {"id": "b1"}},
        {"data": "b1"},
        {"data": BATCHES, "paging": ["c"]},
        {"data": BATCHES, "paging": "c"},
        {"data": BATCHES, "paging": {"next_cursor": ["c"]}},
        {"data": BATCHES, "has_more": "true"},
        {"data": [], "has_more": True},
        {"data": [*BATCHES, {"metadata": {"tercet_part": "ours"}}]},
        {"data": [*BATCHES, {"id": 7}]},
        {"data": [*BATCHES, None]},
    ],
    ids=str,
)
def test_what_is_no_page_of_a_list_is_not_taken_for_an_empty_one(page):
    with pytest.raises(ValueError, match=r"no list of batches|no way to the next page|a batch without an id"):
        read_page(page)


FILE = {"id": "file-1", "filename": "a.jsonl", "bytes": 12, "purpose": "batch"}


def test_files_are_known_by_name():
    assert read_files({"data": [FILE]}) == {"a.jsonl": ("file-1", 12)}


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "file-2",
        {},
        FILE | {"id": None},
        FILE | {"bytes": "abc"},
        FILE | {"bytes": None},
        FILE | {"filename": 7},
        FILE | {"purpose": "batch_output"},
        {name: value for name, value in FILE.items() if name != "id"},
    ],
    ids=str,
)
def test_a_file_that_is_not_fully_described_is_left_out(odd):
    good = FILE | {"filename": "b.jsonl"}
    assert read_files({"data": [odd, good]}) == {"b.jsonl": ("file-1", 12)}


@pytest.mark.parametrize("page", [{}, {"data": None}, {"data": 7}, {"data": {"id": "x"}}], ids=str)
def test_no_list_of_files_is_no_file_known(page):
    assert read_files(page) == {}


# The whole list


@pytest.fixture
def provider():
    return OffTheWire(ProviderDouble(), RemoteConfig(provider="groq"))


@pytest.mark.parametrize("more", [{"has_more": True}, {"paging": {"next_cursor": "again"}}], ids=str)
def test_a_list_with_ever_new_batches_ends_in_one_line(more, provider):
    numbers, asked = count(), []

    def page(query):
        asked.append(query)
        return {"data": [{"id": f"b{next(numbers)}"} for _ in range(3)]} | more

    provider._page = page
    with pytest.raises(InputError, match=r"the list of batches at groq does not end \(500 pages with 1500 batches\)"):
        list(provider.batches())
    assert len(asked) == Policy.pages


def test_a_list_of_empty_pages_without_end_ends_in_one_line(provider):
    provider._page = lambda query: {"data": [], "paging": {"next_cursor": "on"}}
    with pytest.raises(InputError, match="does not end"):
        list(provider.batches())


def test_what_is_no_list_may_be_asked_for_again(provider):
    provider._page = lambda query: {"data": BATCHES, "paging": ["c"]}
    with pytest.raises(ProviderError, match="no way to the next page") as refused:
        list(provider.batches())
    assert refused.value.is_transient
