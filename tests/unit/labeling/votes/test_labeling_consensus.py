import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.votes.consensus import GOLD, RULES, ConsensusConfig, build_gold, check_rule
from labeling.votes.vote import Vote, votes_frame

LABELS = LabelSet()


def cast(question_id, labels, failures=(None, None, None), probabilities=((0.8, 0.1, 0.1),) * 3):
    return [
        Vote("f1", "h", "document", number, number, question_id, label, failure, row, 0.0, 0.5, 9)
        for number, (label, failure, row) in enumerate(zip(labels, failures, probabilities, strict=False))
    ]


def gold_of(votes, references, rule="unanimous", **settings):
    frame = pl.DataFrame(references, schema={"question_id": pl.String, "reference": pl.String}, orient="row")
    # The distributions of `cast` say yes whatever was drawn.
    config = ConsensusConfig(**{"rule": rule, "most_probable": False} | settings)
    return build_gold(votes_frame(votes), frame, LABELS, config)


def decide(rule, labels, reference="yes", **vote_settings):
    """(kept, label, reason) of one question."""
    votes = cast("q1", labels, **vote_settings)
    other = [("q2", "yes")]  # so that the corpus is not without references
    row = gold_of(votes, [("q1", reference), *other], rule).row(0, named=True)
    return row["kept"], row["label"], row["reason"]


@pytest.mark.parametrize(
    ("rule", "labels", "reference", "decision"),
    [
        ("unanimous", "yes yes yes", "yes", (True, "yes", "unanimous")),
        ("unanimous", "no no no", "yes", (True, "no", "unanimous")),
        ("unanimous", "maybe maybe maybe", None, (True, "maybe", "unanimous")),
        ("unanimous", "yes yes no", "yes", (False, None, "votes differ")),
        ("unanimous", "yes no maybe", "yes", (False, None, "votes differ")),
        ("unanimous_and_correct", "yes yes yes", "yes", (True, "yes", "unanimous")),
        ("unanimous_and_correct", "no no no", "yes", (False, None, "unanimous but wrong")),
        ("unanimous_and_correct", "no no no", None, (False, None, "no reference")),
        ("unanimous_and_correct", "yes yes no", "yes", (False, None, "votes differ")),
        ("majority", "yes yes yes", "no", (True, "yes", "3 of 3 votes")),
        ("majority", "no yes no", "yes", (True, "no", "2 of 3 votes")),
        ("majority", "maybe yes no", "maybe", (False, None, "no majority")),
    ],
)
def test_each_rule_decides_as_worked_out_by_hand(rule, labels, reference, decision):
    assert decide(rule, labels.split(), reference) == decision


@pytest.mark.parametrize("labels", [("yes", "no", "maybe"), ("maybe", "no", "yes"), ("no", "maybe", "yes")])
def test_a_three_way_tie_is_never_broken_by_who_came_first(labels):
    assert decide("majority", labels) == (False, None, "no majority")


@pytest.mark.parametrize("rule", RULES)
def test_one_failed_vote_leaves_the_question_out_and_names_the_failure(rule):
    decision = decide(
        rule,
        ("yes", None, "yes"),
        failures=(None, "no_label_mass", None),
        probabilities=((0.9, 0.05, 0.05), (), (0.9, 0.05, 0.05)),
    )
    assert decision == (False, None, "failed vote: no_label_mass")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_votes", [0, 1, 2])
def test_a_question_with_votes_missing_is_left_out_and_says_how_many_there_are(rule, n_votes):
    assert decide(rule, ("yes",) * n_votes) == (False, None, f"only {n_votes} of 3 votes")


@pytest.mark.parametrize(
    ("probabilities", "decision"),
    [
        # Normalised first: (.75, .25, 0) each, whatever mass lies outside the labels.
        (((0.75, 0.25, 0), (0.375, 0.125, 0), (0.075, 0.025, 0)), (True, "yes", "mean probability at least 0.75")),
        # means .3, .6, .1
        (((0.3, 0.6, 0.1), (0.5, 0.4, 0.1), (0.1, 0.8, 0.1)), (False, None, "mean probability below 0.75")),
        # means .05, .05, .9, though the first vote is for yes
        (((0.15, 0.15, 0.7), (0, 0, 1), (0, 0, 1)), (True, "maybe", "mean probability at least 0.75")),
    ],
)
def test_min_probability_goes_by_the_mean_of_the_normalised_distributions(probabilities, decision):
    votes = cast("q1", ("yes", "no", "maybe"), probabilities=probabilities)
    row = gold_of(votes, [("q1", None)], "min_probability", min_probability=0.75).row(0, named=True)
    assert (row["kept"], row["label"], row["reason"]) == decision


def test_a_rule_that_needs_references_is_refused_on_a_corpus_without_any():
    votes = cast("q1", ("yes",) * 3)
    with pytest.raises(InputError, match="use rule = 'unanimous'"):
        gold_of(votes, [("q1", None), ("q2", None)], "unanimous_and_correct")


def references(*labels):
    return pl.DataFrame({"reference": labels}, schema={"reference": pl.String})


def test_a_rule_is_refused_before_there_are_any_votes():
    config = ConsensusConfig(rule="unanimous_and_correct")
    with pytest.raises(InputError, match=r"corpus without reference labels.*use rule = 'unanimous'"):
        check_rule(config, references(None, None))
    check_rule(config, references(None, "yes"))  # one is enough: the others are left out with their reason


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"unanimous_and_correct"}))
def test_no_other_rule_is_refused_without_references(rule):
    check_rule(ConsensusConfig(rule=rule), references(None, None))


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"unanimous_and_correct", "reviewed"}))
def test_the_other_rules_need_no_references(rule):
    assert gold_of(cast("q1", ("yes",) * 3), [("q1", None)], rule)["kept"].to_list() == [True]


@pytest.mark.parametrize(
    ("labels", "reviewed", "decision"),
    [
        ("yes yes yes", {"q1": "yes"}, (True, "yes", "unanimous, and reviewed as right")),
        ("no no no", {"q1": "yes"}, (False, None, "unanimous, but reviewed as wrong")),
        ("yes yes yes", {"q1": None}, (False, None, "unanimous, but not settled in review")),
        ("yes yes yes", {"q2": "yes"}, (False, None, "unanimous, but not reviewed")),
        ("yes yes no", {"q1": "yes"}, (False, None, "votes differ")),
    ],
)
def test_the_rule_reviewed_goes_by_what_people_settled_on(labels, reviewed, decision):
    asked = pl.DataFrame({"question_id": ["q1"], "reference": ["maybe"]})
    votes = votes_frame(cast("q1", labels.split()))
    row = build_gold(votes, asked, LABELS, ConsensusConfig(rule="reviewed"), reviewed=reviewed).row(0, named=True)
    assert (row["kept"], row["label"], row["reason"]) == decision
    assert row["reference"] == "maybe"


def test_every_question_gets_a_row_with_a_reason_in_the_order_of_the_references():
    votes = cast("b", ("yes", "yes", "no")) + cast("c", ("no",) * 3) + cast("stranger", ("no",) * 3)
    gold = gold_of(votes, [("c", "no"), ("a", None), ("b", "yes")])
    assert gold.schema == GOLD
    assert gold.rows() == [
        ("c", ["no", "no", "no"], "no", True, "unanimous", "no", 0.514),
        ("a", [], None, False, "only 0 of 3 votes", None, None),
        ("b", ["yes", "yes", "no"], None, False, "votes differ", "yes", 0.514),
    ]


def test_the_votes_are_listed_by_their_number_whatever_the_order_of_the_frame():
    votes = cast("q1", ("yes", "no", "maybe"))
    assert gold_of(votes[::-1], [("q1", None)])["votes"].to_list() == [["yes", "no", "maybe"]]


def test_without_any_votes_every_question_is_left_out():
    assert gold_of([], [("q1", "yes"), ("q2", "no")])["reason"].to_list() == ["only 0 of 3 votes"] * 2


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([*LABELS]), max_size=3), max_size=8),
    st.sampled_from(RULES),
    st.randoms(use_true_random=False),
)
def test_nothing_vanishes_and_kept_questions_are_those_with_a_label(all_labels, rule, chance):
    votes = [vote for number, labels in enumerate(all_labels) for vote in cast(f"q{number}", labels)]
    chance.shuffle(votes)
    references = [("first", "yes"), *((f"q{number}", "no") for number in range(len(all_labels)))]
    gold = gold_of(votes, references, rule)
    assert gold["question_id"].to_list() == [question_id for question_id, _ in references]
    assert gold["reason"].str.len_chars().min() > 0
    assert (gold["kept"] == gold["label"].is_not_null()).all()


@given(st.lists(st.sampled_from([*LABELS]), min_size=3, max_size=3))
def test_what_is_unanimous_also_has_a_majority(labels):
    unanimous, majority = decide("unanimous", labels), decide("majority", labels)
    if unanimous[0]:
        assert majority[:2] == unanimous[:2]
    assert unanimous[0] == (len(set(labels)) == 1)
    assert majority[0] == (len(set(labels)) < 3)


@pytest.mark.parametrize("setting", [{"rule": "plurality"}, {"min_probability": 0}, {"min_prob": 0.5}], ids=str)
def test_unknown_rules_thresholds_and_keys_are_refused(setting):
    with pytest.raises(ValidationError, match=next(iter(setting))):
        ConsensusConfig(**setting)


# What the distributions say


def test_three_lucky_draws_of_another_label_than_the_most_probable_are_left_out():
    votes = cast("a", ("no",) * 3) + cast("b", ("yes",) * 3)
    gold = gold_of(votes, [("a", None), ("b", None)], most_probable=True)
    assert gold["kept"].to_list() == [False, True]
    assert gold["reason"][0] == "unanimous, but another label is more probable"


def test_without_distributions_unanimity_is_all_there_is():
    votes = cast("a", ("no",) * 3, probabilities=((),) * 3)
    row = gold_of(votes, [("a", None)], most_probable=True).row(0, named=True)
    assert (row["kept"], row["label"], row["p_unanimous"]) == (True, "no", None)


SURE, HALF, FLAT = (0.9, 0.1, 0.0), (0.7, 0.2, 0.1), (0.4, 0.3, 0.3)  # P(unanimous) = .730, .352, .118
THREE = [*cast("flat", ("no",) * 3, probabilities=(FLAT,) * 3), *cast("half", ("no",) * 3, probabilities=(HALF,) * 3),
         *cast("sure", ("no",) * 3, probabilities=(SURE,) * 3)]  # fmt: skip
ASKED = [("flat", None), ("half", None), ("sure", None)]


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ({}, [False, False, True]),
        ({"min_unanimous": 0.3}, [False, True, True]),
        ({"coverage": 0.34}, [False, False, True]),
        ({"coverage": 0.67}, [False, True, True]),
        ({"coverage": 1.0}, [True, True, True]),
        ({"coverage": 0.1}, [False, False, True]),
    ],
)
def test_the_rule_confident_keeps_what_three_votes_would_agree_on(setting, kept):
    gold = gold_of(THREE, ASKED, "confident", **setting)
    assert gold["kept"].to_list() == kept
    # With the label that they would agree on, whatever was drawn.
    assert gold["label"].drop_nulls().to_list() == ["yes"] * sum(kept)
    assert gold["p_unanimous"].to_list() == pytest.approx([0.118, 0.352, 0.73])


def test_questions_that_are_equally_sure_come_in_together():
    twins = THREE + cast("twin", ("no",) * 3, probabilities=(HALF,) * 3)
    gold = gold_of(twins, [*ASKED, ("twin", None)], "confident", coverage=0.5)
    assert gold["kept"].to_list() == [False, False, True, False]


def test_questions_that_are_all_equally_sure_are_all_kept():
    votes = [vote for one in "abc" for vote in cast(one, ("yes",) * 3)]
    assert gold_of(votes, [(one, None) for one in "abc"], "confident", coverage=0.5)["kept"].all()


def test_a_coverage_without_its_rule_is_refused():
    with pytest.raises(ValidationError, match="only the rule confident"):
        ConsensusConfig(coverage=0.5)


def test_the_rule_confident_leaves_out_what_has_no_distribution():
    votes = cast("a", ("yes",) * 3, probabilities=((),) * 3)
    assert gold_of(votes, [("a", None)], "confident")["reason"].to_list() == ["no label probabilities"]
