import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.schema import Corpus, Document, LabelSet, documents_frame, questions_frame
from results.evidence.span_metrics import first_of_same_text, occurrences
from results.evidence.token_axis import Intervals, TokenAxis, count_shared, union

pairs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda one: (one[0], sum(one))), max_size=8)


def intervals(several):
    starts, ends = np.array(several, np.int64).reshape(-1, 2).T
    return Intervals(starts, ends)


def members(several):
    return {number for start, end in several for number in range(start, end)}


@given(pairs, pairs)
def test_a_union_has_the_same_integers_in_disjoint_ascending_intervals(a, b):
    joined = union(intervals(a), intervals(b))
    assert members(zip(*joined, strict=True)) == members(a) | members(b)
    assert (joined.starts < joined.ends).all()
    assert (joined.starts[1:] >= joined.ends[:-1]).all()


@given(pairs, pairs)
def test_shared_integers_are_those_counted_one_by_one(a, within):
    counts = count_shared(intervals(a), union(intervals(within)))
    assert counts.tolist() == [len(members([one]) & members(within)) for one in a]


def axis(texts, tokenizer, same):
    documents = documents_frame(Document(name, text) for name, text in texts.items())
    return TokenAxis(Corpus("c", documents, questions_frame([]), LabelSet()), tokenizer, same)


def test_documents_stand_behind_each_other_and_keep_their_places(tiny):
    line = axis({"a": "one two", "b": "three four five"}, tiny, {})
    line.add(["b"])
    before = dict(line.offsets)
    line.add(["a", "b", "a"])
    assert line.offsets == before | {"a": 16}
    assert line.tokens.starts.tolist() == [0, 6, 11, 16, 20]
    # The last two characters of b, and the first of a.
    found = line.locate(Intervals(np.array([13, 16, 15]), np.array([15, 17, 16])))
    assert list(zip(*found, strict=True)) == [(2, 3), (3, 4), (3, 3)]


def test_a_document_of_the_same_text_is_laid_out_once(tiny):
    line = axis({"a": "one two", "b": "one two"}, tiny, {"b": "a"})
    line.add(["b", "a"])
    assert line.offsets == {"a": 0, "b": 0}
    assert len(line.tokens.starts) == 2


def test_a_document_that_the_corpus_lacks_is_refused(tiny):
    with pytest.raises(KeyError, match="nowhere"):
        axis({"a": "one"}, tiny, {}).add(["nowhere"])


def test_the_first_document_of_a_text_stands_for_the_later_ones():
    documents = documents_frame(Document(*one) for one in [("x", "1"), ("a", "2"), ("b", "1"), ("c", "1"), ("d", "3")])
    assert first_of_same_text(documents) == {"b": "x", "c": "x"}


def test_occurrences_may_overlap():
    assert list(occurrences("aba", "ababa aba")) == [0, 2, 6]
    assert list(occurrences("c", "ababa")) == []
