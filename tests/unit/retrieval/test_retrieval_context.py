from itertools import permutations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError
from retrieval.context import CHUNK_BREAK, Cut, assemble, check_budgets, cut_ranking, depth_for


def chunks(sizes):
    return pl.DataFrame({"n_tokens": sizes}, schema={"n_tokens": pl.Int32})


def ranking(**sizes_by_question):
    rows = [(q, rank, n) for q, sizes in sizes_by_question.items() for rank, n in enumerate(sizes, 1)]
    return pl.DataFrame(rows, schema={"question_id": pl.String, "rank": pl.Int32, "n_tokens": pl.Int32}, orient="row")


def kept(ranked, cut):
    return {q: rows["rank"].to_list() for (q,), rows in cut_ranking(ranked, cut).group_by("question_id")}


def brute_force_depth(sizes, cuts):
    """Most chunks that any order of them lets any cut read."""
    deepest = 0
    for order in permutations(sizes):
        for cut in cuts:
            deepest = max(deepest, len(kept(ranking(q=order), cut).get("q", [])))
    return deepest


cuts = st.one_of(st.builds(Cut, st.just("k"), st.integers(1, 7)), st.builds(Cut, st.just("budget"), st.integers(1, 40)))


@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4), cuts=st.lists(cuts, min_size=1, max_size=3))
def test_the_depth_is_what_the_most_favourable_order_needs(sizes, cuts):
    depth = depth_for(cuts, chunks(sizes))
    assert min(depth, len(sizes)) == brute_force_depth(sizes, cuts)


@given(data=st.data())
def test_cutting_a_ranking_of_that_depth_equals_cutting_the_whole_ranking(data):
    sizes = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=30))
    cut = data.draw(cuts)
    ranked = ranking(q=data.draw(st.permutations(sizes)))
    depth = depth_for([cut], chunks(sizes))
    assert cut_ranking(ranked.head(depth), cut).equals(cut_ranking(ranked, cut))


def test_the_depth_covers_the_largest_k_and_the_budget():
    sizes = [50] * 10
    assert depth_for([Cut("k", 1), Cut("k", 5)], chunks(sizes)) == 5
    assert depth_for([Cut("k", 1), Cut("budget", 256)], chunks(sizes)) == 5
    assert depth_for([Cut("budget", 250), Cut("k", 7)], chunks(sizes)) == 7


def test_k_keeps_the_first_chunks_of_each_question():
    ranked = ranking(a=[9, 9, 9, 9], b=[9, 9])
    assert kept(ranked, Cut("k", 3)) == {"a": [1, 2, 3], "b": [1, 2]}


def test_a_budget_counts_each_question_by_itself():
    ranked = ranking(a=[10, 10, 10], b=[25, 5, 10])
    assert kept(ranked, Cut("budget", 30)) == {"a": [1, 2, 3], "b": [1, 2]}


def test_a_budget_stops_at_the_first_chunk_that_does_not_fit_though_a_later_one_would():
    assert kept(ranking(q=[10, 50, 5]), Cut("budget", 20)) == {"q": [1]}


def test_a_budget_may_be_used_up_to_the_last_token():
    assert kept(ranking(q=[10, 10]), Cut("budget", 20)) == {"q": [1, 2]}
    assert kept(ranking(q=[10, 10]), Cut("budget", 19)) == {"q": [1]}


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=20), small=st.integers(1, 60), more=st.integers(0, 60))
def test_a_larger_cut_reads_what_a_smaller_one_reads_and_then_more(sizes, small, more):
    for kind in ("k", "budget"):
        few = kept(ranking(q=sizes), Cut(kind, small)).get("q", [])
        many = kept(ranking(q=sizes), Cut(kind, small + more)).get("q", [])
        assert many[: len(few)] == few


def test_a_budget_below_the_largest_size_is_refused_with_both_numbers():
    with pytest.raises(InputError) as refusal:
        check_budgets([Cut("k", 1), Cut("budget", 512), Cut("budget", 128)], largest_size=256)
    message = str(refusal.value)
    assert "128" in message
    assert "256" in message
    assert "\n" not in message


def test_a_budget_of_the_largest_size_and_any_k_are_fine():
    check_budgets([Cut("budget", 256), Cut("k", 1)], largest_size=256)


def test_cuts_are_named_by_kind_and_amount():
    assert [Cut("k", 3).name, Cut("budget", 256).name] == ["k=3", "budget=256"]


def test_fewer_chunks_are_a_prefix_of_more():
    texts = ["first", "second", "third"]
    assert assemble(texts).startswith(assemble(texts[:2]) + CHUNK_BREAK)
    assert assemble(texts[:1]) == "first"
