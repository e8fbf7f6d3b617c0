from itertools import permutations
from math import comb

import numpy as np
import polars as pl
import pytest
from scipy.stats import hypergeom
from sklearn.metrics import cohen_kappa_score

from corpora.schema import Corpus, LabelSet, Question, documents_frame, questions_frame
from labeling.votes.consensus import ConsensusConfig, build_gold
from labeling.votes.vote import Vote, votes_frame
from results.advice.without_sweep import best_reader
from results.comparing.comparison import OWN_GOLD, PAIRS, compare_labelers
from results.config import ScoringConfig
from results.readers.labelers import LABELERS
from results.stats.clustered import holm, mcnemar_exact, wilson, wilson_clustered

LABELS = LabelSet(("yes", "no", "maybe"))
CONFIG = ScoringConfig(n_resamples=400)
LEAST = 1 / 20_001  # p-value of what no shuffle reaches


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


# Pairs, beyond who is better


def one_pair(right, a, b):
    return compare(right, a=a, b=b)["pairs"].row(0, named=True)


def test_discordant_questions_and_cohens_g_are_counted_by_hand():
    # q0 both, q1 to q3 only a, q4 only b, q5 neither.
    row = one_pair(["yes"] * 6, ["yes"] * 4 + ["no"] * 2, ["yes"] + ["no"] * 3 + ["yes", "no"])
    assert (row["only_a"], row["only_b"], row["cohens_g"]) == (3, 1, pytest.approx(3 / 4 - 0.5))
    assert row["p_value"] == row["p_mcnemar"] == pytest.approx(2 * (comb(4, 0) + comb(4, 1)) / 2**4)


def test_cohens_g_is_unknown_where_nothing_is_discordant():
    row = one_pair(["yes", "no"], ["yes", "yes"], ["yes", "yes"])
    assert (row["only_a"], row["only_b"], row["cohens_g"]) == (0, 0, None)


def test_errors_that_fall_together_are_held_against_independent_ones():
    # a is wrong on 6 of 10, b on 5, both on 4: by chance 3; hypergeometric tail of 4 and more.
    right = ["yes"] * 10
    row = one_pair(right, ["no"] * 6 + ["yes"] * 4, ["no"] * 4 + ["yes"] * 2 + ["no"] + ["yes"] * 3)
    assert (row["both_wrong"], row["both_wrong_expected"]) == (4, pytest.approx(6 * 5 / 10))
    exact = hypergeom.sf(3, 10, 6, 5)
    assert exact == pytest.approx((comb(6, 4) * comb(4, 1) + comb(6, 5)) / comb(10, 5))
    assert row["p_both_wrong"] == pytest.approx(exact, abs=0.015)  # five standard errors of 20,000 shuffles


def test_errors_are_independent_within_a_reference_label_and_not_over_all():
    # Both miss the "no" and neither the "yes": of six and three (both wrong three) 6 * 3 / 6 by chance, of four none.
    right = ["no"] * 6 + ["yes"] * 4
    row = one_pair(right, ["yes"] * 6 + ["yes"] * 4, ["maybe"] * 3 + ["no"] * 3 + ["yes"] * 4)
    assert (row["both_wrong"], row["both_wrong_expected"], row["p_both_wrong"]) == (3, pytest.approx(3), 1.0)
    # Of six "no" a misses four, b three, both three; of four "yes" a two, b one, both one.
    a = ["yes"] * 4 + ["no"] * 2 + ["no"] * 2 + ["yes"] * 2
    b = ["maybe"] * 3 + ["no"] * 3 + ["maybe"] + ["yes"] * 3
    row = one_pair(right, a, b)
    assert (row["both_wrong"], row["both_wrong_expected"]) == (4, pytest.approx(4 * 3 / 6 + 2 * 1 / 4))
    # As many as can be in both: P(3 of 3 among 4 of 6) times P(1 of 1 among 2 of 4).
    exact = hypergeom.pmf(3, 6, 4, 3) * hypergeom.pmf(1, 4, 2, 1)
    assert row["p_both_wrong"] == pytest.approx(exact, abs=0.011)


def test_errors_that_fall_together_by_design_are_found():
    # Each misses 30 %, together on three in four of these.
    rng = np.random.default_rng(0)
    right = rng.choice(list(LABELS), 200)
    hard = rng.random(200) < 0.3
    others = {"yes": "no", "no": "maybe", "maybe": "yes"}
    wrong = [(hard & (rng.random(200) < 0.75)) | (~hard & (rng.random(200) < 0.1)) for _ in range(2)]
    a, b = ([others[one] if miss else one for one, miss in zip(right, by, strict=True)] for by in wrong)
    row = one_pair(right.tolist(), a, b)
    assert row["both_wrong"] > 2 * row["both_wrong_expected"]
    assert row["p_both_wrong"] == pytest.approx(LEAST)


def test_the_same_wrong_label_is_held_against_shuffles_among_questions_of_one_reference():
    # All wrong. Where "yes" is right a says no no maybe and b no maybe maybe; where "no" is right a: yes, b: yes maybe.
    right = ["yes"] * 3 + ["no"] * 2
    a = ["no", "no", "maybe", "yes", "yes"]
    b = ["no", "maybe", "maybe", "yes", "maybe"]
    row = one_pair(right, a, b)
    counts = [
        sum(x == y for x, y in zip(a, (*first, *second), strict=True))
        for first in permutations(b[:3])
        for second in permutations(b[3:])
    ]
    assert (row["both_wrong"], row["same_wrong_label"]) == (5, pytest.approx(3 / 5))
    assert row["same_wrong_expected"] == pytest.approx(np.mean(counts) / 5)


def test_the_same_wrong_label_of_three_is_noticed_and_a_different_one_is_not():
    right = ["yes", "no", "maybe"] * 20
    others = {"yes": ("no", "maybe"), "no": ("yes", "maybe"), "maybe": ("yes", "no")}
    a = [others[one][number % 2] for number, one in enumerate(right)]
    row = one_pair(right, a, a)
    assert row["same_wrong_label"] == 1.0
    assert row["same_wrong_expected"] == pytest.approx(0.5)
    assert row["p_same_wrong"] == pytest.approx(LEAST)
    apart = one_pair(right, a, [others[one][1 - number % 2] for number, one in enumerate(right)])
    assert (apart["same_wrong_label"], apart["p_same_wrong"]) == (0.0, pytest.approx(1.0))


def test_two_guessers_of_one_taste_do_not_fail_together():
    # Both say "yes" to four in five, whatever is asked: they share what they say, not what they stumble over.
    together = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        right = rng.choice(list(LABELS), 200, p=(0.55, 0.34, 0.11)).tolist()
        a, b = (rng.choice(list(LABELS), 200, p=(0.8, 0.15, 0.05)).tolist() for _ in range(2))
        together.append(one_pair(right, a, b)["p_both_wrong"] < 0.05)
    assert np.mean(together) < 0.2


def test_two_documents_cannot_show_that_labelers_fail_together(ballots, corpus_of):
    # Both fail on all of the one document and on nothing of the other: one order of documents in two.
    asked = corpus_of(["yes"] * 20, questions_per_document=10)
    shown = {f"q{n:03d}": (0.05, 0.9, 0.05) if n < 10 else (0.9, 0.05, 0.05) for n in range(20)}
    votes = {"a": ballots(shown), "b": ballots(shown)}
    golds = {reader: build_gold(cast, asked.questions, LABELS, ConsensusConfig()) for reader, cast in votes.items()}
    row = compare_labelers(asked, votes, golds, CONFIG)["pairs"].row(0, named=True)
    assert row["p_both_wrong"] > 0.05


def test_with_two_labels_the_wrong_one_is_the_same_without_proving_anything():
    row = one_pair(["yes", "no"] * 5, ["no", "yes"] * 5, ["no", "yes"] * 5)
    assert (row["same_wrong_label"], row["same_wrong_expected"], row["p_same_wrong"]) == (1.0, 1.0, 1.0)


def test_labelers_that_never_fail_together_have_no_shared_errors_to_compare():
    row = one_pair(["yes"] * 4, ["yes"] * 2 + ["no"] * 2, ["no"] * 2 + ["yes"] * 2)
    assert (row["both_wrong"], row["both_wrong_expected"]) == (0, 1.0)
    assert (row["same_wrong_label"], row["same_wrong_expected"], row["p_same_wrong"]) == (None, None, 1.0)
    assert row["p_both_wrong"] == 1.0


def test_every_family_of_p_values_is_corrected_over_the_pairs():
    right = ["yes"] * 12
    given = {
        "a": ["yes"] * 12,
        "b": ["no"] * 6 + ["yes"] * 6,
        "c": ["no"] * 5 + ["yes"] * 7,
        "d": ["maybe"] * 7 + ["yes"] * 5,
    }
    pairs = compare(right, **given)["pairs"]
    alone = [
        one_pair(right, given[a], given[b]) for a, b in pairs.select("a", "b").iter_rows()
    ]  # a family of one is not corrected
    assert len(alone) == 6
    assert pairs["p_holm"].to_list() == pytest.approx(holm([row["p_value"] for row in alone]))
    for name in ("p_both_wrong", "p_same_wrong"):
        assert pairs[name].to_list() == pytest.approx(holm([row[name] for row in alone]))
    assert min(row["p_both_wrong"] for row in alone) < min(pairs["p_both_wrong"])


def test_questions_that_only_one_of_two_was_asked_are_left_out_of_their_pair():
    asked = corpus(["yes"] * 6)
    votes = {"a": unanimous(["yes"] * 6), "b": unanimous(["no"] * 4)}
    known = asked.questions.select("question_id", "reference")
    golds = {reader: build_gold(cast, known, LABELS, ConsensusConfig()) for reader, cast in votes.items()}
    row = compare_labelers(asked, votes, golds, CONFIG)["pairs"].row(0, named=True)
    assert (row["n"], row["accuracy_a"], row["accuracy_b"], row["only_a"]) == (4, 1.0, 0.0, 4)


def test_a_single_question_tells_nothing_and_breaks_nothing():
    row = one_pair(["yes"], ["yes"], ["no"])
    assert (row["n"], row["p_value"], row["detectable"]) == (1, 1.0, None)
    assert (row["low"], row["high"]) == (-1.0, 1.0)
    assert row["finding"].startswith("cannot tell")


def test_questions_of_one_document_are_one_piece_of_evidence():
    questions = [Question(f"q{n:02d}", "?", ("d",), "yes") for n in range(12)]
    asked = Corpus("by hand", documents_frame([]), questions_frame(questions), LABELS)
    votes = {"a": unanimous(["yes"] * 12), "b": unanimous(["no"] * 12)}
    known = asked.questions.select("question_id", "reference")
    golds = {reader: build_gold(cast, known, LABELS, ConsensusConfig()) for reader, cast in votes.items()}
    row = compare_labelers(asked, votes, golds, CONFIG)["pairs"].row(0, named=True)
    assert row["p_mcnemar"] == pytest.approx(2 / 2**12)
    assert row["p_value"] == 1.0
    assert row["finding"].startswith("cannot tell")


@pytest.mark.parametrize("labels", [("so", "not so"), tuple("abcdefgh")])
def test_label_sets_of_two_and_of_eight_are_compared_alike(labels, ballots, corpus_of):
    label_set = LabelSet(labels)
    right = [labels[n % len(labels)] for n in range(16)]
    asked = corpus_of(right, labels=label_set)
    sure = {one: [0.9 if one == label else 0.1 / (len(labels) - 1) for label in labels] for one in labels}
    ids = asked.questions["question_id"].to_list()
    votes = {
        "good": ballots({one: sure[label] for one, label in zip(ids, right, strict=True)}, label_set),
        "bad": ballots({one: sure[labels[0]] for one in ids}, label_set),
    }
    golds = {reader: build_gold(cast, asked.questions, label_set, ConsensusConfig()) for reader, cast in votes.items()}
    compared = compare_labelers(asked, votes, golds, CONFIG)
    row = compared["pairs"].row(0, named=True)
    n_first = right.count(labels[0])
    assert (row["accuracy_a"], row["accuracy_b"]) == (1.0, pytest.approx(n_first / 16))
    assert row["p_mcnemar"] == pytest.approx(2 / 2 ** (16 - n_first))
    assert compared["label_classes"].filter(reader="bad")["recall"].to_list() == [1.0] + [0.0] * (len(labels) - 1)


def test_labels_that_were_generated_are_compared_like_any_others(ballots, corpus_of):
    asked = corpus_of(["yes", "no", "no"])
    votes = {
        "writes": ballots({"q000": ["yes"] * 3, "q001": ["no", "yes", None], "q002": [None, "no", "no"]}),
        "reads": ballots({"q000": (0.2, 0.7, 0.1), "q001": (0.2, 0.7, 0.1), "q002": (0.2, 0.7, 0.1)}),
    }
    golds = {reader: build_gold(cast, asked.questions, LABELS, ConsensusConfig()) for reader, cast in votes.items()}
    row = compare_labelers(asked, votes, golds, CONFIG)["pairs"].row(0, named=True)
    # The first vote counts: yes, no, failed against no, no, no.
    assert (row["accuracy_a"], row["accuracy_b"], row["only_a"], row["only_b"]) == (
        pytest.approx(2 / 3), pytest.approx(2 / 3), 1, 1,
    )  # fmt: skip
    assert row["kappa"] == pytest.approx(cohen_kappa_score(["yes", "no", "none"], ["no", "no", "no"]))


def test_questions_of_a_document_widen_the_interval_of_a_gold_set(ballots, corpus_of):
    asked = corpus_of(["yes"] * 12, questions_per_document=3)
    shown = {f"q{n:03d}": (0.9, 0.05, 0.05) if n < 6 else (0.05, 0.9, 0.05) for n in range(12)}
    votes = {"a": ballots(shown), "b": ballots(shown)}
    golds = {reader: build_gold(cast, asked.questions, LABELS, ConsensusConfig()) for reader, cast in votes.items()}
    expected = wilson_clustered(np.repeat([1.0, 0.0], 6), np.repeat(["d0", "d1", "d2", "d3"], 3).tolist(), 0.95)
    for row in compare_labelers(asked, votes, golds, CONFIG)["own_gold"].iter_rows(named=True):
        assert (row["accuracy"], row["accuracy_low"], row["accuracy_high"]) == pytest.approx(tuple(expected))


def test_own_gold_sets_have_wilsons_interval():
    own = compare(["yes", "no", "yes", "no"], a=["yes", "yes", None, "no"], b=["yes", "no", "yes", None])["own_gold"]
    row = own.row(by_predicate=(pl.col("reader") == "a") & (pl.col("questions") == "own gold set"), named=True)
    assert (row["accuracy"], row["accuracy_low"], row["accuracy_high"]) == pytest.approx(tuple(wilson(2, 3)))


# The result in one line


def labelers(*rows):
    """Rows of reader, accuracy, standing."""
    named = [
        {"reader": reader, "accuracy": accuracy, "standing": standing,
         "qualified": standing == "better than the majority label"}
        for reader, accuracy, standing in rows
    ]  # fmt: skip
    return pl.DataFrame(named, schema=LABELERS)


def found(*rows):
    """Rows of a, b, and which of them is shown to be the better one, if any."""
    told = [
        {"a": a, "b": b, "difference": -0.2 if better == b else 0.2, "p_holm": 0.5 if better is None else 0.01}
        for a, b, better in rows
    ]
    return pl.DataFrame(told, schema=PAIRS)


def line_of(compared, pairs):
    return best_reader(compared, pairs, 0.95).line


BEATS, ONLY, CHANCE = "better than the majority label", "better than chance only", "at chance"


def test_the_line_names_who_beats_the_majority_label_and_who_is_at_chance_and_the_best():
    line = line_of(
        labelers(("small", 0.3, CHANCE), ("large", 0.9, BEATS), ("middle", 0.6, ONLY)),
        found(
            ("small", "large", "large"),
            ("small", "middle", None),
            ("large", "middle", "large"),
        ),
    )
    qualified, at_chance, best = line.removesuffix(".").split("; ")
    assert qualified.startswith("large beats")
    assert at_chance.startswith("small is at chance")
    assert best == "large is the best of them"


def test_the_line_names_no_best_where_one_pair_cannot_be_told():
    line = line_of(
        labelers(("a", 0.7, BEATS), ("b", 0.72, BEATS), ("c", 0.2, CHANCE)),
        found(("a", "b", None), ("a", "c", "a"), ("b", "c", "b")),
    )
    assert "a and b beat " in line
    assert "cannot tell which of b and a is best" in line
    assert "is the best" not in line


def test_the_line_says_so_where_nobody_qualifies():
    line = line_of(labelers(("a", 0.4, ONLY), ("b", 0.3, CHANCE)), found(("a", "b", None)))
    assert line.startswith("No reader is shown to beat")
    assert "b is at chance" in line


def test_the_line_keeps_the_case_of_a_name_that_comes_first():
    line = line_of(labelers(("qwen", 0.9, BEATS), ("b", 0.3, CHANCE)), found(("qwen", "b", "qwen")))
    assert line.startswith("qwen beats")


def test_without_a_question_in_common_the_line_says_that_it_cannot_tell():
    line = line_of(labelers(("a", None, None), ("b", None, None)), found())
    assert line == "Cannot tell: no two readers share a question with a reference label."
