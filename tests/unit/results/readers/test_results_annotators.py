from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from labeling.votes.consensus import GOLD
from results.readers.annotators import ANNOTATORS, HUMAN_CONSENSUS, compare_with_annotators, has_annotators
from results.stats.clustered import compare_paired, holm, mcnemar_exact, wilson, wilson_clustered

RIGHT = ["yes", "no", "yes", "maybe", "no", "yes"]
ANNA = ["yes", "no", "no", "maybe", "no", "yes"]  # wrong on q2
BERT = ["yes", "yes", "no", "maybe", None, "yes"]  # wrong on q1 and q2, silent on q4
READER = ["yes", "no", "yes", "no", "no", None]  # wrong on q3, failed on q5
KEPT = [True, False, True, True, True, True]


def answered(corpus, labels):
    ids = corpus.questions["question_id"].to_list()
    judged = {
        "question_id": ids,
        "label": labels,
        "reference": corpus.questions["reference"].to_list(),
        "cluster": corpus.questions["document_ids"].list.first().to_list(),
    }
    return pl.DataFrame(judged, schema=dict.fromkeys(judged, pl.String)).filter(pl.col("reference").is_not_null())


def gold(corpus, kept):
    rows = [
        {
            "question_id": one,
            "votes": [],
            "label": "yes" if keep else None,
            "kept": keep,
            "reason": "",
            "reference": None,
        }
        for one, keep in zip(corpus.questions["question_id"], kept, strict=True)
    ]
    return pl.DataFrame(rows, schema=GOLD)


def compared(corpus, labels=READER, kept=KEPT):
    tables = compare_with_annotators(corpus, {"r|1": answered(corpus, labels)}, {"r|1": gold(corpus, kept)}, 0.95)
    assert tables["annotators"].schema == ANNOTATORS
    assert tables["human_consensus"].schema == HUMAN_CONSENSUS
    return tables


@pytest.fixture
def annotated(corpus_of):
    return corpus_of(RIGHT, annotators={"Anna": ANNA, "Bert": BERT}, questions_per_document=2)


def test_a_labeler_is_paired_with_each_annotator_on_what_both_answered(annotated):
    anna, bert = compared(annotated)["annotators"].iter_rows(named=True)
    assert (anna["reader"], anna["annotator"], bert["annotator"]) == ("r|1", "Anna", "Bert")
    assert (anna["n"], anna["accuracy"], anna["annotator_accuracy"]) == (6, pytest.approx(4 / 6), pytest.approx(5 / 6))
    assert (bert["n"], bert["accuracy"], bert["annotator_accuracy"]) == (5, pytest.approx(3 / 5), pytest.approx(3 / 5))


def test_differences_and_tests_are_those_of_paired_answers_by_document(annotated):
    anna = compared(annotated)["annotators"].row(0, named=True)
    ours = [float(a == b) for a, b in zip(READER, RIGHT, strict=True)]
    theirs = [float(a == b) for a, b in zip(ANNA, RIGHT, strict=True)]
    expected = compare_paired(np.array(ours), np.array(theirs), ["d0", "d0", "d1", "d1", "d2", "d2"], 0.95)
    assert (anna["difference"], anna["low"], anna["high"], anna["p_value"]) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.p_value)
    )
    assert anna["p_mcnemar"] == pytest.approx(mcnemar_exact([one > 0 for one in ours], [one > 0 for one in theirs]))
    assert anna["kappa"] == pytest.approx(cohen_kappa_score([one or "" for one in READER], ANNA))


def test_human_and_model_consensus_are_counted_by_hand(annotated):
    row = compared(annotated)["human_consensus"].row(0, named=True)
    # Both annotators say the same on q0, q2, q3, q5; Bert is silent on q4, which is no agreement.
    assert (row["n"], row["human_unanimous"], row["kept"], row["both"]) == (6, 4, 5, 4)
    assert row["human_accuracy"] == pytest.approx(3 / 4)  # both are wrong on q2
    where_agree = (row["accuracy_where_human_agree"], row["agree_low"], row["agree_high"])
    assert where_agree == pytest.approx(tuple(wilson(2, 4)))  # q0 and q2; q3 wrong, q5 failed
    where_differ = (row["accuracy_where_human_differ"], row["differ_low"], row["differ_high"])
    assert where_differ == pytest.approx(tuple(wilson(2, 2)))
    unanimous = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    kept = [float(one) for one in KEPT]
    expected = compare_paired(np.array(kept), np.array(unanimous), ["d0", "d0", "d1", "d1", "d2", "d2"], 0.95)
    assert (row["coverage_difference"], row["coverage_low"], row["coverage_high"]) == pytest.approx(expected[:3])
    assert row["coverage_difference"] == pytest.approx(1 / 6)
    assert row["p_coverage"] == pytest.approx(expected.p_value)
    assert row["kappa_kept"] == pytest.approx(cohen_kappa_score(kept, unanimous))


def test_the_human_unanimity_of_the_whole_corpus_counts_its_tune_questions_too(corpus_of):
    corpus = corpus_of(RIGHT, annotators={"Anna": ANNA, "Bert": BERT})
    spare = corpus_of(["yes"] * 3, annotators={"Anna": ["yes"] * 3, "Bert": ["yes", "yes", "no"]}).questions
    tune = spare.with_columns(question_id=pl.concat_str(pl.lit("t"), "question_id"))
    row = compared(replace(corpus, tune=tune))["human_consensus"].row(0, named=True)
    assert (row["corpus_n"], row["corpus_unanimous"]) == (9, 6)
    assert (row["n"], row["human_unanimous"]) == (6, 4)


def test_questions_without_annotators_or_reference_are_left_out(corpus_of):
    right = ["yes", None, "no", "yes"]
    corpus = corpus_of(right, annotators={"Anna": ["yes", "yes", None, "no"]})
    tables = compared(corpus, ["yes"] * 4, [True] * 4)
    assert tables["annotators"].select("n", "accuracy", "annotator_accuracy").rows() == [(2, 1.0, 0.5)]
    assert tables["human_consensus"]["n"].to_list() == [2]


def test_kappa_is_unknown_where_both_always_say_the_same(corpus_of):
    corpus = corpus_of(["yes"] * 3, annotators={"Anna": ["yes"] * 3, "Bert": ["yes"] * 3})
    tables = compared(corpus, ["yes"] * 3, [True] * 3)
    assert tables["annotators"]["kappa"].to_list() == [None, None]
    row = tables["human_consensus"].row(0, named=True)
    assert row["kappa_kept"] is None
    assert (row["accuracy_where_human_differ"], row["differ_low"], row["differ_high"]) == (None, None, None)
    assert (row["coverage_difference"], row["p_coverage"]) == (0.0, 1.0)


def test_one_question_tells_nothing_and_breaks_nothing(corpus_of):
    corpus = corpus_of(["yes"], annotators={"Anna": ["no"]})
    row = compared(corpus, ["yes"], [True])["annotators"].row(0, named=True)
    assert (row["difference"], row["low"], row["high"], row["p_value"]) == (1.0, -1.0, 1.0, 1.0)


def test_an_annotator_who_gave_nothing_on_these_questions_has_no_row(corpus_of):
    corpus = corpus_of(["yes", None], annotators={"Anna": ["yes", None], "Bert": [None, "no"]})
    tables = compared(corpus, ["yes"] * 2, [True] * 2)
    assert tables["annotators"]["annotator"].to_list() == ["Anna"]
    assert tables["human_consensus"].select("n", "human_unanimous").rows() == [(1, 0)]


def test_a_corpus_without_references_has_no_rows(corpus_of):
    corpus = corpus_of([None, None], annotators={"Anna": ["yes", "no"]})
    tables = compared(corpus, ["yes"] * 2, [True] * 2)
    assert [len(table) for table in tables.values()] == [0, 0]


def test_every_labeler_has_its_rows(annotated):
    judged = {name: answered(annotated, labels) for name, labels in (("b", RIGHT), ("a", READER))}
    golds = {name: gold(annotated, KEPT) for name in judged}
    tables = compare_with_annotators(annotated, judged, golds, 0.95)
    assert tables["annotators"].select("reader", "annotator").rows() == [
        ("b", "Anna"), ("b", "Bert"), ("a", "Anna"), ("a", "Bert"),
    ]  # fmt: skip
    assert tables["human_consensus"]["reader"].to_list() == ["b", "a"]


def test_p_values_are_corrected_over_labelers_and_annotators(annotated):
    judged = {name: answered(annotated, labels) for name, labels in (("b", RIGHT), ("a", READER), ("c", ANNA))}
    golds = {name: gold(annotated, KEPT[: 2 * n] + [False] * (6 - 2 * n)) for n, name in enumerate(judged, 1)}
    tables = compare_with_annotators(annotated, judged, golds, 0.95)
    persons, together = tables["annotators"], tables["human_consensus"]
    assert (len(persons), len(together)) == (6, 3)
    assert persons["p_holm"].to_list() == pytest.approx(holm(persons["p_value"].to_list()))
    assert together["p_coverage_holm"].to_list() == pytest.approx(holm(together["p_coverage"].to_list()))


def test_where_annotators_agree_questions_of_a_document_stand_together(corpus_of):
    # All agree on the first eight questions, on which the labeler is right by document.
    right, labels = ["yes"] * 12, ["yes"] * 4 + ["no"] * 4 + ["yes", "no"] * 2
    annotators = {"Anna": right, "Bert": ["yes"] * 8 + ["no"] * 4}
    corpus = corpus_of(right, annotators=annotators, questions_per_document=4)
    row = compared(corpus, labels, [True] * 12)["human_consensus"].row(0, named=True)
    expected = wilson_clustered(np.array([1.0] * 4 + [0.0] * 4), ["d0"] * 4 + ["d1"] * 4, 0.95)
    found = (row["accuracy_where_human_agree"], row["agree_low"], row["agree_high"])
    assert found == pytest.approx(tuple(expected))
    assert found[2] - found[1] > 0.85 > wilson(4, 8).high - wilson(4, 8).low


def test_a_corpus_has_annotators_where_any_question_has_two(corpus_of):
    assert not has_annotators(corpus_of(["yes", "no"]))
    assert not has_annotators(corpus_of(["yes", "no"], annotators={"Anna": ["yes", None], "Bert": [None, "no"]}))
    assert has_annotators(corpus_of(["yes", "no"], annotators={"Anna": [None, "no"], "Bert": [None, "no"]}))
