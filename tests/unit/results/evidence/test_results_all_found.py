"""All passages of a question beside any of them."""

import polars as pl
import pytest

from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from results.config import ScoringConfig
from results.evidence.retrieval_metrics import score_retrieval
from results.sweep.retrieval_means import BY_PASSAGES, mean_retrieval, retrieval_by_passages
from retrieval.context import Cut

TEXT = "alpha beta gamma delta. epsilon zeta eta theta. iota kappa"
#       0     6    11    17     24      32   37  41     48   53   characters
OTHER = "lambda mu, nu xi; omicron pi rho"
WHERE = {"splitter": "tokens", "size": 8, "overlap": 0, "embedder": "e", "retriever": "dense"}


def corpus(*questions):
    texts = {"d1": TEXT, "d2": OTHER, "copy": OTHER}
    documents = documents_frame(Document(name, text) for name, text in texts.items())
    return Corpus("by hand", documents, questions_frame(questions), LabelSet())


def asks(question_id, *document_ids, evidence=()):
    return Question(question_id, "?", document_ids, "yes", tuple(Span(*one) for one in evidence))


def hits(*shown):
    rows = [
        WHERE | {"question_id": q, "document_id": d, "start": start, "end": end, "rank": rank, "n_tokens": 1}
        for rank, (q, d, start, end) in enumerate(shown, 1)
    ]
    return pl.DataFrame(rows)


def found(of, tokenizer, *shown):
    scores = score_retrieval(of, [hits(*shown)], [Cut("k", 9)], tokenizer)
    return {row[0]: row[1:] for row in scores.select("question_id", "n_passages", "any_found", "all_found").rows()}


ALPHA, EPSILON, IOTA = ("d1", 0, 5), ("d1", 24, 31), ("d1", 48, 52)


@pytest.mark.parametrize(
    ("evidence", "shown", "expected"),
    [
        ([ALPHA, IOTA], [ALPHA, IOTA], (2, 1, 1)),
        ([ALPHA, IOTA], [ALPHA], (2, 1, 0)),
        ([ALPHA, IOTA], [EPSILON], (2, 0, 0)),
        ([ALPHA, EPSILON, IOTA], [ALPHA, IOTA], (3, 1, 0)),
        ([ALPHA], [ALPHA], (1, 1, 1)),
        # A part of a passage is not the passage: gamma of beta gamma.
        ([("d1", 6, 16)], [("d1", 11, 16)], (1, 0, 0)),
        # What overlaps is one passage: beta gamma and gamma delta.
        ([("d1", 6, 16), ("d1", 11, 22)], [("d1", 6, 22)], (1, 1, 1)),
        # What only touches is two: alpha, and beta right behind it; also at the end of d1 and the start of d2.
        ([ALPHA, ("d1", 6, 10)], [ALPHA], (2, 1, 0)),
        ([("d1", 53, 58), ("d2", 0, 6)], [("d1", 53, 58)], (2, 1, 0)),
    ],
)
def test_a_passage_counts_when_it_is_found_whole(tiny, evidence, shown, expected):
    of = corpus(asks("q", "d1", "d2", evidence=evidence))
    assert found(of, tiny, *(("q", *one) for one in shown))["q"] == expected


def test_without_evidence_the_gold_documents_are_needed_and_a_copy_of_one_is_the_same(tiny):
    of = corpus(asks("both", "d1", "d2"), asks("copies", "d2", "copy"), asks("lost", "d1"))
    shown = [("both", *ALPHA), ("both", "copy", 0, 6), ("copies", "d2", 0, 6)]
    assert found(of, tiny, *shown) == {"both": (2, 1, 1), "copies": (1, 1, 1), "lost": (1, 0, 0)}
    assert found(of, tiny, *shown[:1])["both"] == (2, 1, 0)


def test_the_table_has_a_row_for_each_number_of_passages_that_occurs(tiny):
    of = corpus(
        asks("a", "d1", evidence=[ALPHA]), asks("b", "d1", "d2"), asks("c", "d1", evidence=[ALPHA, EPSILON, IOTA]),
        asks("d", "d1", evidence=[ALPHA, EPSILON, IOTA, ("d1", 53, 58)]),
    )  # fmt: skip
    shown = [("a", *ALPHA), ("b", *ALPHA), ("c", *ALPHA), ("c", *EPSILON), ("c", *IOTA), ("d", *IOTA)]
    scores = score_retrieval(of, [hits(*shown)], [Cut("k", 9)], tiny)
    table = retrieval_by_passages(of, scores, ScoringConfig(n_resamples=200))
    assert table.schema == BY_PASSAGES
    rows = table.select("needed", "n", "any_found", "all_found").rows()
    assert rows == [("1", 1, 1, 1), ("2", 1, 1, 0), ("3 or more", 2, 1, 0.5)]
    means = mean_retrieval(of, scores, ScoringConfig(n_resamples=200)).row(0, named=True)
    assert (means["any_found"], means["all_found"]) == (1, 0.5)
    assert means["all_found_low"] < 0.5 < means["all_found_high"]


def test_there_is_no_table_where_no_question_needs_more_than_one(tiny):
    of = corpus(asks("a", "d1", evidence=[ALPHA]), asks("b", "d2"))
    scores = score_retrieval(of, [hits(("a", *ALPHA))], [Cut("k", 9)], tiny)
    assert retrieval_by_passages(of, scores, ScoringConfig(n_resamples=200)).is_empty()


def test_scores_of_an_older_version_have_means_without_them(tiny):
    of = corpus(asks("a", "d1", evidence=[ALPHA]), asks("b", "d2"))
    scores = score_retrieval(of, [hits(("a", *ALPHA))], [Cut("k", 9)], tiny)
    before = scores.drop("n_passages", "any_found", "all_found")
    old, new = (mean_retrieval(of, one, ScoringConfig(n_resamples=200)) for one in (before, scores))
    assert old["all_found"].is_null().all()
    kept = [name for name in new.columns if "_found" not in name]
    assert old.select(kept).equals(new.select(kept))
