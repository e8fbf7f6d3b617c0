from math import log2

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from results.retrieval_metrics import DOCUMENT_SCORES, SPAN_SCORES, SpanScorer, document_scores

TEXT = "alpha beta gamma delta. epsilon zeta eta theta. iota kappa"
#       0     6    11    17     24      32   37  41     48   53   characters; 12 tokens with the two full stops
N_TOKENS = 12


def corpus(*questions, texts=None):
    texts = texts or {name: TEXT for name in ("d1", "d2", "d3", "d4")}
    documents = documents_frame(Document(name, text) for name, text in texts.items())
    return Corpus("by hand", documents, questions_frame(questions), LabelSet())


def asks(question_id, *document_ids, evidence=()):
    return Question(question_id, "?", document_ids, "yes", tuple(evidence))


def document_hits(**documents_by_question):
    rows = [(q, d, rank) for q, found in documents_by_question.items() for rank, d in enumerate(found, 1)]
    return pl.DataFrame(
        rows, schema={"question_id": pl.String, "document_id": pl.String, "rank": pl.Int32}, orient="row"
    )


def span_hits(*rows):
    schema = {"question_id": pl.String, "document_id": pl.String, "start": pl.Int64, "end": pl.Int64}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def scored(frame, question_id):
    return frame.filter(pl.col("question_id") == question_id).drop("question_id").row(0, named=True)


def span_scores(tokenizer, evidence, *shown):
    scorer = SpanScorer(corpus(asks("q", "d1", evidence=[Span(*one) for one in evidence])), tokenizer)
    return scored(scorer.scores(span_hits(*(("q", *one) for one in shown))), "q")


def test_document_scores_are_those_computed_by_hand():
    # Ranking d9, d1, d2 of which d1 and d2 are right: gains at places 2 and 3, ideally at 1 and 2.
    frame = document_scores(corpus(asks("q", "d1", "d2")), document_hits(q=["d9", "d1", "d2"]))
    assert scored(frame, "q") == pytest.approx(
        {
            "hit": 1.0,
            "recall": 2 / 2,
            "precision": 2 / 3,
            "reciprocal_rank": 1 / 2,
            "ndcg": (1 / log2(3) + 1 / log2(4)) / (1 / log2(2) + 1 / log2(3)),
        }
    )


def test_one_of_two_gold_documents_is_half_the_recall():
    frame = document_scores(corpus(asks("q", "d1", "d2")), document_hits(q=["d2", "d9"]))
    ideal = 1 + 1 / log2(3)
    expected = {"hit": 1.0, "recall": 0.5, "precision": 0.5, "reciprocal_rank": 1.0, "ndcg": 1 / ideal}
    assert scored(frame, "q") == pytest.approx(expected)


def test_several_chunks_of_a_document_count_once_in_the_order_of_the_best():
    # Documents in the order of their best chunks: d9, d1, d2.
    with_repeats = document_hits(q=["d9", "d9", "d1", "d9", "d1", "d2", "d1"])
    without = document_hits(q=["d9", "d1", "d2"])
    gold = corpus(asks("q", "d1", "d2"))
    assert scored(document_scores(gold, with_repeats), "q") == pytest.approx(
        scored(document_scores(gold, without), "q")
    )


def test_a_question_without_hits_scores_zero_and_keeps_its_row():
    gold = corpus(asks("found", "d1"), asks("nothing", "d2"), asks("wrong", "d3"))
    frame = document_scores(gold, document_hits(found=["d1"], wrong=["d9"]))
    assert frame["question_id"].to_list() == ["found", "nothing", "wrong"]
    assert scored(frame, "found") == {name: 1.0 for name in DOCUMENT_SCORES}
    assert scored(frame, "nothing") == {name: 0.0 for name in DOCUMENT_SCORES}
    assert scored(frame, "wrong") == {name: 0.0 for name in DOCUMENT_SCORES}


def test_no_hits_at_all_score_zero_throughout():
    frame = document_scores(corpus(asks("a", "d1"), asks("b", "d2")), document_hits())
    assert [sum(row[1:]) for row in frame.iter_rows()] == [0.0, 0.0]


def test_a_hit_of_another_question_does_not_count():
    gold = corpus(asks("a", "d1"), asks("b", "d2"))
    frame = document_scores(gold, document_hits(a=["d2"], b=["d1"]))
    assert frame["hit"].to_list() == [0.0, 0.0]


def test_the_order_of_the_rows_does_not_matter():
    gold = corpus(asks("q", "d1", "d2"), asks("r", "d3"))
    hits = document_hits(q=["d9", "d1", "d3", "d2"], r=["d1", "d3"])
    assert document_scores(gold, hits).equals(document_scores(gold, hits.reverse()))


documents_found = st.lists(st.sampled_from([f"d{n}" for n in range(8)]), min_size=1, max_size=15)


@settings(max_examples=40, deadline=None)
@given(found=documents_found, gold=st.sets(st.sampled_from([f"d{n}" for n in range(8)]), min_size=1, max_size=4))
def test_document_scores_follow_their_definitions_on_any_ranking(found, gold):
    got = scored(document_scores(corpus(asks("q", *sorted(gold))), document_hits(q=found)), "q")
    ranked = list(dict.fromkeys(found))
    places = [place for place, document in enumerate(ranked, 1) if document in gold]
    ideal = sum(1 / log2(place + 1) for place in range(1, len(gold) + 1))
    assert got == pytest.approx(
        {
            "hit": float(bool(places)),
            "recall": len(places) / len(gold),
            "precision": len(places) / len(ranked),
            "reciprocal_rank": 1 / places[0] if places else 0.0,
            "ndcg": sum(1 / log2(place + 1) for place in places) / ideal,
        }
    )


def test_span_scores_are_those_computed_by_hand(tiny):
    # Evidence: gamma delta . epsilon (4 tokens); shown: delta . epsilon zeta eta (5); 3 in both, 6 in either.
    scores = span_scores(tiny, [("d1", 11, 31)], ("d1", 17, 40))
    assert scores == pytest.approx({"span_recall": 3 / 4, "span_precision": 3 / 5, "span_iou": 3 / 6})


def test_evidence_that_is_shown_exactly_scores_one(tiny):
    assert span_scores(tiny, [("d1", 11, 23)], ("d1", 11, 23)) == {name: 1.0 for name in SPAN_SCORES}


def test_ranges_that_only_touch_do_not_overlap(tiny):
    before, after = ("d1", 0, 11), ("d1", 24, 40)
    assert span_scores(tiny, [("d1", 11, 23)], before, after) == {name: 0.0 for name in SPAN_SCORES}
    # Without a space between: the full stop ends where the evidence starts.
    assert span_scores(tiny, [("d1", 22, 23)], ("d1", 17, 22)) == {name: 0.0 for name in SPAN_SCORES}


def test_a_token_that_a_range_cuts_counts_whole(tiny):
    assert span_scores(tiny, [("d1", 13, 15)], ("d1", 11, 16)) == {name: 1.0 for name in SPAN_SCORES}


def test_white_space_at_the_ends_of_a_range_is_no_token(tiny):
    assert span_scores(tiny, [("d1", 10, 17)], ("d1", 11, 16)) == {name: 1.0 for name in SPAN_SCORES}


def test_tokens_shown_twice_count_once(tiny):
    once = span_scores(tiny, [("d1", 0, 10)], ("d1", 0, 23))
    twice = span_scores(tiny, [("d1", 0, 10)], ("d1", 0, 16), ("d1", 6, 23))
    assert once == twice
    assert once["span_precision"] == pytest.approx(2 / 5)


def test_several_pieces_of_evidence_are_one_set_of_tokens(tiny):
    evidence = [("d1", 0, 5), ("d2", 0, 10), ("d1", 0, 5)]  # 1 token of d1, 2 of d2
    scores = span_scores(tiny, evidence, ("d2", 0, 16))
    assert scores == pytest.approx({"span_recall": 2 / 3, "span_precision": 2 / 3, "span_iou": 2 / 4})


def test_the_same_place_in_another_document_is_not_the_evidence(tiny):
    texts = {"d1": TEXT, "d2": "other words stand here and there and everywhere"}
    scorer = SpanScorer(corpus(asks("q", "d1", evidence=[Span("d1", 0, 10)]), texts=texts), tiny)
    assert scored(scorer.scores(span_hits(("q", "d2", 0, 10))), "q") == {name: 0.0 for name in SPAN_SCORES}


def test_evidence_without_hits_scores_zero_and_a_question_without_evidence_is_not_scored(tiny):
    gold = corpus(asks("none", "d1"), asks("missed", "d1", evidence=[Span("d1", 0, 5)]))
    frame = SpanScorer(gold, tiny).scores(span_hits(("none", "d1", 0, 5)))
    assert frame.rows() == [("missed", 0.0, 0.0, 0.0)]


def test_without_any_evidence_the_frame_is_empty_and_keeps_its_schema(tiny):
    frame = SpanScorer(corpus(asks("q", "d1")), tiny).scores(span_hits(("q", "d1", 0, 5)))
    assert frame.schema == {"question_id": pl.String, **{name: pl.Float64 for name in SPAN_SCORES}}
    assert len(frame) == 0


ranges = st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 30)).map(lambda r: (r[0], min(sum(r), len(TEXT))))


@settings(max_examples=60, deadline=None)
@given(evidence=st.lists(ranges, min_size=1, max_size=3), shown=st.lists(ranges, max_size=4))
def test_span_scores_equal_counting_tokens_one_by_one(tiny, evidence, shown):
    spans = tiny.spans(TEXT)

    def tokens(pieces):
        places = list(zip(spans.starts, spans.ends, strict=True))
        return {n for n, (a, b) in enumerate(places) if any(a < end and start < b for start, end in pieces)}

    wanted, got = tokens(evidence), tokens(shown)
    both = len(wanted & got)
    assert len(spans.starts) == N_TOKENS
    assert span_scores(tiny, [("d1", *one) for one in evidence], *(("d1", *one) for one in shown)) == pytest.approx(
        {
            "span_recall": both / len(wanted) if wanted else 0.0,
            "span_precision": both / len(got) if got else 0.0,
            "span_iou": both / len(wanted | got) if wanted | got else 0.0,
        }
    )


@pytest.mark.model
def test_spans_are_counted_in_the_real_embedders_word_pieces(minilm):
    text = "Antidisestablishmentarianism won."
    pieces = minilm.count("Antidisestablishmentarianism")
    assert pieces > 2
    gold = corpus(asks("q", "d1", evidence=[Span("d1", 0, 28)]), texts={"d1": text})
    scores = scored(SpanScorer(gold, minilm).scores(span_hits(("q", "d1", 0, len(text)))), "q")
    assert scores["span_precision"] == pytest.approx(pieces / (pieces + 2))
