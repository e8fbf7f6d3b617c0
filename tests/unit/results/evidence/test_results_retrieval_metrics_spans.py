"""Scores on evidence spans where no passage stands twice; copies have tests of their own."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score, precision_recall_fscore_support

from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from results.evidence.retrieval_metrics import SPAN_SCORES, SpanScorer

TEXT = "alpha beta gamma delta. epsilon zeta eta theta. iota kappa"
#       0     6    11    17     24      32   37  41     48   53   characters; 12 tokens with the two full stops
N_TOKENS = 12
OTHER = "lambda mu, nu xi; omicron pi rho"
#        0      7   11 14  18      26 29  9 tokens


def corpus(*questions, texts=None):
    texts = texts or {"d1": TEXT, "d2": OTHER}
    documents = documents_frame(Document(name, text) for name, text in texts.items())
    return Corpus("by hand", documents, questions_frame(questions), LabelSet())


def asks(question_id, *document_ids, evidence=()):
    return Question(question_id, "?", document_ids, "yes", tuple(evidence))


def span_hits(*rows):
    schema = {"question_id": pl.String, "document_id": pl.String, "start": pl.Int64, "end": pl.Int64}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def scored(frame, question_id):
    return frame.filter(pl.col("question_id") == question_id).drop("question_id").row(0, named=True)


def span_scores(tokenizer, evidence, *shown):
    scorer = SpanScorer(corpus(asks("q", "d1", evidence=[Span(*one) for one in evidence])), tokenizer)
    return scored(scorer.scores(span_hits(*(("q", *one) for one in shown))), "q")


def test_span_scores_are_those_computed_by_hand(tiny):
    # Evidence: gamma delta . epsilon (4 tokens); shown: delta . epsilon zeta eta (5); 3 in both, 6 in either.
    scores = span_scores(tiny, [("d1", 11, 31)], ("d1", 17, 40))
    assert scores == pytest.approx({"span_recall": 3 / 4, "span_precision": 3 / 5, "span_f1": 6 / 9, "span_iou": 3 / 6})


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
    evidence = [("d1", 0, 5), ("d2", 0, 9), ("d1", 0, 5)]  # 1 token of d1, 2 of d2
    scores = span_scores(tiny, evidence, ("d2", 0, 10))  # 3 tokens
    assert scores == pytest.approx({"span_recall": 2 / 3, "span_precision": 2 / 3, "span_f1": 2 / 3, "span_iou": 2 / 4})


def test_the_same_place_in_another_document_is_not_the_evidence(tiny):
    texts = {"d1": TEXT, "d2": "other words stand here and there and everywhere"}
    scorer = SpanScorer(corpus(asks("q", "d1", evidence=[Span("d1", 0, 10)]), texts=texts), tiny)
    assert scored(scorer.scores(span_hits(("q", "d2", 0, 10))), "q") == {name: 0.0 for name in SPAN_SCORES}


def test_evidence_without_hits_scores_zero_and_a_question_without_evidence_is_not_scored(tiny):
    gold = corpus(asks("none", "d1"), asks("missed", "d1", evidence=[Span("d1", 0, 5)]))
    frame = SpanScorer(gold, tiny).scores(span_hits(("none", "d1", 0, 5)))
    assert frame.rows() == [("missed", 0.0, 0.0, 0.0, 0.0)]


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
            "span_f1": 2 * both / (len(wanted) + len(got)) if wanted or got else 0.0,
            "span_iou": both / len(wanted | got) if wanted | got else 0.0,
        }
    )


places = st.one_of(
    ranges.map(lambda one: ("d1", *one)), ranges.filter(lambda one: one[1] <= len(OTHER)).map(lambda one: ("d2", *one))
)
both_texts = st.lists(st.lists(places, max_size=4), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(evidence=both_texts, shown=both_texts)
def test_span_scores_equal_those_of_scikit_learn_with_tokens_as_binary_labels(tiny, evidence, shown):
    layout = [(d, *span) for d, t in (("d1", TEXT), ("d2", OTHER)) for span in zip(*tiny.spans(t)[:2], strict=True)]

    def labels(pieces):
        return np.array([any(d == on and a < end and s < b for on, s, end in pieces) for d, a, b in layout])

    questions = [asks(f"q{n}", "d1", evidence=[Span(*one) for one in some]) for n, some in enumerate(evidence)]
    hits = span_hits(*((f"q{n}", *one) for n, some in enumerate(shown) for one in some))
    frame = SpanScorer(corpus(*questions), tiny).scores(hits)
    assert frame["question_id"].to_list() == [q.id for q in questions if q.evidence]
    for question_id, *values in frame.iter_rows():
        number = int(question_id[1:])
        wanted, got = labels(evidence[number]), labels(shown[number] if number < len(shown) else [])
        precision, recall, f1, _ = precision_recall_fscore_support(wanted, got, average="binary", zero_division=0)
        iou = jaccard_score(wanted, got, zero_division=0)
        assert values == pytest.approx([recall, precision, f1, iou])


def test_one_scorer_scores_any_number_of_cuts_as_new_ones_do(tiny):
    gold = corpus(asks("q", "d1", evidence=[Span("d1", 11, 31)]), asks("r", "d2", evidence=[Span("d2", 0, 16)]))
    cuts = [
        span_hits(("q", "d1", 0, 16), ("r", "d1", 0, 16)),
        span_hits(),
        span_hits(("q", "d2", 0, 9), ("r", "d2", 7, 16), ("q", "d1", 17, 40)),
    ]
    scorer = SpanScorer(gold, tiny)
    for cut in cuts:
        assert scorer.scores(cut).equals(SpanScorer(gold, tiny).scores(cut))


@pytest.mark.model
def test_spans_are_counted_in_the_real_embedders_word_pieces(minilm):
    text = "Antidisestablishmentarianism won."
    pieces = minilm.count("Antidisestablishmentarianism")
    assert pieces > 2
    gold = corpus(asks("q", "d1", evidence=[Span("d1", 0, 28)]), texts={"d1": text})
    scores = scored(SpanScorer(gold, minilm).scores(span_hits(("q", "d1", 0, len(text)))), "q")
    assert scores["span_precision"] == pytest.approx(pieces / (pieces + 2))
