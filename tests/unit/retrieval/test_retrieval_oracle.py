from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.oracle import GoldChunk, order_chunks


def chunks(*places, document="d"):
    """Chunks named a, b, c, ... from (start, end, score)."""
    return [GoldChunk(chr(ord("a") + at), document, *place) for at, place in enumerate(places)]


def order(chunks, evidence=(), depth=99):
    return "".join(chunk.chunk_id for chunk in order_chunks(chunks, evidence, depth))


def test_the_chunk_that_shows_the_evidence_comes_first_then_the_most_similar():
    places = (0, 10, 0.9), (10, 20, 0.1), (20, 30, 0.5), (30, 40, 0.7)
    assert order(chunks(*places), [("d", 12, 18)]) == "badc"


def test_without_evidence_the_most_similar_come_first():
    assert order(chunks((0, 10, 0.2), (10, 20, 0.9), (20, 30, 0.5))) == "bca"


def test_of_two_chunks_that_share_the_evidence_the_one_with_more_of_it_comes_first():
    # Six of ten characters lie in b, four in c, though c is more similar.
    places = (0, 10, 0.9), (10, 20, 0.1), (20, 30, 0.8)
    assert order(chunks(*places), [("d", 14, 24)]) == "bca"


def test_what_is_shown_already_counts_no_more():
    # Of fifteen characters a shows nine, which are nine tenths of it, b ten, c five. Then one is left for b, and c's.
    places = (0, 10, 0.9), (0, 20, 0.1), (30, 50, 0.2)
    assert order(chunks(*places), [("d", 1, 11), ("d", 40, 45)]) == "acb"
    # b shows all there is, so that nothing is left for a: similarity puts it before c, which shows nothing either.
    assert order(chunks((0, 10, 0.3), (0, 20, 0.1), (30, 50, 0.2)), [("d", 4, 14)]) == "bac"


def test_among_chunks_that_are_all_evidence_the_most_similar_comes_first():
    # The evidence is longer than any chunk; the last chunk holds half as much of it.
    places = (0, 10, 0.1), (10, 20, 0.9), (20, 30, 0.5), (30, 40, 0.8), (40, 50, 0.99)
    assert order(chunks(*places), [("d", 0, 35)]) == "bcade"


def test_a_share_within_the_same_tenth_counts_as_equal():
    # All of b is evidence and 96 of 100 characters of a: told apart by similarity alone.
    assert order(chunks((0, 100, 0.9), (100, 200, 0.1)), [("d", 4, 300)]) == "ab"
    # 90 of 100 are not.
    assert order(chunks((0, 100, 0.9), (100, 200, 0.1)), [("d", 10, 300)]) == "ba"


def test_the_least_evidence_is_more_than_none():
    # One of 1,000 characters is less than a tenth of a tenth, and still comes before what is only similar.
    assert order(chunks((0, 1000, 0.99), (1000, 2000, 0.1)), [("d", 1999, 2600)]) == "ba"


def test_ties_go_by_chunk_id():
    places = (0, 10, 0.5), (10, 20, 0.5), (20, 30, 0.5)
    assert order(chunks(*places)[::-1]) == "abc"
    assert order(chunks(*places)[::-1], [("d", 10, 30)]) == "bca"


def test_no_more_than_the_depth_are_given():
    places = (0, 10, 0.1), (10, 20, 0.2), (20, 30, 0.3)
    assert order(chunks(*places), [("d", 0, 5)], depth=2) == "ac"
    assert order(chunks(*places), [("d", 0, 25)], depth=1) == "b"
    assert order(chunks(*places), [("d", 0, 5)], depth=0) == ""


def test_no_chunks_are_no_order():
    assert order_chunks([], [("d", 0, 5)], 3) == []


def test_evidence_in_another_document_is_not_taken_for_the_same_place_here():
    two = [GoldChunk("a", "one", 0, 10, 0.9), GoldChunk("b", "other", 0, 10, 0.1)]
    assert order(two, [("other", 2, 8)]) == "ba"
    assert order(two, [("third", 2, 8)]) == "ab"


def test_evidence_in_two_documents_is_gone_through_by_its_share():
    # Ten characters in all: seven in the first document, three in the second.
    two = [GoldChunk("a", "one", 0, 20, 0.1), GoldChunk("b", "other", 0, 20, 0.9), GoldChunk("c", "one", 20, 40, 1.0)]
    assert order(two, [("one", 0, 7), ("other", 0, 3)]) == "abc"


def test_spans_that_overlap_count_once():
    # Of eleven characters five lie in b, though three spans name them twelve times, and six in c.
    places = (0, 10, 0.9), (10, 20, 0.5), (20, 30, 0.1)
    assert order(chunks(*places), [("d", 10, 15), ("d", 10, 15), ("d", 12, 14), ("d", 20, 26)]) == "cba"


spans = st.tuples(st.sampled_from(["one", "other"]), st.integers(0, 60), st.integers(0, 30))
some_chunks = st.lists(st.tuples(spans, st.sampled_from([0.1, 0.5, 0.9])), max_size=12).map(
    lambda rows: [
        GoldChunk(f"c{at:02d}", document, start, start + 1 + length, score)
        for at, ((document, start, length), score) in enumerate(rows)
    ]
)
some_evidence = st.lists(spans, max_size=4).map(
    lambda rows: [(one, start, start + length) for one, start, length in rows]
)


def places(chunk):
    return {(chunk.document_id, at) for at in range(chunk.start, chunk.end)}


@settings(max_examples=200, deadline=None)
@given(some_chunks, some_evidence, st.integers(0, 14))
def test_every_order_is_the_head_of_a_permutation_that_shows_all_evidence_there_is_first(chunks, evidence, depth):
    ordered = order_chunks(chunks, evidence, len(chunks))
    assert sorted(ordered) == sorted(chunks)
    assert order_chunks(chunks, evidence, depth) == ordered[:depth]
    assert order_chunks(chunks[::-1], evidence[::-1], depth) == ordered[:depth]
    hidden = {(one, at) for one, start, end in evidence for at in range(start, end)}
    coverable = hidden & set().union(*map(places, chunks))
    n_first = 0
    while coverable:  # every chunk adds to what is shown until all that can be shown is
        assert coverable & places(ordered[n_first])
        coverable -= places(ordered[n_first])
        n_first += 1
    rest = ordered[n_first:]
    assert rest == sorted(rest, key=lambda chunk: (-chunk.score, chunk.chunk_id))


def share_of(hidden, shown):
    return len(hidden & shown) / min(len(hidden), len(shown)) if hidden else 0.0


@settings(max_examples=200, deadline=None)
@given(some_chunks, some_evidence)
def test_each_chunk_shows_as_large_a_share_of_what_is_hidden_as_any_other_left_could(chunks, evidence):
    """The same greedy choice on sets of characters, one step at a time."""
    hidden = {(one, at) for one, start, end in evidence for at in range(start, end)}
    left = list(chunks)
    for chosen in order_chunks(chunks, evidence, len(chunks)):
        shares = {
            one.chunk_id: len(hidden & places(one)) / min(len(hidden), len(places(one))) if hidden else 0.0
            for one in left
        }
        assert shares[chosen.chunk_id] >= max(shares.values()) - 0.1  # told apart in tenths
        if max(shares.values()) > 0:
            assert shares[chosen.chunk_id] > 0
        hidden -= places(chosen)
        left.remove(chosen)
