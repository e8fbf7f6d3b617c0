from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from retrieval.context import CHUNK_BREAK
from retrieval.random_context import RandomContexts

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def documents(*n_tokens):
    """Documents d0, d1, ... of so many words, each beginning with its own number."""
    return {f"d{at}": " ".join([NUMBERS[at % 10]] + ["cat"] * (n - 1)) if n else "" for at, n in enumerate(n_tokens)}


def cut(tiny, texts, gold=("d0",), lengths=(5,), question="q", seed=0):
    return RandomContexts(texts, tiny, seed).cut(question, gold, lengths)


def test_texts_have_exactly_as_many_tokens_as_asked_for(tiny):
    texts = cut(tiny, documents(9, 4, 6, 5, 3), lengths=[1, 4, 7, 10, 18])
    assert [tiny.count(text) for text in texts] == [1, 4, 7, 10, 18]


def test_a_text_is_cut_behind_its_last_token_and_documents_are_parted_as_chunks_are(tiny):
    assert cut(tiny, {"d0": "own", "d1": "one two, three"}, lengths=[1, 2, 3]) == ["one", "one two", "one two,"]
    assert cut(tiny, {"d0": "own", "d1": " The cat.\n"}, lengths=[3, 99]) == [" The cat.\n", " The cat.\n"]
    (both,) = cut(tiny, {"d1": "the mat", "d2": "the mat"}, lengths=[3])
    assert both == f"the mat{CHUNK_BREAK}the"


words = st.lists(st.sampled_from([*NUMBERS, "nations", "internation", "Cat,", "(dog)", "한나", "é", "\n"]), max_size=12)
corpora = st.lists(words.map(" ".join), min_size=1, max_size=6).map(
    lambda texts: {f"d{at}": text for at, text in enumerate(texts)}
)


@settings(max_examples=150, deadline=None)
@given(corpora, st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(0, 3), st.text(max_size=3))
def test_shorter_texts_begin_longer_ones_and_none_is_longer_than_asked(tiny, texts, lengths, seed, question):
    found = cut(tiny, texts, lengths=lengths, question=question, seed=seed)
    ordered = [text for _, text in sorted(zip(lengths, found, strict=True))]
    for shorter, longer in pairwise(ordered):
        assert longer.startswith(shorter)
    n_others = sum(tiny.count(text) for text in texts.values() if text != texts["d0"])
    for length, text in zip(lengths, found, strict=True):
        # A syllable of several tokens is shown whole or not at all.
        assert min(length, n_others) - 2 <= tiny.count(text) <= length
        assert found == cut(tiny, texts, lengths=lengths, question=question, seed=seed)
        assert [text] == cut(tiny, texts, lengths=[length], question=question, seed=seed)


def test_a_character_of_several_tokens_is_not_cut_nor_counted_as_one(tiny):
    texts = {"d0": "own", "d1": "cat 한 dog"}
    n_tokens = tiny.count("한")
    assert n_tokens == 3
    found = cut(tiny, texts, lengths=[1, 2, 3, 4, 5])
    assert found == ["cat", "cat", "cat", "cat 한", "cat 한 dog"]


def test_no_text_of_a_gold_document_is_ever_shown(tiny):
    texts = documents(4, 4, 4, 4)
    for number in range(40):
        gold = ("d1", "d3")
        (text,) = cut(tiny, texts, gold, [99], question=f"q{number}")
        assert sorted(text.split(CHUNK_BREAK)) == sorted([texts["d0"], texts["d2"]])


def test_a_copy_of_the_gold_document_is_not_shown_either(tiny):
    texts = {"d0": "one two", "copy": "one two", "d1": "three four"}
    assert {cut(tiny, texts, lengths=[9], question=f"q{n}")[0] for n in range(20)} == {"three four"}


def test_a_document_without_tokens_leaves_no_gap(tiny):
    texts = {"d0": "own", "d1": "", "d2": " \n", "d3": "three four"}
    assert {cut(tiny, texts, lengths=[9], question=f"q{n}")[0] for n in range(20)} == {"three four"}


def test_where_all_others_are_shorter_the_text_is_all_of_them(tiny):
    texts = documents(9, 2, 3)
    short, all_of_them = cut(tiny, texts, lengths=[4, 50])
    assert tiny.count(short) == 4
    assert sorted(all_of_them.split(CHUNK_BREAK)) == sorted([texts["d1"], texts["d2"]])


@pytest.mark.parametrize(("texts", "gold"), [(documents(9), ("d0",)), (documents(9, 9), ("d1", "d0", "d0")), ({}, ())])
def test_without_another_document_there_is_nothing_to_show(tiny, texts, gold):
    assert cut(tiny, texts, gold, [3, 0, 9]) == ["", "", ""]


def test_a_gold_document_that_is_not_in_the_corpus_takes_nobodys_place(tiny):
    (text,) = cut(tiny, documents(3, 3), ("elsewhere", "d0"), [9])
    assert text == documents(3, 3)["d1"]


def test_no_length_is_no_text(tiny):
    assert cut(tiny, documents(3, 3), lengths=[]) == []
    assert cut(tiny, documents(3, 3), lengths=[0]) == [""]


def test_the_draw_depends_on_seed_and_question_and_on_nothing_else(tiny):
    texts = documents(*[3] * 40)
    once = cut(tiny, texts, lengths=[30])
    assert cut(tiny, dict(reversed(texts.items())), lengths=[30]) == once
    assert cut(tiny, texts, lengths=[30], question="other") != once
    assert cut(tiny, texts, lengths=[30], seed=1) != once
    source = RandomContexts(texts, tiny, 0)
    assert source.cut("other", ["d0"], [30]) != source.cut("q", ["d0"], [30]) == once  # no state is carried over


def test_seed_and_question_are_not_run_together(tiny):
    texts = documents(*[3] * 40)
    assert cut(tiny, texts, lengths=[60], question="1q", seed=1) != cut(
        tiny, texts, lengths=[60], question="q", seed=11
    )


def test_every_other_document_is_drawn_first_about_as_often(tiny):
    texts = documents(*[2] * 10)
    source = RandomContexts(texts, tiny, 0)
    firsts = Counter(source.cut(f"q{n}", ["d3"], [1])[0] for n in range(900))
    assert "four" not in firsts  # the gold document's own
    assert len(firsts) == 9
    assert chisquare(list(firsts.values())).pvalue > 0.001


def test_documents_follow_each_other_in_any_order(tiny):
    texts = documents(1, 1, 1, 1)
    source = RandomContexts(texts, tiny, 0)
    orders = Counter(source.cut(f"q{n}", ["d0"], [3])[0] for n in range(600))
    assert len(orders) == 6
    assert chisquare(list(orders.values())).pvalue > 0.001
