"""Settings, numbers and looks as people say them."""

import pytest

from results.advice.wording import about, how_far, listed, needed, percent, points, say_equal
from results.settings import Cell, Setting, Spoken, say_cut
from retrieval.context import Cut


@pytest.mark.parametrize(
    ("setting", "cut", "varying", "said"),
    [
        (("tokens", 64, 0, "e", "dense"), ("budget", 256), (), "64-token chunks, 256 tokens read"),
        (("tokens", 128, 0, "e", "dense"), ("k", 3), (), "best 3 chunks of 128 tokens"),
        (("tokens", 128, 0, "e", "dense"), ("k", 1), ("splitter",), "best single chunk of 128 tokens, token splitter"),
        (
            ("recursive", 128, 32, "e", "dense"), ("budget", 512), (),
            "128-token chunks with 32 overlap, recursive splitter, 512 tokens read",
        ),
        (
            ("tokens", 8, 0, "e", "bm25"), ("budget", 8), ("embedder", "retriever"),
            "8-token chunks, e embedder, bm25 retriever, 8 tokens read",
        ),
    ],
)  # fmt: skip
def test_settings_are_named_as_people_say_them(setting, cut, varying, said):
    assert Spoken(varying).cell(Cell(None, Setting(*setting), Cut(*cut))) == said


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((64, 32), "64-token chunks, 256 tokens read, and 32-token chunks, 512 tokens read"),
        (
            (64, 32, 8),
            "64-token chunks, 256 tokens read; 32-token chunks, 512 tokens read; and 8-token chunks, 768 tokens read",
        ),
        ((64, 32, 8, 4), "4 of 8 settings"),
    ],
)  # fmt: skip
def test_a_few_equal_settings_are_named_and_more_are_counted(sizes, said):
    cuts = [Cut("budget", 256 * number) for number in range(1, 5)]
    cells = [Cell(None, Setting("tokens", *one, 0, "e", "dense"), cut) for *one, cut in zip(sizes, cuts, strict=False)]
    assert say_equal(cells, 8, Spoken()) == said


def test_equal_settings_of_one_cut_are_named_by_size():
    cells = [Cell(None, Setting("tokens", size, 0, "e", "dense"), Cut("budget", 256)) for size in (128, 64, 16)]
    assert say_equal(cells, 8, Spoken()) == "16-token chunks, 64-token chunks and 128-token chunks"


def test_numbers_are_said_as_people_say_them():
    assert [percent(share) for share in (0, 0.001, 0.764, 0.999, 1)] == [
        "0 %",
        "under 1 %",
        "76 %",
        "over 99 %",
        "100 %",
    ]
    assert [about(n) for n in (7, 166, 1348)] == ["about 7", "about 170", "about 1,400"]
    assert [points(share) for share in (0.01, 0.05, 0.025)] == ["1 point", "5 points", "2.5 points"]
    assert [listed(names) for names in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == ["", "a", "a and b", "a, b and c"]
    assert [say_cut(Cut(*cut)) for cut in (("budget", 256), ("k", 1), ("k", 3))] == [
        "256 tokens read", "the best chunk read", "the best 3 chunks read",
    ]  # fmt: skip


def test_what_more_is_needed_is_one_or_several():
    assert [needed(n, "gold question") for n in (1, 2, 1348)] == [
        "about 1 more gold question is needed",
        "about 2 more gold questions are needed",
        "about 1,400 more gold questions are needed",
    ]


ALL_READ, OVER = "all questions that it may read are read", "the next look would bring it above max_tokens = 1000"


@pytest.mark.parametrize(
    ("stopped", "n", "n_cells", "n_read", "said"),
    [
        ("told", 128, 10, 260, "Told after 128 of 500 questions, with 2 of 12 cells dropped and 74 % of the context "
         "unread."),
        ("told", 500, 12, 1000, "Told after 500 of 500 questions."),
        (ALL_READ, 500, 12, 1000, f"Still open after 500 of 500 questions: {ALL_READ}."),
        (OVER, 64, 12, 200, f"Still open after 64 of 500 questions, with 80 % of the context unread: {OVER}."),
        ("the limit on spending is reached", 64, 11, 1000, "Still open after 64 of 500 questions, with 1 of 12 cells "
         "dropped: the limit on spending is reached."),
        ("", 64, 12, 1000, "Still open after 64 of 500 questions: reading broke off."),
    ],
)  # fmt: skip
def test_how_far_a_sweep_was_read_says_why_it_stopped(stopped, n, n_cells, n_read, said):
    look = {"questions": n, "of_questions": 500, "cells": n_cells, "of_cells": 12, "is_told": stopped == "told"}
    assert how_far(look | {"stopped": stopped, "context_tokens": n_read, "of_context_tokens": 1000}) == said
