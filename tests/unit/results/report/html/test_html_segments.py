from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from results.advice.examples import Stretch, choose_stretches
from results.report.html.example_view import split_segments, view_document

PLACES = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair) + 1))


@given(st.integers(0, 20), st.integers(0, 40), st.lists(PLACES, max_size=4), st.lists(PLACES, max_size=5))
def test_every_character_carries_what_covers_it(start, length, evidence, chunks):
    text = "".join(chr(0x4E00 + start + at) for at in range(length))
    spans = [{"start": a, "end": b} for a, b in evidence]
    ranked = [{"start": a, "end": b, "rank": rank} for rank, (a, b) in enumerate(chunks, 1)]
    segments = split_segments(text, start, spans, ranked)
    assert "".join(segment.text for segment in segments) == text
    at = start
    for segment in segments:
        assert segment.text
        for place in range(at, at + len(segment.text)):
            assert segment.is_evidence == any(a <= place < b for a, b in evidence)
            assert segment.ranks == tuple(r for r, (a, b) in enumerate(chunks, 1) if a <= place < b)
        at += len(segment.text)
    opened = [rank for segment in segments for rank in segment.opens]
    assert sorted(opened) == [r for r, (a, b) in enumerate(chunks, 1) if start <= a < start + length]
    closed = [rank for segment in segments for rank in segment.closes]
    assert sorted(closed) == [r for r, (a, b) in enumerate(chunks, 1) if start < b <= start + length]


def test_overlapping_chunks_open_and_close_where_they_do():
    chunks = [{"rank": 1, "start": 0, "end": 4}, {"rank": 2, "start": 2, "end": 6}]
    segments = split_segments("abcdefgh", 0, [{"start": 3, "end": 5}], chunks)
    assert [(one.text, one.is_evidence, one.ranks, one.opens, one.closes) for one in segments] == [
        ("ab", False, (1,), (1,), ()),
        ("c", False, (1, 2), (2,), ()),
        ("d", True, (1, 2), (), (1,)),
        ("e", True, (2,), (), ()),
        ("f", False, (2,), (), (2,)),
        ("gh", False, (), (), ()),
    ]


def test_what_is_left_out_is_counted():
    document = {
        "document_id": "d", "is_gold": True, "length": 100, "evidence": [],
        "pieces": [{"start": 10, "end": 20, "text": "x" * 10}, {"start": 50, "end": 60, "text": "y" * 10}],
        "chunks": [
            {"rank": 1, "start": 15, "end": 55, "score": 0.5}, {"rank": 2, "start": 12, "end": 14, "score": 0.25}
        ],
    }  # fmt: skip
    shown = view_document(document)
    assert [piece.skipped for piece in shown.pieces] == [10, 30]
    assert shown.rest == 40
    assert shown.chunks == [
        (1, "characters 15 to 55, score 0.500", "10 of its 40 characters are shown"),
        (2, "characters 12 to 14, score 0.250", ""),
    ]


@given(
    st.integers(1, 30_000),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8),
    st.integers(0, 12_000),
    st.booleans(),
)
def test_stretches_are_in_order_apart_and_within_the_budget(length, matters, budget, whole):
    spans = [Stretch(int(min(pair) * length), int(max(pair) * length)) for pair in matters]
    shown = choose_stretches(length, spans, budget, whole=whole)
    assert sum(end - start for start, end in shown) <= budget
    assert all(0 <= start <= end <= length for start, end in shown)
    assert all(one.end < other.start for one, other in pairwise(shown))


def test_a_short_document_is_shown_whole_and_of_a_long_one_what_matters():
    assert choose_stretches(500, [Stretch(10, 20)], 1000, whole=True) == [Stretch(0, 500)]
    assert choose_stretches(500, [Stretch(10, 20)], 400, whole=True) == [Stretch(0, 260)]
    assert choose_stretches(20_000, [Stretch(5000, 5100), Stretch(9000, 9100)], 5000, whole=True) == [
        Stretch(4760, 5340),
        Stretch(8760, 9340),
    ]
    # What comes first is shown first; where the text around it no longer fits, it is shown alone.
    assert choose_stretches(20_000, [Stretch(5000, 5100), Stretch(9000, 9100)], 700, whole=True) == [
        Stretch(4760, 5340),
        Stretch(9000, 9100),
    ]


def test_of_a_stretch_that_is_too_long_both_ends_are_shown():
    shown = choose_stretches(50_000, [Stretch(10_000, 30_000)], 12_000, whole=True)
    assert shown == [Stretch(9760, 10_840), Stretch(29_160, 30_240)]
