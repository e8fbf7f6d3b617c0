"""Where labels go, and how numbers and cells are said."""

from itertools import pairwise

import pytest

from results.report.plots.placing import cut_words, percent, spread, tenths, with_ends
from retrieval.context import Cut

NB = "\N{NO-BREAK SPACE}"


def test_labels_that_do_not_touch_stay_where_they_are():
    assert spread([10, 50, 90], [12, 12, 12], (0, 100)) == [10, 50, 90]


def test_labels_that_overlap_move_apart_by_as_little_as_needed_and_keep_their_order():
    assert spread([50, 52], [10, 10], (0, 100)) == [46, 56]
    assert spread([52, 50], [10, 10], (0, 100)) == [56, 46]
    assert spread([50, 50, 50], [10, 20, 10], (0, 100)) == [35, 50, 65]


def test_labels_stay_in_the_room_and_push_their_neighbours():
    assert spread([0, 4], [10, 10], (0, 100)) == [5, 15]
    assert spread([99, 96], [10, 10], (0, 100)) == [95, 85]
    assert spread([0], [10], (-10, 100)) == [0]


def test_a_label_that_is_moved_onto_a_third_moves_that_too():
    middles = spread([20, 21, 34], [12, 12, 12], (0, 100))
    assert [b - a for a, b in pairwise(middles)] == pytest.approx([12, 12])


def test_an_axis_reaches_the_tenths_around_its_values():
    assert tenths([0.42, None, 0.91]) == (0.4, 1.0)
    assert tenths([0.5]) == (0.5, 0.6)
    assert tenths([None]) == (0.0, 1.0)


def test_cuts_and_shares_are_said_as_people_say_them():
    cuts = [Cut("k", 1), Cut("k", 3), Cut("budget", 256)]
    assert [cut_words(cut) for cut in cuts] == ["1 chunk", "3 chunks", "256 tokens"]
    assert [percent(value) for value in (0.755, -0.001, 1)] == [f"76{NB}%", f"0{NB}%", f"100{NB}%"]
    assert with_ends({"a": 0.5, "a_low": 0.25, "a_high": 0.75}, "a") == f"50{NB}% (25 to 75{NB}%)"
    assert with_ends({"a": 0.5, "a_low": None, "a_high": None}, "a") == f"50{NB}%"
