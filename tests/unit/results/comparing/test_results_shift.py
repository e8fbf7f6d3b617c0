import math

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_ind_from_stats

from results.comparing.shift import CORPORA, SHIFTS, OnCorpus, compare_corpora
from results.readers.labelers import LABELERS
from results.stats.chance_agreement import above_chance
from results.stats.clustered import holm

BEATS, ONLY, CHANCE = "better than the majority label", "better than chance only", "at chance"


def majority_of(references):
    """The most frequent label, of equally frequent ones the first in the alphabet, as in the labelers' table."""
    return max(sorted(set(references)), key=references.count)


def on(name, references, standing=ONLY, clusters=None, **answers):
    """A corpus with its labelers; where `references` are None there is nothing to judge by."""
    clusters = clusters or [f"{name}{n}" for n in range(len(references))]
    known = [one for one in references if one is not None]
    majority = majority_of(known) if known else None
    rows, judged = [], {}
    for reader, given in answers.items():
        columns = {
            "question_id": [f"q{n}" for n in range(len(references))], "label": given, "reference": references,
            "cluster": clusters,
        }  # fmt: skip
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        judged[reader] = frame.filter(pl.col("reference").is_not_null())
        row = {"reader": reader, "n": len(references), "standing": standing if known else None}
        if known:
            right = sum(a == b for a, b in zip(given, references, strict=True)) / len(known)
            row |= {"accuracy": right, "accuracy_low": right / 2, "accuracy_high": 1.0, "majority_label": majority}
            row |= {"majority_share": known.count(majority) / len(known)}
        rows.append(row)
    return OnCorpus(name, pl.DataFrame(rows, schema=LABELERS), judged)


def compared(*corpora):
    tables = compare_corpora(list(corpora), 0.95)
    assert (tables["corpora"].schema, tables["shifts"].schema) == (CORPORA, SHIFTS)
    return tables


def drawn(n, share_right, seed, majority=0.6):
    rng = np.random.default_rng(seed)
    references = np.where(rng.random(n) < majority, "yes", "no")
    other = np.where(references == "yes", "no", "yes")
    return references.tolist(), np.where(rng.random(n) < share_right, references, other).tolist()


def above(references, answers, clusters=None):
    clusters = clusters or [f"d{n}" for n in range(len(references))]
    return above_chance(answers, references, clusters, 0.95)


def test_how_far_a_labeler_is_above_chance_is_counted_by_hand():
    # Right on 3 of 4; shuffled, its three "yes" and one "no" would be on 2: 1/4 above. There on 1 of 4, where its two
    # "yes" would meet the one in four, its two "no" the three in four: 2 of 4, 1/4 below.
    there = on("there", ["no", "no", "no", "yes"], r=["yes", "yes", "no", "no"])
    tables = compared(on("here", ["yes", "yes", "no", "no"], r=["yes", "yes", "no", "yes"]), there)
    here, other = tables["corpora"].iter_rows(named=True)
    assert (here["corpus"], here["accuracy"], here["majority_share"]) == ("here", 0.75, 0.5)
    assert here["above_chance"] == pytest.approx(0.25)
    assert (other["corpus"], other["above_chance"]) == ("there", pytest.approx(-0.25))
    shift = tables["shifts"].row(0, named=True)
    assert (shift["reader"], shift["from"], shift["to"]) == ("r", "here", "there")
    assert shift["difference"] == pytest.approx(-0.5)


def test_a_shift_is_tested_with_welchs_t():
    # Few questions here and many there: degrees of freedom between those of the one and of both together.
    here, there = drawn(12, 0.8, 1), drawn(90, 0.6, 2)
    shift = compared(on("here", here[0], r=here[1]), on("there", there[0], r=there[1]))["shifts"].row(0, named=True)
    first, second = above(*here), above(*there)
    expected = ttest_ind_from_stats(
        second.difference, second.standard_error * math.sqrt(90), 90,
        first.difference, first.standard_error * math.sqrt(12), 12, equal_var=False,
    )  # fmt: skip
    assert shift["difference"] == pytest.approx(second.difference - first.difference)
    assert shift["p_value"] == pytest.approx(expected.pvalue)
    reach = (shift["high"] - shift["low"]) / 2
    assert shift["low"] + reach == pytest.approx(shift["difference"])
    # At the ends of the interval the test would be just significant.
    at_end = ttest_ind_from_stats(
        reach, second.standard_error * math.sqrt(90), 90, 0, first.standard_error * math.sqrt(12), 12, equal_var=False
    )
    assert at_end.pvalue == pytest.approx(0.05)


def test_questions_of_a_document_are_summed_before_their_variance():
    references, answers = drawn(60, 0.7, 3)
    clusters = [f"d{n // 4}" for n in range(60)]
    corpus, other = on("here", references, clusters=clusters, r=answers), drawn(40, 0.7, 4)
    tables = compared(corpus, on("there", other[0], r=other[1]))
    row, shift = tables["corpora"].row(0, named=True), tables["shifts"].row(0, named=True)
    expected, there = above(references, answers, clusters), above(*other)
    assert (row["above_chance"], row["above_low"], row["above_high"]) == pytest.approx(expected[:3])
    # The 15 documents, not the 60 questions, are what Welch's degrees of freedom count.
    welch = ttest_ind_from_stats(
        there.difference, there.standard_error * math.sqrt(40), 40,
        expected.difference, expected.standard_error * math.sqrt(15), 15, equal_var=False,
    )  # fmt: skip
    assert shift["p_value"] == pytest.approx(welch.pvalue)


def test_each_other_corpus_is_held_against_the_first_with_holm_over_all():
    sets = {name: drawn(80, 0.75, seed) for seed, name in enumerate(("a", "b", "c"), 4)}
    readers = {name: (references, answers, drawn(80, 0.9, 9)[1]) for name, (references, answers) in sets.items()}
    shifts = compared(*(on(name, one[0], r=one[1], s=one[2]) for name, one in readers.items()))["shifts"]
    assert shifts.select("reader", "from", "to").sort("reader", "to").rows() == [
        ("r", "a", "b"), ("r", "a", "c"), ("s", "a", "b"), ("s", "a", "c"),
    ]  # fmt: skip
    assert shifts["p_holm"].to_list() == pytest.approx(holm(shifts["p_value"].to_list()))


@pytest.mark.parametrize(("there", "finding"), [(0.98, "gains"), (0.3, "loses"), (0.77, "cannot tell")])
def test_a_planted_shift_is_found(there, finding):
    here, other = drawn(200, 0.75, 5), drawn(200, there, 6)
    shift = compared(on("here", here[0], r=here[1]), on("there", other[0], r=other[1]))["shifts"].row(0, named=True)
    assert shift["finding"] == finding


def test_at_chance_on_both_is_no_finding_about_a_gain():
    here, other = drawn(200, 0.3, 5, 0.9), drawn(200, 0.9, 6, 0.5)
    tables = compared(on("here", here[0], CHANCE, r=here[1]), on("there", other[0], CHANCE, r=other[1]))
    row = tables["shifts"].row(0, named=True)
    assert (row["standing_from"], row["standing_to"], row["finding"]) == (CHANCE, CHANCE, "stays at chance")


def truly_above(share_right, majority):
    """Of `drawn`: accuracy less what its "yes" and "no" would be right by chance."""
    says_yes = majority * share_right + (1 - majority) * (1 - share_right)
    return share_right - says_yes * majority - (1 - says_yes) * (1 - majority)


def test_the_interval_of_a_shift_covers_it_about_as_often_as_it_says():
    covered = 0
    for seed in range(300):
        here, other = drawn(80, 0.8, 2 * seed), drawn(60, 0.7, 2 * seed + 1, 0.75)
        shift = compared(on("h", here[0], r=here[1]), on("t", other[0], r=other[1]))["shifts"].row(0, named=True)
        covered += shift["low"] <= truly_above(0.7, 0.75) - truly_above(0.8, 0.6) <= shift["high"]
    assert 0.92 <= covered / 300 <= 0.98


def test_corpora_without_references_are_left_out():
    references, answers = drawn(20, 0.8, 0)
    tables = compared(on("here", references, r=answers), on("there", [None] * 5, r=["yes"] * 5))
    assert tables["corpora"]["corpus"].to_list() == ["here"]
    assert tables["shifts"].is_empty()
    nothing = compared(on("here", [None] * 5, r=["yes"] * 5), on("there", references, r=answers))
    assert nothing["corpora"]["corpus"].to_list() == ["there"]
    assert nothing["shifts"].is_empty()


def test_always_the_majority_label_is_at_chance_everywhere():
    tables = compared(
        on("here", ["yes", "no", "yes"] * 10, r=["yes"] * 30), on("there", ["yes"] * 9 + ["no"], r=["yes"] * 10)
    )
    assert tables["corpora"]["above_chance"].to_list() == pytest.approx([0.0, 0.0])
    assert tables["shifts"]["difference"].to_list() == pytest.approx([0.0])
    assert tables["shifts"].select("p_value", "finding").rows() == [(1.0, "cannot tell")]


def test_a_failed_vote_is_wrong_and_would_be_wherever_it_fell():
    row = compared(on("here", ["yes", "yes", "no"], r=[None, "yes", None]))["corpora"].row(0, named=True)
    assert row["above_chance"] == pytest.approx(1 / 3 - 1 / 3 * 2 / 3)


def test_a_corpus_of_one_document_says_nothing_in_finite_numbers():
    here, other = drawn(20, 0.8, 0), drawn(20, 0.3, 1)
    tables = compared(on("here", here[0], r=here[1]), on("there", other[0], clusters=["d"] * 20, r=other[1]))
    shift = tables["shifts"].row(0, named=True)
    assert (shift["p_value"], shift["finding"]) == (1.0, "cannot tell")
    assert (shift["low"], shift["high"]) == (-2.0, 2.0)


def test_the_interval_and_the_p_value_of_a_shift_do_not_contradict_each_other():
    # Always "yes", which is all of the one corpus and nothing of the other.
    tables = compared(on("here", ["yes"] * 20, r=["yes"] * 20), on("there", ["no"] * 20, r=["yes"] * 20))
    shift = tables["shifts"].row(0, named=True)
    assert (shift["difference"], shift["low"], shift["high"], shift["p_value"]) == (0.0, -2.0, 2.0, 1.0)
    here, there = drawn(50, 0.8, 3), drawn(50, 0.7, 4)
    for second in (there, (there[0], there[0])):
        tables = compared(on("here", here[0], r=here[1]), on("there", second[0], r=second[1]))
        shift = tables["shifts"].row(0, named=True)
        assert (shift["low"] <= 0 <= shift["high"]) == (shift["p_value"] >= 0.05)
