import numpy as np
import polars as pl
import pytest

from corpora.schema import LabelSet
from labeling.votes.consensus import ConsensusConfig, build_gold
from labeling.votes.vote import Vote, votes_frame
from results.readers.labelers import AS_MANY, ATTRITION, CONSENSUS, LABELERS, attrition, compare_rules, document_answers
from results.readers.labelers import summarise_labeler as summarise
from results.readers.qualification import weigh
from results.stats.clustered import wilson, wilson_clustered

LABELS = LabelSet(("yes", "no", "maybe"))
LIKELY = {"yes": (0.7, 0.1, 0.1), "no": (0.1, 0.7, 0.1), "maybe": (0.1, 0.1, 0.7)}


def cast(question_id, *drawn, likely=None, margin=0.6):
    """Three votes of a question: the labels drawn, None for a failed one; `likely` is the most probable label."""
    return [
        Vote(
            labeler="l", prompt_hash="p", arm="document", vote=number, seed=number, question_id=question_id,
            label=label, failure=None if label else "no_label_mass",
            probabilities=LIKELY[likely or label] if label else (),
            outside_mass=0.1 if label else None, margin=margin if label else None, n_prompt_tokens=10,
        )
        for number, label in enumerate(drawn)
    ]  # fmt: skip


def votes(*casts):
    return votes_frame(vote for one in casts for vote in one)


def references(**by_question):
    schema = {"question_id": pl.String, "reference": pl.String}
    return pl.DataFrame(list(by_question.items()), schema=schema, orient="row")


def facts(known):
    """References with a document for each question."""
    return known.with_columns(cluster="question_id")


def summary(given, known, confidence=0.95):
    frame = summarise("reader", given, facts(known), LABELS, confidence)
    assert frame.schema == LABELERS
    assert len(frame) == 1
    return frame.row(0, named=True)


FIVE = votes(
    cast("q1", "yes", "yes", "yes"),
    cast("q2", "no", "no", "yes", likely="no"),
    cast("q3", "maybe", "no", "yes", likely="maybe", margin=0.01),
    cast("q4", "no", "no", "no"),
    cast("q5", "yes", "yes", None),
)
KNOWN = references(q1="yes", q2="no", q3="yes", q4="yes", q5="yes")


def test_a_readers_answer_is_the_most_probable_label_not_the_drawn_one():
    given = votes(cast("q2", "no", "no", "no", likely="yes"), cast("q1", "no", "yes", "yes", likely="maybe"))
    assert document_answers(given, LABELS).select("question_id", "label").rows() == [("q1", "maybe"), ("q2", "yes")]


def test_a_readers_answer_is_that_of_the_first_prompt_where_the_three_differ():
    three = [cast("q1", *[likely] * 3)[number] for number, likely in enumerate(("no", "yes", "yes"))]
    assert document_answers(votes(three[::-1]), LABELS)["label"].to_list() == ["no"]


def test_a_failed_vote_gives_no_answer():
    given = votes(cast("q1", None, None, None), cast("q2", "yes", "yes", "yes"))
    answers = document_answers(given, LABELS).select("question_id", "label", "margin")
    assert answers.rows() == [("q1", None, None), ("q2", "yes", 0.6)]
    assert document_answers(votes(cast("q1", None, None, None)), LABELS)["label"].to_list() == [None]


def test_a_labeler_is_summed_up_as_counted_by_hand():
    row = summary(FIVE, KNOWN)
    assert (row["reader"], row["n"], row["n_failed"]) == ("reader", 5, 1)
    # Most probable labels: yes no maybe no yes; right are q1, q2, q5.
    assert (row["accuracy"], row["accuracy_low"], row["accuracy_high"]) == pytest.approx(tuple(wilson(3, 5)))
    # Drawn labels that are right: 3 of q1, 2 of q2, 1 of q3, 0 of q4, 2 of q5.
    assert row["vote_accuracy"] == pytest.approx(8 / 15)
    assert row["votes_differ"] == pytest.approx(3 / 5)
    assert (row["majority_label"], row["majority_share"]) == ("yes", pytest.approx(4 / 5))
    assert row["outside_mass"] == pytest.approx(0.1)
    assert row["fragile"] == pytest.approx(3 / 14)  # of the votes that have a margin


def test_the_evidence_against_both_baselines_is_that_of_the_most_probable_labels():
    row = summary(FIVE, KNOWN)
    judged = facts(KNOWN).with_columns(label=pl.Series(["yes", "no", "maybe", "no", "yes"]))
    evidence = weigh(judged, 0.95)
    assert {name: row[name] for name in evidence._fields} == pytest.approx(evidence._asdict())
    # By chance: "yes" 2 of 5 times, "no" and the rest never where "yes" is right 4 of 5 times; "no" 2 of 5, 1 of 5.
    assert row["chance"] == pytest.approx(2 / 5 * 4 / 5 + 2 / 5 * 1 / 5)


def test_what_is_corrected_over_all_labelers_is_not_known_of_one_alone():
    row = summary(FIVE, KNOWN)
    assert [row[name] for name in ("p_vs_majority_holm", "p_vs_chance_holm", "qualified", "standing")] == [None] * 4


def test_questions_of_a_document_are_evidence_together():
    right = votes(*(cast(f"q{n}", *["yes" if n % 2 else "no"] * 3) for n in range(8)))
    known = references(**{f"q{n}": "yes" if n % 2 else "no" for n in range(8)})
    # 4 of 8 better than always "no", each on a document of its own, or all on two documents.
    assert summary(right, known)["p_vs_majority"] == pytest.approx(1 / 2**4)
    shared = known.with_columns(cluster=pl.Series(["d1"] * 4 + ["d2"] * 4))
    row = summarise("reader", right, shared, LABELS, 0.95).row(0, named=True)
    assert row["p_vs_majority"] == pytest.approx(1 / 2**2)


def test_without_references_nothing_is_said_about_accuracy_or_qualification():
    row = summary(FIVE, references(q1=None, q2=None, q3=None, q4=None, q5=None))
    assert row["votes_differ"] == pytest.approx(3 / 5)
    unknown = ("accuracy", "accuracy_low", "vote_accuracy", "majority_label", "p_vs_majority", "chance", "p_vs_chance")
    assert [row[name] for name in unknown] == [None] * len(unknown)


def test_questions_without_reference_are_left_out_of_the_accuracy():
    row = summary(FIVE, references(q1="yes", q2="no", q3=None, q4=None, q5=None))
    assert (row["n"], row["accuracy"]) == (5, 1.0)


def test_every_rule_is_reported_with_coverage_and_accuracy():
    frame = compare_rules("reader", FIVE, facts(KNOWN), LABELS, ConsensusConfig(min_probability=0.7), 0.95)
    assert frame.schema == CONSENSUS
    rows = {row["rule"]: row for row in frame.iter_rows(named=True)}
    # Unanimous are q1 (right) and q4 (wrong); q5 has a failed vote. A majority adds q2 (right).
    assert (rows["unanimous"]["kept"], rows["unanimous"]["accuracy"]) == (2, 0.5)
    assert (rows["unanimous_and_correct"]["kept"], rows["unanimous_and_correct"]["accuracy"]) == (1, 1.0)
    assert (rows["majority"]["kept"], rows["majority"]["accuracy"]) == (3, pytest.approx(2 / 3))
    # .7 / .9 is above .7 for every question but the failed one; right are q1 and q2.
    assert (rows["min_probability"]["kept"], rows["min_probability"]["accuracy"]) == (4, 0.5)
    assert rows["majority"]["coverage"] == pytest.approx(3 / 5)
    assert (rows["majority"]["accuracy_low"], rows["majority"]["accuracy_high"]) == pytest.approx(wilson(2, 3)[1:])


def test_questions_of_a_document_widen_the_interval_of_a_rule():
    kept = votes(*(cast(f"q{n}", *["yes"] * 3) for n in range(8)))
    known = references(**{f"q{n}": "yes" if n < 4 else "no" for n in range(8)})
    shared = known.with_columns(cluster=pl.Series(["d1", "d2", "d3", "d4"]).gather([0, 0, 1, 1, 2, 2, 3, 3]))
    frame = compare_rules("reader", kept, shared, LABELS, ConsensusConfig(), 0.95)
    expected = wilson_clustered(np.repeat([1.0, 0.0], 4), shared["cluster"].to_list(), 0.95)
    row = frame.row(by_predicate=pl.col("rule") == "unanimous", named=True)
    assert (row["accuracy"], row["accuracy_low"], row["accuracy_high"]) == pytest.approx(tuple(expected))
    whole = summarise("reader", kept, shared, LABELS, 0.95).row(0, named=True)
    assert (whole["accuracy"], whole["accuracy_low"], whole["accuracy_high"]) == pytest.approx(tuple(expected))


def test_a_rule_that_keeps_nothing_has_unknown_accuracy():
    split = votes(cast("q1", "yes", "no", "maybe"))
    frame = compare_rules("reader", split, facts(references(q1="yes")), LABELS, ConsensusConfig(), 0.95)
    row = frame.row(by_predicate=pl.col("rule") == "unanimous", named=True)
    assert (row["kept"], row["coverage"], row["accuracy"]) == (0, 0.0, None)


def test_the_rule_that_needs_references_is_left_out_where_there_are_none():
    frame = compare_rules("reader", FIVE, facts(references(q1=None, q2=None)), LABELS, ConsensusConfig(), 0.95)
    assert frame["rule"].to_list() == ["unanimous", "majority", "min_probability", "confident", AS_MANY]
    assert frame["accuracy"].null_count() == 5


def test_the_rule_that_needs_distributions_is_left_out_where_there_are_none(ballots):
    written = ballots({"q1": ["yes", "yes", "yes"], "q2": ["no", "yes", None]})
    frame = compare_rules("reader", written, facts(references(q1="yes", q2="no")), LABELS, ConsensusConfig(), 0.95)
    assert frame.select("rule", "kept").rows() == [("unanimous", 1), ("unanimous_and_correct", 1), ("majority", 1)]


def test_attrition_tells_how_much_of_each_label_is_kept():
    gold = build_gold(FIVE, KNOWN.vstack(references(q6="maybe")), LABELS, ConsensusConfig())
    frame = attrition("reader", gold, LABELS)
    assert frame.schema == ATTRITION
    # Of yes q1 and q4 are kept, of q1 q3 q4 q5; no and maybe vanish.
    assert frame.rows() == [("reader", "yes", 4, 2, 0.5), ("reader", "no", 1, 0, 0.0), ("reader", "maybe", 1, 0, 0.0)]


def test_a_label_that_no_question_has_kept_no_share_of_anything():
    frame = attrition("reader", build_gold(FIVE, KNOWN, LABELS, ConsensusConfig()), LABELS)
    assert frame.row(2) == ("reader", "maybe", 0, 0, None)
