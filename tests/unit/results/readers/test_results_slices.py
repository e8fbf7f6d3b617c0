from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.votes.consensus import GOLD
from results.readers.slices import (
    BEST_ON_SLICE,
    MOST_VALUES,
    N_BINS,
    NONE,
    OTHER,
    SLICES,
    best_on_slices,
    slice_questions,
    slice_table,
)
from results.stats.clustered import compare_paired, holm, wilson, wilson_clustered


def values(corpus, name):
    return slice_questions(corpus).filter(pl.col("slice") == name)["value"].to_list()


def tagged(corpus_of, given):
    return values(corpus_of(["yes"] * len(given), tags={"t": given}), "tag t")


tags = st.lists(st.none() | st.text(max_size=3) | st.integers(-20, 2000).map(str), min_size=1, max_size=40)
openers = st.sampled_from(
    ["Does it?", "does that?", '"Is" it?', "(Is it?", "What", "Why", "How", "Who", "When", "Can", "!"]
)


@settings(max_examples=60)
@given(tags, st.data())
def test_every_question_is_in_exactly_one_value_of_each_slice(corpus_of, given_tags, data):
    n = len(given_tags)
    texts = data.draw(st.lists(openers, min_size=n, max_size=n))
    words = data.draw(st.lists(st.integers(1, 30), min_size=n, max_size=n))
    corpus = corpus_of(["yes"] * n, tags={"t": given_tags}, texts=texts, words=words)
    slices = slice_questions(corpus)
    names = ["document words", "question opener"] + ["tag t"] * any(one is not None for one in given_tags)
    assert slices["slice"].unique(maintain_order=True).to_list() == names
    for name in names:
        of_one = slices.filter(pl.col("slice") == name)
        assert of_one["question_id"].to_list() == corpus.questions["question_id"].to_list()
        assert of_one["value"].null_count() == 0
        assert of_one["value"].n_unique() <= max(MOST_VALUES, N_BINS + 1)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_a_bin_of_document_lengths_holds_the_lengths_that_it_names(corpus_of, words):
    found = values(corpus_of(["yes"] * len(words), words=words), "document words")
    assert len(set(found)) <= N_BINS
    spans = {}
    for length, name in zip(words, found, strict=True):
        low, _, high = name.partition(" to ")
        assert int(low) <= length <= int(high or low)
        spans[name] = (int(low), int(high or low))
    ordered = sorted(spans.values())
    assert all(first[1] < second[0] for first, second in pairwise(ordered))


def test_lengths_are_cut_at_their_quartiles(corpus_of):
    found = values(corpus_of(["yes"] * 12, words=list(range(1, 13))), "document words")
    assert list(Counter(found).items()) == [("1 to 3", 3), ("4 to 6", 3), ("7 to 9", 3), ("10 to 12", 3)]


def test_documents_of_one_length_are_one_bin(corpus_of):
    assert values(corpus_of(["yes"] * 5, words=[7] * 5), "document words") == ["7"] * 5


def test_the_length_is_that_of_all_gold_documents_of_a_question(corpus_of):
    corpus = corpus_of(["yes", "no"], words=[3, 4])
    both = corpus.questions.with_columns(document_ids=pl.Series([["d0", "d1"], ["d1"]]))
    assert values(corpus.with_questions(both), "document words") == ["7", "4"]


def test_openers_are_the_first_word_whatever_its_case_and_quotes(corpus_of):
    texts = ["Does it?", "does that?", '"Does" it?', "(does it", "Is it?", "'"]
    found = values(corpus_of(["yes"] * 6, texts=texts), "question opener")
    assert found[:2] == ["does", "does"]
    assert found[3:] == ["does", "is", NONE]
    assert len(set(found[2:3])) == 1


def test_rare_values_go_together_and_frequent_ones_stay(corpus_of):
    given_tags = ["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"] * 3 + ["e"] * 2 + ["f"] * 2 + ["g"]
    found = tagged(corpus_of, given_tags)
    assert Counter(found) == {"a": 5, "b": 4, "c": 3, "d": 3, "e": 2, OTHER: 3}
    assert Counter(tagged(corpus_of, given_tags[:-1])) == Counter(given_tags[:-1])  # six values, none of them rare


def test_numbers_with_few_values_are_values_and_with_many_are_binned(corpus_of):
    few, many = [str(2000 + n % 6) for n in range(12)], [str(n - 4) for n in range(12)]
    assert tagged(corpus_of, few) == few
    assert Counter(tagged(corpus_of, many)) == {"-4 to -2": 3, "-1 to 1": 3, "2 to 4": 3, "5 to 7": 3}


def test_questions_without_a_tag_are_a_group_of_their_own(corpus_of):
    found = tagged(corpus_of, [None, *[str(n) for n in range(8)], None])
    assert found[0] == found[-1] == NONE
    assert Counter(found)["0 to 1"] == 2


def test_the_order_is_documents_openers_and_then_tags_by_name(corpus_of):
    corpus = corpus_of(["yes"], tags={"z": ["1"], "a|b": ["2"]})
    assert slice_questions(corpus)["slice"].to_list() == ["document words", "question opener", "tag a|b", "tag z"]


def test_dashes_before_digits_are_a_word_and_not_a_number(corpus_of):
    assert len(set(tagged(corpus_of, ["--1", *[str(n) for n in range(9)]]))) <= MOST_VALUES


def test_dashes_before_digits_do_not_break_the_order_of_the_table(corpus_of):
    judged, gold = answered(corpus_of(["yes", "no"]), ["yes", "no"], [True, True])
    slices = slice_questions(corpus_of(["yes", "no"], tags={"t": ["--1", "a"]}))
    assert len(slice_table("reader", judged, gold, slices, 0.95)) == 4


# One labeler on every slice


def answered(corpus, labels, kept):
    """Answers and gold set; the gold label of a kept question is the answer."""
    ids, references = (corpus.questions[name] for name in ("question_id", "reference"))
    judged = pl.DataFrame(
        {"question_id": ids, "label": labels, "reference": references, "cluster": ids},
        schema_overrides={"label": pl.String, "reference": pl.String},
    )
    rows = [
        {
            "question_id": one,
            "votes": [],
            "label": label if keep else None,
            "kept": keep,
            "reason": "",
            "reference": None,
        }
        for one, label, keep in zip(ids, labels, kept, strict=True)
    ]
    return judged, pl.DataFrame(rows, schema=GOLD)


def test_a_slice_is_counted_by_hand(corpus_of):
    corpus = corpus_of(["yes", "no", "yes", None, "no"], tags={"t": ["x", "x", "x", "x", "y"]})
    judged, gold = answered(corpus, ["yes", "yes", None, "yes", "no"], [True, True, False, True, False])
    table = slice_table("reader", judged, gold, slice_questions(corpus), 0.95)
    assert table.schema == SLICES
    x, y = table.filter(pl.col("slice") == "tag t").iter_rows(named=True)
    # Of x four questions, three kept; three have a reference, one of these is right; two of these are kept, one right.
    assert (x["value"], x["n"], x["kept"], x["coverage"]) == ("x", 4, 3, 0.75)
    assert (x["accuracy"], x["accuracy_low"], x["accuracy_high"]) == pytest.approx(tuple(wilson(1, 3)))
    kept = (x["kept_accuracy"], x["kept_accuracy_low"], x["kept_accuracy_high"])
    assert kept == pytest.approx(tuple(wilson(1, 2)))
    assert (y["n"], y["kept"], y["accuracy"], y["kept_accuracy"], y["kept_accuracy_low"]) == (1, 0, 1.0, None, None)


def test_questions_of_a_document_widen_the_intervals_of_a_slice(corpus_of):
    corpus = corpus_of(["yes"] * 12)
    judged, gold = answered(corpus, ["yes"] * 6 + ["no"] * 6, [True] * 9 + [False] * 3)
    clusters = np.repeat(["d0", "d1", "d2", "d3"], 3)
    row = slice_table("reader", judged.with_columns(cluster=clusters), gold, slice_questions(corpus), 0.95).row(
        0, named=True
    )
    right = np.repeat([1.0, 0.0], 6)
    for name, n in (("accuracy", 12), ("kept_accuracy", 9)):
        expected = wilson_clustered(right[:n], clusters[:n].tolist(), 0.95)
        assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(tuple(expected))


def test_every_slice_counts_every_question_that_was_asked(corpus_of):
    corpus = corpus_of(["yes"] * 20, tags={"t": [str(n % 9) for n in range(20)]}, words=[n + 1 for n in range(20)])
    judged, gold = answered(corpus, ["yes"] * 20, [n % 3 > 0 for n in range(20)])
    asked = judged.filter(pl.col("question_id") < "q015")
    table = slice_table("reader", asked, gold, slice_questions(corpus), 0.95)
    sums = table.group_by("slice").agg(pl.sum("n"), pl.sum("kept"))
    assert set(sums.select("n", "kept").iter_rows()) == {(15, 10)}


def test_without_references_slices_have_a_coverage_and_no_accuracy(corpus_of):
    corpus = corpus_of([None, None])
    judged, gold = answered(corpus, ["yes", "no"], [True, False])
    table = slice_table("reader", judged, gold, slice_questions(corpus), 0.95)
    assert table["coverage"].to_list() == [0.5, 0.5]
    assert table["accuracy"].null_count() == table["kept_accuracy"].null_count() == 2


def test_numbers_stand_by_size_and_words_after_them_by_name(corpus_of):
    given_tags = ["10", "9", "-2", "z", "a", None]
    corpus = corpus_of(["yes"] * 6, tags={"t": given_tags})
    judged, gold = answered(corpus, ["yes"] * 6, [True] * 6)
    table = slice_table("reader", judged, gold, slice_questions(corpus), 0.95)
    assert table.filter(pl.col("slice") == "tag t")["value"].to_list() == ["-2", "9", "10", NONE, "a", "z"]


# Who is best where


def best(corpus, clusters=None, **flags):
    """`flags[reader][n]` says whether that reader is right on question n; all right answers are "yes"."""
    ids = corpus.questions["question_id"].to_list()
    judged = {
        reader: pl.DataFrame(
            {
                "question_id": ids[: len(right)],
                "label": ["yes" if one else None for one in right],
                "reference": ["yes"] * len(right),
                "cluster": (clusters or ids)[: len(right)],
            },
            schema=dict.fromkeys(("question_id", "label", "reference", "cluster"), pl.String),
        )
        for reader, right in flags.items()
    }
    table = best_on_slices(judged, slice_questions(corpus), 0.95)
    assert table.schema == BEST_ON_SLICE
    return table


def test_who_is_best_may_differ_from_slice_to_slice(corpus_of):
    corpus = corpus_of(["yes"] * 60, tags={"t": ["x"] * 30 + ["y"] * 30})
    good, bad = [True] * 30, [False] * 30
    table = best(corpus, a=good + bad, b=bad + good).filter(pl.col("slice") == "tag t")
    assert table.select("value", "n", "best", "accuracy", "second", "second_accuracy", "finding").rows() == [
        ("x", 30, "a", 1.0, "b", 0.0, "a is best"),
        ("y", 30, "b", 1.0, "a", 0.0, "b is best"),
    ]


def test_p_values_are_corrected_over_all_slices_and_pairs(corpus_of):
    rng = np.random.default_rng(0)
    corpus = corpus_of(["yes"] * 40, tags={"t": ["x", "y"] * 20})
    flags = {name: (rng.random(40) < share).tolist() for name, share in (("a", 0.9), ("b", 0.6), ("c", 0.3))}
    table = best(corpus, **flags)
    groups = {"document words": range(40), "question opener": range(40), "x": range(0, 40, 2), "y": range(1, 40, 2)}
    tests = {}
    for name, questions in groups.items():
        for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
            columns = [np.array([flags[reader][n] for n in questions], dtype=float) for reader in (a, b)]
            tests[name, a, b] = compare_paired(*columns, [str(n) for n in questions], 0.95).p_value
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    assert table["best"].to_list() == ["a"] * 4
    for name, row in zip(groups, table.iter_rows(named=True), strict=True):
        assert row["p_holm"] == pytest.approx(max(adjusted[name, "a", other] for other in "bc"))
        assert row["finding"] == ("a is best" if row["p_holm"] < 0.05 else "cannot tell")


def test_equal_labelers_cannot_be_told_apart_anywhere(corpus_of):
    flags = [n % 3 > 0 for n in range(20)]
    table = best(corpus_of(["yes"] * 20), a=flags, b=flags)
    assert set(table.select("p_holm", "finding").iter_rows()) == {(1.0, "cannot tell")}


def test_a_slice_of_one_question_or_of_one_document_cannot_tell(corpus_of):
    corpus = corpus_of(["yes"] * 31, tags={"t": ["x"] * 30 + ["y"]})
    table = best(corpus, a=[True] * 31, b=[False] * 31)
    assert dict(table.filter(pl.col("slice") == "tag t").select("value", "finding").iter_rows()) == {
        "x": "a is best", "y": "cannot tell",
    }  # fmt: skip
    together = best(corpus, ["d"] * 31, a=[True] * 31, b=[False] * 31)
    assert set(together["finding"]) == {"cannot tell"}


def test_only_questions_that_all_were_asked_count(corpus_of):
    table = best(corpus_of(["yes"] * 9), a=[True] * 9, b=[False] * 4)
    assert set(table["n"]) == {4}


def test_one_labeler_or_none_has_nobody_to_be_better_than(corpus_of):
    assert best(corpus_of(["yes"] * 3), a=[True] * 3).is_empty()
    assert best(corpus_of(["yes"] * 3)).is_empty()


def test_labelers_without_a_question_in_common_are_not_ranked(corpus_of):
    assert best(corpus_of(["yes"] * 3), a=[True] * 3, b=[]).is_empty()
