import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from corpora.schema import Corpus, LabelSet, Question, documents_frame, questions_frame
from labeling.consensus import ConsensusConfig, build_gold
from labeling.votes import Vote, votes_frame
from results.comparison import OWN_GOLD, PAIRS, compare_labelers
from results.scoring import ScoringConfig
from results.statistics import mcnemar_exact

LABELS = LabelSet(("yes", "no", "maybe"))
CONFIG = ScoringConfig(n_resamples=400)


def corpus(references):
    questions = [Question(f"q{n:02d}", "?", (f"d{n}",), reference) for n, reference in enumerate(references)]
    return Corpus("by hand", documents_frame([]), questions_frame(questions), LABELS)


def unanimous(answers):
    """Three equal votes a question; None is a failed one."""
    return votes_frame(
        Vote(
            "l", "p", "document", vote, 0, f"q{number:02d}", answer, None if answer else "no_label_mass",
            tuple(0.8 if label == answer else 0.1 for label in LABELS) if answer else (), 0.0, 0.5, 10,
        )
        for number, answer in enumerate(answers)
        for vote in range(3)
    )  # fmt: skip


def compare(references, **answers):
    asked = corpus(references)
    votes = {reader: unanimous(given) for reader, given in answers.items()}
    known = asked.questions.select("question_id", "reference")
    golds = {reader: build_gold(cast, known, LABELS, ConsensusConfig()) for reader, cast in votes.items()}
    return compare_labelers(asked, votes, golds, CONFIG)


def test_a_pair_of_labelers_is_compared_as_counted_by_hand():
    right = ["yes", "no", "yes", "no", "yes", "no"]
    small = ["yes", "no", "yes", "yes", "no", "maybe"]
    large = ["yes", "no", "no", "yes", "maybe", "no"]
    pairs = compare(right, small=small, large=large)["pairs"]
    assert pairs.schema == PAIRS
    row = pairs.row(0, named=True)
    assert (row["a"], row["b"], row["n"]) == ("small", "large", 6)
    assert (row["accuracy_a"], row["accuracy_b"], row["difference"]) == pytest.approx((3 / 6, 3 / 6, 0))
    assert (row["both_wrong"], row["same_wrong_label"]) == (2, 0.5)  # q3 both yes, q4 no and maybe
    assert row["kappa"] == pytest.approx(cohen_kappa_score(small, large))
    assert row["p_mcnemar"] == pytest.approx(mcnemar_exact([1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1]))
    assert row["finding"].startswith("cannot tell")


@pytest.mark.parametrize("names", [("weak", "strong"), ("strong", "weak")])
def test_a_clearly_better_labeler_is_named_whichever_comes_first(names):
    right = ["yes", "no"] * 20
    given = {"strong": right, "weak": ["no"] * 40}
    pairs = compare(right, **{name: given[name] for name in names})["pairs"]
    assert pairs["finding"].to_list() == ["strong is better"]


def test_holm_runs_over_all_pairs_of_labelers():
    right = ["yes", "no"] * 10
    pairs = compare(right, a=right, b=right[:8] + ["maybe"] * 12, c=right[:8] + ["maybe"] * 12)["pairs"]
    rows = {(row["a"], row["b"]): row for row in pairs.iter_rows(named=True)}
    assert rows["a", "b"]["p_holm"] == pytest.approx(3 * rows["a", "b"]["p_value"])
    assert rows["b", "c"]["p_holm"] == 1.0
    assert rows["b", "c"]["same_wrong_label"] == 1.0


def test_two_failed_votes_are_both_wrong_and_not_the_same_wrong_label():
    row = compare(["yes", "no", "no"], a=["yes", None, "no"], b=["yes", None, "no"])["pairs"].row(0, named=True)
    assert (row["both_wrong"], row["same_wrong_label"]) == (1, 0.0)


def test_agreement_is_unknown_where_both_always_give_one_label():
    assert compare(["yes", "no"], a=["yes", "yes"], b=["yes", "yes"])["pairs"]["kappa"].to_list() == [None]


def test_each_labeler_is_scored_on_all_on_its_own_and_on_the_common_gold_set():
    right = ["yes", "no", "yes", "no"]
    own = compare(right, a=["yes", "yes", None, "no"], b=["yes", "no", "yes", None])["own_gold"]
    assert own.schema == OWN_GOLD
    # Kept of a are 0 1 3, of b 0 1 2, of both 0 1.
    assert own.select("reader", "questions", "n", "accuracy").rows() == [
        ("a", "all", 4, 0.5),
        ("a", "own gold set", 3, pytest.approx(2 / 3)),
        ("a", "in every gold set", 2, 0.5),
        ("b", "all", 4, 0.75),
        ("b", "own gold set", 3, 1.0),
        ("b", "in every gold set", 2, 1.0),
    ]


def test_an_empty_common_gold_set_is_unknown_and_not_zero():
    own = compare(["yes", "no"], a=["yes", None], b=[None, "no"])["own_gold"]
    common = own.filter(pl.col("questions") == "in every gold set")
    assert common.select("n", "accuracy").rows() == [(0, None), (0, None)]


def test_without_reference_labels_the_frames_are_empty():
    compared = compare([None, None], a=["yes", "no"], b=["yes", "yes"])
    assert len(compared["pairs"]) == 0
    assert compared["pairs"].schema == PAIRS
    assert compared["own_gold"]["n"].sum() == 0
    assert compared["label_classes"]["n"].sum() == 0


def test_classes_are_listed_for_each_labeler():
    classes = compare(["yes", "no"], a=["yes", "no"], b=["yes", "yes"])["label_classes"]
    assert classes.select("reader", "label", "recall").rows()[:2] == [("a", "yes", 1.0), ("a", "no", 1.0)]
    assert classes.filter(reader="b", label="no")["recall"].to_list() == [0.0]
