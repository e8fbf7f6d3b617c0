import math
from itertools import permutations, product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.schema import LabelSet
from labeling.votes.sampling import Sampling, sampled_distribution
from results.readers.unanimity import (
    GRID,
    LAW,
    NEGLIGIBLE,
    RISK_COVERAGE,
    UNANIMITY,
    VOTE_CURVES,
    law_table,
    risk_coverage,
    summarise_unanimity,
    vote_curves,
)
from results.stats.clustered import gain_by_filter, holm, kept_accuracy, mean_of_shares, wilson

LABELS = LabelSet()
DESIGN = (0.6, 0.3, 0.1)
THREE = [(0.7, 0.2, 0.1), (0.1, 0.8, 0.1), (0.3, 0.3, 0.4)]  # a permuted labeler's three prompts
SAMPLINGS = (
    Sampling(),
    Sampling(0.5),
    Sampling(2.0, 2),
    Sampling(1.0, 0, 0.8),
    Sampling(0.7, 0, 1.0, 0.2),
    Sampling(0),
)


def outcomes(three, sampling):
    """Every outcome of three draws, with its probability: brute force over all labels cubed."""
    drawn = [sampled_distribution(np.array(one, dtype=float), sampling) for one in three]
    for labels in product(range(len(drawn[0])), repeat=3):
        yield labels, float(np.prod([drawn[vote][label] for vote, label in enumerate(labels)]))


def probability(three, sampling, event):
    return sum(p for labels, p in outcomes(three, sampling) if event(labels))


def is_unanimous(labels):
    return len(set(labels)) == 1


def many(cast_of, n=40, seed=0, labels=LABELS, **options):
    """A cast whose surest questions are right more often; three distributions a question."""
    rng = np.random.default_rng(seed)
    shown, references = {}, {}
    for number in range(n):
        sureness = rng.uniform(0.3, 8)
        right = int(rng.integers(len(labels)))
        centre = rng.dirichlet(np.ones(len(labels))) + sureness * np.eye(len(labels))[right]
        shown[f"q{number:02d}"] = [tuple(rng.dirichlet(3 * centre) * 0.97) for _ in range(3)]
        references[f"q{number:02d}"] = labels.labels[right]
    return cast_of(shown, references, labels=labels, **options)


def only(frame):
    assert len(frame) == 1
    return frame.row(0, named=True)


def summary(*casts):
    frame = summarise_unanimity(list(casts), 0.95)
    assert frame.schema == UNANIMITY
    return frame.rows(named=True)


def has_nan(frame):
    return any(isinstance(v, float) and not math.isfinite(v) for row in frame.iter_rows() for v in row)


# Reading the votes


def test_a_cast_holds_distributions_references_and_documents_in_order_of_the_questions(cast_of):
    shown = {"q2": DESIGN, "q1": THREE, "q3": DESIGN}
    cast = cast_of(shown, {"q1": "maybe", "q2": None, "q3": "yes"}, clusters={"q1": "d", "q3": "d"})
    assert cast.known.question_ids == ["q1", "q2", "q3"]
    assert cast.known.probabilities.shape == (3, 3, 3)
    assert cast.known.probabilities[0].tolist() == [list(one) for one in THREE]
    assert cast.references.tolist() == [2, -1, 0]
    assert cast.clusters == ["d", "q2", "d"]


def test_questions_whose_law_is_unknown_are_counted_and_left_out(cast_of):
    shown = {"a": DESIGN, "b": [DESIGN, None, DESIGN], "c": ["yes", "yes", "yes"], "d": [None] * 3}
    cast = cast_of(shown, dict.fromkeys(shown, "yes"))
    assert (cast.known.question_ids, cast.known.n_unknown) == (["a"], 3)
    # Drawn unanimously: a and c; a failed vote is no agreement, not even with two others that failed.
    assert cast.sampled_unanimous == pytest.approx(2 / 4)


def test_drawn_votes_are_unanimous_where_all_three_are_the_same_label(cast_of):
    drawn = {"a": ("no", "no", "no"), "b": ("no", "no", "yes"), "c": ("yes", "no", "maybe")}
    cast = cast_of(dict.fromkeys(drawn, DESIGN), dict.fromkeys(drawn, "yes"), drawn=drawn)
    assert cast.sampled_unanimous == pytest.approx(1 / 3)


# The law of each question


def test_the_law_of_one_question_equals_a_hand_computation(cast_of):
    row = only(law_table(cast_of({"q": DESIGN}, {"q": "no"}), LABELS))
    assert row["p_unanimous"] == pytest.approx(0.216 + 0.027 + 0.001)
    # At least two alike: 3 p^2 - 2 p^3 of each label.
    assert row["p_majority"] == pytest.approx(1.08 - 0.432 + 0.27 - 0.054 + 0.03 - 0.002)
    assert row["p_tie"] == pytest.approx(6 * 0.6 * 0.3 * 0.1)
    assert (row["p_right_single"], row["p_right_unanimous"]) == pytest.approx((0.3, 0.027))
    assert (row["label"], row["outside_mass"]) == ("yes", pytest.approx(0))


def distribution(n_labels):
    return st.lists(st.floats(0.001, 1), min_size=n_labels, max_size=n_labels).map(lambda p: [x / sum(p) for x in p])


@settings(max_examples=60)
@given(
    st.integers(2, 4).flatmap(lambda n: st.lists(distribution(n), min_size=3, max_size=3)),
    st.sampled_from(SAMPLINGS),
    st.data(),
)
def test_the_law_equals_a_count_of_all_outcomes(cast_of, three, sampling, data):
    labels = LabelSet(tuple("abcd"[: len(three[0])]))
    reference = data.draw(st.integers(0, len(labels) - 1))
    cast = cast_of({"q": three}, {"q": labels.labels[reference]}, sampling=sampling, labels=labels)
    row = only(law_table(cast, labels))
    expected = {
        "p_unanimous": is_unanimous,
        "p_majority": lambda drawn: len(set(drawn)) < 3,
        "p_tie": lambda drawn: len(set(drawn)) == 3,
        "p_right_unanimous": lambda drawn: set(drawn) == {reference},
    }
    for name, event in expected.items():
        assert row[name] == pytest.approx(probability(three, sampling, event), abs=1e-9), name
    single = sum(p * drawn.count(reference) / 3 for drawn, p in outcomes(three, sampling))
    assert row["p_right_single"] == pytest.approx(single, abs=1e-9)


def test_the_label_is_the_one_that_three_votes_most_probably_agree_on(cast_of):
    # On average "yes" is the most probable, but the third prompt never says it.
    three = [(0.9, 0.1, 0.0), (0.9, 0.1, 0.0), (0.0, 0.5, 0.5)]
    cast = cast_of({"q": three}, {"q": "no"})
    row = only(law_table(cast, LABELS))
    assert (row["label"], row["p_unanimous"]) == ("no", pytest.approx(0.1 * 0.1 * 0.5))
    assert row["p_right_single"] == pytest.approx(0.7 / 3)
    assert risk_coverage(cast, 0.95)["accuracy"].to_list() == [1.0]


def test_the_most_probable_label_is_that_of_the_first_prompt(cast_of):
    three = [(0.5, 0.4, 0.1), (0.1, 0.8, 0.1), (0.1, 0.8, 0.1)]
    row = summary(cast_of({"a": three, "b": three}, {"a": "yes", "b": "yes"}))[0]
    assert row["greedy"] == 1.0
    agree = 0.5 * 0.1 * 0.1 + 0.4 * 0.8 * 0.8 + 0.1 * 0.1 * 0.1
    assert row["greedy_gain"] == pytest.approx(0.005 / agree - 1)


def test_what_lies_outside_the_labels_is_recorded_and_changes_nothing_else(cast_of):
    half = [tuple(p * share for p in DESIGN) for share in (0.5, 1.0, 0.75)]
    whole, part = (only(law_table(cast_of({"q": p}, {"q": "yes"}), LABELS)) for p in (DESIGN, half))
    assert part["outside_mass"] == pytest.approx(0.25)
    assert part | {"outside_mass": 0} == pytest.approx(whole | {"outside_mass": 0})


def test_without_a_reference_only_what_needs_one_is_unknown(cast_of):
    frame = law_table(cast_of({"a": DESIGN, "b": DESIGN}, {"a": "yes"}), LABELS)
    assert frame.schema == LAW
    assert frame["p_right_single"].to_list() == [pytest.approx(0.6), None]
    assert frame["p_right_unanimous"].to_list() == [pytest.approx(0.216), None]
    assert frame["p_unanimous"].null_count() == 0


def test_without_distributions_the_tables_are_empty_but_typed(cast_of):
    cast = cast_of({"q": ["yes", "yes", "no"]}, {"q": "yes"})
    assert law_table(cast, LABELS).schema == LAW
    assert risk_coverage(cast, 0.95).schema == RISK_COVERAGE
    assert vote_curves(cast, 0.95).schema == VOTE_CURVES
    assert [len(table) for table in (law_table(cast, LABELS), risk_coverage(cast, 0.95), vote_curves(cast, 0.95))] == [
        0, 0, 0,
    ]  # fmt: skip


# What it is worth


def test_the_summary_of_two_questions_equals_a_hand_computation(cast_of):
    # Sure and right: .8 of "yes"; unsure, and right is "maybe" with .1, though "yes" is the most probable.
    shown, references = {"a": (0.8, 0.1, 0.1), "b": DESIGN}, {"a": "yes", "b": "maybe"}
    drawn = {"a": ("yes",) * 3, "b": ("yes", "yes", "no")}
    row = summary(cast_of(shown, references, drawn=drawn))[0]
    kept = (0.512 + 2 * 0.001, 0.244)
    assert row["p_unanimous"] == pytest.approx(sum(kept) / 2)
    assert row["p_tie"] == pytest.approx((6 * 0.8 * 0.01 + 6 * 0.018) / 2)
    assert row["sampled_unanimous"] == 0.5
    assert row["single"] == pytest.approx((0.8 + 0.1) / 2)
    assert row["accuracy"] == pytest.approx((0.512 + 0.001) / sum(kept))
    assert row["gain"] == pytest.approx(0.513 / sum(kept) - 0.45)
    assert row["greedy"] == 0.5
    assert row["greedy_gain"] == pytest.approx(0.513 / sum(kept) - 0.5)
    # The surer one comes first and is right, then half of both: mean of risks 0 and .5.
    assert row["aurc"] == pytest.approx(0.25)
    assert (row["n"], row["n_unknown"]) == (2, 0)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_summary_is_the_expectation_over_all_outcomes(cast_of, sampling):
    cast = many(cast_of, 12, 1, sampling=sampling)
    row = summary(cast)[0]
    kept = right = single = 0.0
    for three, reference in zip(cast.known.probabilities, cast.references, strict=True):
        for drawn, p in outcomes(three, sampling):
            kept += p * is_unanimous(drawn)
            right += p * (set(drawn) == {reference})
            single += p * drawn.count(reference) / 3
    assert row["p_unanimous"] == pytest.approx(kept / 12)
    assert row["accuracy"] == pytest.approx(right / kept)
    assert row["single"] == pytest.approx(single / 12)
    assert row["gain"] == pytest.approx(right / kept - single / 12)


def test_intervals_and_p_values_are_those_of_the_statistics_by_document(cast_of):
    clusters = {f"q{n:02d}": f"d{n // 3}" for n in range(40)}
    cast = many(cast_of, clusters=clusters)
    row, law = summary(cast)[0], law_table(cast, LABELS)
    kept, right, single = (law[name].to_numpy() for name in ("p_unanimous", "p_right_unanimous", "p_right_single"))
    greedy = (cast.known.probabilities[:, 0].argmax(axis=-1) == cast.references).astype(float)
    documents = [clusters[one] for one in law["question_id"]]
    expected = {
        "single": mean_of_shares(single, documents, 0.95),
        "accuracy": kept_accuracy(kept, right, documents, 0.95),
        "gain": gain_by_filter(kept, right, single, documents, 0.95),
        "greedy_gain": gain_by_filter(kept, right, greedy, documents, 0.95),
    }
    for name, found in expected.items():
        assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(found[:3])
    assert row["p_value"] == pytest.approx(expected["gain"].p_value)
    assert row["greedy_p_value"] == pytest.approx(expected["greedy_gain"].p_value)


def test_a_drawn_vote_is_unanimous_and_right_as_often_as_the_law_says(cast_of):
    cast, rng = many(cast_of, 20, 2), np.random.default_rng(0)
    kept = right = 0
    for three, reference in zip(cast.known.probabilities, cast.references, strict=True):
        drawn = np.stack([rng.choice(3, 2000, p=p / p.sum()) for p in three])
        agree = (drawn == drawn[0]).all(axis=0)
        kept, right = kept + agree.sum(), right + (agree & (drawn[0] == reference)).sum()
    row = summary(cast)[0]
    assert row["p_unanimous"] == pytest.approx(kept / 40_000, abs=0.01)
    assert row["accuracy"] == pytest.approx(right / kept, abs=0.01)


def test_p_values_are_corrected_over_the_labelers_that_have_one(cast_of):
    casts = [many(cast_of, 30, seed, reader=f"r{seed}") for seed in range(3)]
    silent = cast_of({"q": ["yes"] * 3}, {"q": "yes"}, reader="writes")
    rows = summary(casts[0], silent, *casts[1:])
    assert [row["reader"] for row in rows] == ["r0", "writes", "r1", "r2"]
    known = [rows[0], *rows[2:]]
    for name, target in (("p_value", "p_holm"), ("greedy_p_value", "greedy_p_holm")):
        assert [row[target] for row in known] == pytest.approx(holm([row[name] for row in known]))
        assert rows[1][target] is None
    alone = summary(casts[0])[0]
    assert alone["p_holm"] == alone["p_value"] == rows[0]["p_value"]


def test_unanimity_that_tells_right_from_wrong_is_found_to_raise_accuracy(cast_of):
    sure, unsure = (0.96, 0.02, 0.02), (0.4, 0.35, 0.25)
    shown = {f"q{n:02d}": sure if n < 30 else unsure for n in range(60)}
    references = {f"q{n:02d}": "yes" if n < 30 else ("no", "maybe")[n % 2] for n in range(60)}
    row = summary(cast_of(shown, references))[0]
    assert row["gain_low"] > 0.2
    assert row["greedy_gain_low"] > 0.2
    assert row["finding"] == "over its most probable label: raises accuracy; over a single vote: raises accuracy"


def test_unanimity_of_a_labeler_that_is_surely_wrong_is_found_to_lower_accuracy(cast_of):
    shown = {f"q{n:02d}": (0.96, 0.02, 0.02) if n < 30 else (0.4, 0.35, 0.25) for n in range(60)}
    references = {f"q{n:02d}": "no" if n < 30 else "yes" for n in range(60)}
    row = summary(cast_of(shown, references))[0]
    assert row["gain_high"] < 0
    assert [part.split(": ")[1] for part in row["finding"].split("; ")] == ["lowers accuracy"] * 2


def test_equally_sure_questions_gain_by_drawing_thrice_but_nothing_over_the_most_probable_label(cast_of):
    # Half of them right, all .8 sure: a single vote is right half of .8 and of .1, three that agree about half of .51.
    shown = {f"q{n:02d}": (0.8, 0.1, 0.1) for n in range(40)}
    references = {f"q{n:02d}": "yes" if n % 2 else "no" for n in range(40)}
    row = summary(cast_of(shown, references))[0]
    assert row["single"] == pytest.approx((0.8 + 0.1) / 2)
    assert row["accuracy"] == pytest.approx((0.512 + 0.001) / 2 / 0.514)
    assert row["gain"] > 0.04
    assert row["greedy_gain"] == pytest.approx(0, abs=0.002)


def test_a_difference_that_only_the_exactness_of_the_law_can_see_is_no_finding(cast_of):
    # Equally sure of everything: agreement says nothing, and .0024 is what three draws of .8 / .1 / .1 get wrong.
    shown = {f"q{n:03d}": (0.8, 0.1, 0.1) for n in range(200)}
    row = summary(cast_of(shown, {one: "yes" if n % 4 else "no" for n, one in enumerate(shown)}))[0]
    assert abs(row["greedy_gain"]) < 0.0025
    over_greedy, over_vote = row["finding"].split("; ")
    assert over_greedy == "over its most probable label: changes accuracy by less than 0.01"
    assert over_vote == "over a single vote: raises accuracy"


def test_an_interval_that_reaches_beyond_what_is_negligible_is_not_called_so(cast_of):
    # The same gain, on few questions that are not equally sure: its interval is wider than a hundredth.
    shown = {f"q{n}": (0.9, 0.05, 0.05) if n % 2 else (0.7, 0.15, 0.15) for n in range(8)}
    row = summary(cast_of(shown, {one: "yes" if n % 4 < 2 else "no" for n, one in enumerate(shown)}))[0]
    assert abs(row["greedy_gain"]) < NEGLIGIBLE
    assert max(-row["greedy_gain_low"], row["greedy_gain_high"]) > NEGLIGIBLE
    assert row["finding"].startswith("over its most probable label: cannot tell;")


def test_a_gain_that_every_question_has_alike_is_not_both_certain_and_unknown(cast_of):
    shown = {f"q{n:02d}": (0.75, 0.25, 0.0) for n in range(16)}
    row = summary(cast_of(shown, dict.fromkeys(shown, "yes")))[0]
    assert row["gain"] == pytest.approx(0.75**3 / (0.75**3 + 0.25**3) - 0.75)
    assert (row["gain_low"] <= 0 <= row["gain_high"]) == (row["p_value"] >= 0.05)


def test_without_references_the_coverage_is_known_and_the_accuracy_is_not(cast_of):
    row = summary(cast_of({"a": DESIGN, "b": DESIGN}, {}))[0]
    assert row["p_unanimous"] == pytest.approx(0.244)
    unknown = ("single", "accuracy", "gain", "p_value", "p_holm", "greedy", "greedy_gain", "greedy_p_holm", "aurc")
    assert [row[name] for name in unknown] == [None] * len(unknown)
    assert row["finding"].startswith("unknown")


def test_without_distributions_only_the_drawn_votes_are_known(cast_of):
    row = summary(cast_of({"a": ["yes"] * 3, "b": ["yes", "no", None]}, {"a": "yes", "b": "no"}))[0]
    assert (row["n"], row["n_unknown"], row["sampled_unanimous"]) == (0, 2, 0.5)
    assert row["p_unanimous"] is None
    assert row["finding"].startswith("unknown")


def test_questions_without_a_reference_count_for_the_coverage_only(cast_of):
    sure = (0.9, 0.05, 0.05)
    row = summary(cast_of({"a": sure, "b": sure, "c": DESIGN}, {"a": "yes", "b": "no"}))[0]
    assert row["p_unanimous"] == pytest.approx((2 * (0.729 + 2 * 0.05**3) + 0.244) / 3)
    assert row["greedy"] == 0.5
    assert row["single"] == pytest.approx((0.9 + 0.05) / 2)


def test_one_question_and_one_document_tell_nothing(cast_of):
    alone = cast_of({"q": DESIGN}, {"q": "yes"})
    together = many(cast_of, clusters={f"q{n:02d}": "d" for n in range(40)})
    for row in summary(alone, together):
        assert (row["p_value"], row["gain_low"], row["gain_high"]) == (1.0, -1.0, 1.0)
        assert (row["accuracy_low"], row["accuracy_high"]) == (0.0, 1.0)
        assert row["finding"].count("cannot tell") == 2


@pytest.mark.parametrize("n_labels", [2, 8])
def test_label_sets_of_two_and_of_eight_have_a_law(cast_of, n_labels):
    labels = LabelSet(tuple("abcdefgh"[:n_labels]))
    cast = many(cast_of, 30, 3, labels)
    row, law = summary(cast)[0], law_table(cast, labels)
    if n_labels == 2:
        assert row["p_tie"] == pytest.approx(0)  # of two labels, two votes in three agree
        assert row["p_majority"] == pytest.approx(1)
    else:
        assert 0 < row["p_tie"] < 1
    assert (law["p_majority"] + law["p_tie"]).to_list() == pytest.approx([1] * 30)
    assert row["accuracy"] > row["single"]
    assert not has_nan(law)


def test_always_one_label_is_unanimous_and_gains_nothing(cast_of):
    always = (1.0, 0.0, 0.0)
    shown = {f"q{n:02d}": always for n in range(20)}
    row = summary(cast_of(shown, {f"q{n:02d}": "yes" if n < 12 else "no" for n in range(20)}))[0]
    assert (row["p_unanimous"], row["sampled_unanimous"]) == (1.0, 1.0)
    assert (row["single"], row["accuracy"], row["greedy"]) == pytest.approx((0.6, 0.6, 0.6))
    assert row["gain"] == pytest.approx(0)
    # On 20 questions even that is not known to a hundredth.
    assert row["finding"].count("cannot tell") == 2


def test_three_prompts_that_never_agree_have_unknown_accuracy_and_not_nan(cast_of):
    never = [(0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)]
    cast = cast_of({"a": never, "b": never}, {"a": "yes", "b": "no"}, sampling=Sampling(0))
    row, frames = summary(cast)[0], (summarise_unanimity([cast], 0.95), vote_curves(cast, 0.95))
    assert (row["p_unanimous"], row["finding"]) == (0, "unknown: its votes never agree")
    assert not any(has_nan(frame) for frame in frames)
    assert [row[name] for name in ("accuracy", "gain", "greedy_gain")] == [None] * 3


# Risk and coverage


def surest_first(cast_of, flags, sureness, **options):
    """One question for each flag, right or not, with this probability of its most probable label."""
    shown = {f"q{n:02d}": (p, (1 - p) / 2, (1 - p) / 2) for n, p in enumerate(sureness)}
    references = {f"q{n:02d}": "yes" if flag else "no" for n, flag in enumerate(flags)}
    return cast_of(shown, references, **options)


def test_the_risk_coverage_curve_equals_a_hand_computation(cast_of):
    # Surest first: .9 right, twice .8 (one right) come in together, .5 wrong.
    cast = surest_first(cast_of, [True, False, True, False], [0.8, 0.5, 0.9, 0.8])
    curve = risk_coverage(cast, 0.95)
    assert curve.schema == RISK_COVERAGE
    assert curve["n"].to_list() == [1, 3, 4]
    assert curve["coverage"].to_list() == pytest.approx([1 / 4, 3 / 4, 1])
    assert curve["accuracy"].to_list() == pytest.approx([1, 2 / 3, 1 / 2])
    assert curve["threshold"].to_list() == pytest.approx([p**3 + 2 * ((1 - p) / 2) ** 3 for p in (0.9, 0.8, 0.5)])
    assert curve.select("accuracy", "low", "high").row(1) == pytest.approx(tuple(wilson(2, 3)))
    # Risks 0, 1/3, 1/2 over steps of coverage 1/4, 1/2, 1/4.
    assert summary(cast)[0]["aurc"] == pytest.approx(0 / 4 + 1 / 3 / 2 + 1 / 2 / 4)


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_the_area_is_the_mean_risk_over_all_coverages(cast_of, flags, random):
    sureness = [0.4 + 0.5 * (n + 1) / (len(flags) + 1) for n in range(len(flags))]
    order = list(range(len(flags)))
    random.shuffle(order)
    cast = surest_first(cast_of, [flags[n] for n in order], [sureness[n] for n in order])
    ranked = flags[::-1]  # the last is the surest
    risks = [1 - sum(ranked[: n + 1]) / (n + 1) for n in range(len(ranked))]
    assert summary(cast)[0]["aurc"] == pytest.approx(np.mean(risks))


def test_knowing_what_one_knows_makes_a_smaller_area_than_not_knowing_it(cast_of):
    sureness = [0.4 + n / 100 for n in range(40)]
    good = surest_first(cast_of, [n >= 20 for n in range(40)], sureness)
    bad = surest_first(cast_of, [n < 20 for n in range(40)], sureness)
    assert summary(good)[0]["aurc"] < 0.2 < 0.8 < summary(bad)[0]["aurc"]


def test_the_curve_ends_with_every_question_and_falls_in_threshold(cast_of):
    cast = many(cast_of)
    curve = risk_coverage(cast, 0.9)
    law = law_table(cast, LABELS)
    assert curve["coverage"][-1] == 1.0
    assert curve["threshold"].is_sorted(descending=True)
    right = [LABELS.index(label) == at for label, at in zip(law["label"], cast.references, strict=True)]
    assert curve["accuracy"][-1] == pytest.approx(np.mean(right))
    for threshold, n in curve.select("threshold", "n").iter_rows():
        assert n == (law["p_unanimous"].round(12) >= threshold).sum()


def test_only_questions_with_a_reference_are_on_the_curve(cast_of):
    cast = cast_of({"a": DESIGN, "b": (0.9, 0.05, 0.05)}, {"a": "yes"})
    assert risk_coverage(cast, 0.95)["n"].to_list() == [1]
    assert len(risk_coverage(cast_of({"a": DESIGN}, {}), 0.95)) == 0


def test_questions_that_are_equally_sure_of_different_labels_come_in_together(cast_of):
    shown = {f"q{n}": p for n, p in enumerate(permutations((0.7, 0.2, 0.1)))}
    curve = risk_coverage(cast_of(shown, dict.fromkeys(shown, "yes")), 0.95)
    assert curve["n"].to_list() == [6]


# Other sampling


def test_every_parameter_has_its_grid_and_the_labelers_own_value_once(cast_of):
    curves = vote_curves(many(cast_of, sampling=Sampling(0.65, 0, 0.95, 0.1)), 0.95)
    assert curves.schema == VOTE_CURVES
    own = {"temperature": 0.65, "top_p": 0.95, "min_p": 0.1}
    for parameter, grid in GRID.items():
        points = curves.filter(pl.col("parameter") == parameter)
        assert points["value"].to_list() == sorted({*grid, own[parameter]})
        assert points.filter("is_own")["value"].to_list() == [own[parameter]]


def test_the_labelers_own_point_is_its_summary(cast_of):
    cast = many(cast_of, sampling=Sampling(0.8, 0, 0.9, 0.05))
    row = summary(cast)[0]
    for point in vote_curves(cast, 0.95).filter("is_own").iter_rows(named=True):
        assert point["coverage"] == pytest.approx(row["p_unanimous"])
        for name in ("accuracy", "accuracy_low", "accuracy_high", "single"):
            assert point[name] == pytest.approx(row[name])


@pytest.mark.parametrize(("parameter", "value"), [("temperature", 0.2), ("top_p", 0.7), ("min_p", 0.3)])
def test_every_point_is_the_summary_under_that_sampling(cast_of, parameter, value):
    sampling = Sampling(0.8, 0, 0.9, 0.05)
    curves = vote_curves(many(cast_of, sampling=sampling), 0.95)
    point = only(curves.filter((pl.col("parameter") == parameter) & (pl.col("value") == value)))
    row = summary(many(cast_of, sampling=sampling._replace(**{parameter: value})))[0]
    assert (point["coverage"], point["accuracy"], point["single"]) == pytest.approx(
        (row["p_unanimous"], row["accuracy"], row["single"])
    )


def test_one_prompt_agrees_the_less_the_hotter_it_is(cast_of):
    shown = {f"q{n}": p for n, p in enumerate([DESIGN, (0.5, 0.4, 0.1), (0.1, 0.2, 0.7)])}
    points = vote_curves(cast_of(shown, {}), 0.95).filter(pl.col("parameter") == "temperature")
    assert points["coverage"].is_sorted(descending=True)
    assert points["coverage"][0] > 0.9 > 0.2 > points["coverage"][-1]
    assert points["accuracy"].null_count() == len(points)


def test_coverage_lies_within_its_interval_and_the_interval_within_what_is_possible(cast_of):
    curves = vote_curves(many(cast_of, 15), 0.95)
    for name in ("coverage", "accuracy"):
        low, middle, high = (curves[name + end] for end in ("_low", "", "_high"))
        assert ((low >= 0) & (low <= middle + 1e-12) & (middle <= high + 1e-12) & (high <= 1)).all()
