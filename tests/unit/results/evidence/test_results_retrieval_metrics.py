from math import log2

import ir_measures
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.schema import Corpus, Document, LabelSet, Question, documents_frame, questions_frame
from results.evidence.retrieval_metrics import DOCUMENT_SCORES, DocumentScorer, document_scores


def corpus(*questions, texts=None):
    documents = documents_frame(Document(name, text) for name, text in (texts or {}).items())
    return Corpus("by hand", documents, questions_frame(questions), LabelSet())


def asks(question_id, *document_ids):
    return Question(question_id, "?", document_ids, "yes")


def document_hits(**documents_by_question):
    rows = [(q, d, rank) for q, found in documents_by_question.items() for rank, d in enumerate(found, 1)]
    return pl.DataFrame(
        rows, schema={"question_id": pl.String, "document_id": pl.String, "rank": pl.Int32}, orient="row"
    )


def scored(frame, question_id):
    return frame.filter(pl.col("question_id") == question_id).drop("question_id").row(0, named=True)


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


several = st.dictionaries(st.sampled_from("abcd"), documents_found, max_size=4)
golds = st.dictionaries(
    st.sampled_from("abcd"), st.sets(st.sampled_from([f"d{n}" for n in range(8)]), min_size=1), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(found=several, gold=golds, random=st.randoms(use_true_random=False))
def test_document_scores_equal_ir_measures_with_cutoffs_on_its_own_records(found, gold, random):
    # Other measures of the same meaning (RR@ has an implementation of its own there), from records instead of frames.
    measures = {
        "hit": ir_measures.Success @ 999,
        "recall": ir_measures.R @ 999,
        "precision": ir_measures.SetP,
        "reciprocal_rank": ir_measures.RR @ 999,
        "ndcg": ir_measures.nDCG @ 999,
    }
    qrels = [ir_measures.Qrel(q, d, 1) for q, ids in gold.items() for d in ids]
    run = [ir_measures.ScoredDoc(q, d, 1 / (1 + ids.index(d))) for q, ids in found.items() for d in set(ids)]
    expected = {(one.query_id, one.measure): one.value for one in ir_measures.iter_calc(measures.values(), qrels, run)}
    hits = document_hits(**found).sample(fraction=1, shuffle=True, seed=random.randrange(999))
    got = document_scores(corpus(*(asks(q, *sorted(ids)) for q, ids in gold.items())), hits)
    for row in got.iter_rows(named=True):
        for name, measure in measures.items():
            assert row[name] == pytest.approx(expected[row["question_id"], measure]), name


def test_one_scorer_scores_any_number_of_cuts_as_new_ones_do():
    gold = corpus(asks("q", "d1", "d2"), asks("r", "d3"))
    cuts = [document_hits(q=["d9", "d1"], r=["d3"]), document_hits(), document_hits(q=["d2"], r=["d1", "d3"])]
    scorer = DocumentScorer(gold)
    assert all(scorer.scores(cut).equals(document_scores(gold, cut)) for cut in cuts)


COPIED = {"d1": "the same", "d2": "the same", "d3": "another", "d4": "a third", "d5": "a third", "d6": "the same"}


def test_a_copy_of_the_gold_document_counts_as_found():
    frame = document_scores(corpus(asks("q", "d2"), texts=COPIED), document_hits(q=["d3", "d6"]))
    expected = {"hit": 1.0, "recall": 1.0, "precision": 1 / 2, "reciprocal_rank": 1 / 2, "ndcg": 1 / log2(3)}
    assert scored(frame, "q") == pytest.approx(expected)


def test_copies_count_once_at_the_best_rank_whether_right_or_wrong():
    # The same, a third, the same, a third, another: three documents, of which the first is right.
    frame = document_scores(corpus(asks("q", "d6"), texts=COPIED), document_hits(q=["d2", "d4", "d1", "d5", "d3"]))
    expected = {"hit": 1.0, "recall": 1.0, "precision": 1 / 3, "reciprocal_rank": 1.0, "ndcg": 1.0}
    assert scored(frame, "q") == pytest.approx(expected)


def test_gold_documents_of_one_text_are_one_to_be_found():
    frame = document_scores(corpus(asks("q", "d1", "d6", "d3"), texts=COPIED), document_hits(q=["d2"]))
    ideal = 1 + 1 / log2(3)
    expected = {"hit": 1.0, "recall": 1 / 2, "precision": 1.0, "reciprocal_rank": 1.0, "ndcg": 1 / ideal}
    assert scored(frame, "q") == pytest.approx(expected)


def test_a_text_that_differs_in_one_character_is_another_document():
    texts = {"d1": "the same", "d2": "the same "}
    frame = document_scores(corpus(asks("q", "d1"), texts=texts), document_hits(q=["d2"]))
    assert scored(frame, "q") == {name: 0.0 for name in DOCUMENT_SCORES}
