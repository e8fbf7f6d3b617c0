from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, fisher_exact
from sklearn.metrics import cohen_kappa_score

from results.readers.labelers import LABELERS
from results.readers.qualification import correct, holm_of_known, weigh
from results.stats.chance_agreement import above_chance, agreement_against_chance
from results.stats.clustered import holm, wilson

LABELS = ("yes", "no", "maybe")
BEATS, ONLY, CHANCE = "better than the majority label", "better than chance only", "at chance"
UNKNOWN = "cannot tell"
LEAST = 1 / 20_001  # p-value of what no shuffle reaches
MANY = pytest.mark.parametrize("n", [60, pytest.param(300, marks=pytest.mark.slow)], ids=lambda n: f"{n} runs")


def judged(answers, references, clusters=None):
    clusters = clusters or [f"d{number}" for number in range(len(references))]
    schema = {"label": pl.String, "reference": pl.String, "cluster": pl.String}
    return pl.DataFrame([list(answers), list(references), list(clusters)], schema=schema)


def weighed(answers, references, clusters=None):
    return weigh(judged(answers, references, clusters), 0.95)


def labelers(*p_values, above=0.05):
    """One labeler for each pair of p-values, against the majority label and against chance."""
    rows = [
        {"reader": f"r{n}", "p_vs_majority": p, "p_vs_chance": q, "above_chance_high": None if q is None else above}
        for n, (p, q) in enumerate(p_values)
    ]
    return pl.DataFrame(rows, schema=LABELERS)


# Against the majority label


def test_better_than_the_majority_label_is_the_one_sided_exact_mcnemar_test():
    # "yes" is right 6 of 10 times. The labeler gains 3 of the 4 "no" and loses 1 "yes".
    references = ["yes"] * 6 + ["no"] * 4
    answers = ["yes"] * 5 + ["no"] + ["no"] * 3 + ["yes"]
    found = weighed(answers, references)
    assert (found.majority_label, found.majority_share) == ("yes", pytest.approx(0.6))
    assert found.p_vs_majority == pytest.approx(binomtest(3, 4, alternative="greater").pvalue)
    assert found.p_vs_majority == pytest.approx((4 + 1) / 2**4)


def test_choices_at_random_are_drawn_among_choices_alone_and_one_answer_that_all_have_is_a_constant():
    # Two choices each, and "not stated" is never right: who always gives the first is right half the time by chance.
    n = 60
    frame = judged(["A"] * n, ["A", "B"] * (n // 2)).with_columns(guess=0.5, constant=pl.lit(None, pl.String))
    found = weigh(frame, 0.95)
    assert (found.majority_label, found.majority_share) == (None, 0.5)
    assert found.p_vs_majority == pytest.approx(binom.sf(n // 2 - 1, n, 0.5))
    # All questions have the choices yes and no, and yes is right in 54 of 60: who always says so shows nothing.
    places = ["A", "B"] * 27 + ["A"] * 6
    says_yes = places[:54] + ["B"] * 6
    constant = pl.Series("constant", ["yes"] * 54 + ["no"] * 6)
    always = weigh(judged(says_yes, places).with_columns(constant, guess=0.5), 0.95)
    assert (always.majority_label, always.majority_share) == ("yes", pytest.approx(0.9))
    assert always.p_vs_majority == 1.0
    # Chances that differ: the number of right ones is a sum of unequal draws, here by hand.
    few = judged(["A"] * 2, ["A"] * 2).with_columns(guess=pl.Series([1 / 2, 1 / 3]), constant=pl.lit(None, pl.String))
    assert weigh(few, 0.95).p_vs_majority == pytest.approx(1 / 6)


answered = st.lists(
    st.tuples(st.sampled_from(LABELS), st.sampled_from([*LABELS, None]), st.integers(0, 5)), min_size=1, max_size=20
)


@settings(max_examples=80)
@given(answered)
def test_the_evidence_against_the_majority_label_counts_the_signs_of_documents(questions):
    references, answers, documents = zip(*questions, strict=True)
    found = weighed(answers, references, [f"d{document}" for document in documents])
    gains = dict.fromkeys(documents, 0)
    for reference, answer, document in questions:
        gains[document] += (answer == reference) - (found.majority_label == reference)
    sums = list(gains.values())
    patterns = [np.dot(signs, np.abs(sums)) >= sum(sums) for signs in product((-1, 1), repeat=len(sums))]
    assert found.p_vs_majority == pytest.approx(np.mean(patterns))
    assert found.majority_share == pytest.approx(max(references.count(label) for label in LABELS) / len(references))


def test_of_equally_frequent_labels_the_first_in_the_alphabet_is_the_majority():
    assert weighed(["yes"] * 4, ["yes", "no", "no", "yes"]).majority_label == "no"


@pytest.mark.parametrize("always", ["yes", "no", None])
def test_always_the_same_answer_or_none_is_never_better_than_anything(always):
    found = weighed([always] * 20, ["yes"] * 14 + ["no"] * 6)
    assert found.p_vs_majority == 1.0 if always == "yes" else found.p_vs_majority > 0.9
    assert found.p_vs_chance == 1.0
    assert found.chance == pytest.approx({"yes": 0.7, "no": 0.3, None: 0.0}[always])


def test_a_failed_vote_is_a_wrong_answer():
    references = ["yes", "no"] * 10
    failing = [None if number < 4 else reference for number, reference in enumerate(references)]
    found, all_right = weighed(failing, references), weighed(references, references)
    # Majority "no" by the alphabet: 8 of the 10 "yes" gained, 2 of the "no" lost, against 10 gained.
    assert found.p_vs_majority == pytest.approx(binomtest(8, 10, alternative="greater").pvalue)
    assert all_right.p_vs_majority == pytest.approx(1 / 2**10)


def test_one_question_or_one_document_cannot_qualify_anybody():
    assert weighed(["yes"], ["yes"]).p_vs_majority == 1.0
    found = weighed(["yes", "no"] * 10, ["yes", "no"] * 10, ["d"] * 20)
    assert found.p_vs_majority == pytest.approx(1 / 2)


def test_nothing_to_judge_by_is_no_evidence():
    assert weighed([], []) is None


@MANY
def test_guessing_labelers_seldom_beat_the_majority_label(n):
    rng = np.random.default_rng(0)
    found = [
        weighed(rng.choice(LABELS, 60), rng.choice(LABELS, 60, p=(0.4, 0.35, 0.25))).p_vs_majority for _ in range(n)
    ]
    assert np.mean(np.array(found) < 0.05) <= 0.05


# Against chance


@given(answered)
def test_chance_is_the_agreement_that_kappa_expects(questions):
    references, answers, _ = zip(*questions, strict=True)
    found = weighed(answers, references)
    given_ = [answer or "none" for answer in answers]
    accuracy = np.mean([a == b for a, b in zip(given_, references, strict=True)])
    if found.chance < 1 - 1e-9:
        kappa = (accuracy - found.chance) / (1 - found.chance)
        assert kappa == pytest.approx(cohen_kappa_score(given_, references), abs=1e-9)


def test_an_informed_labeler_with_a_bias_beats_chance_but_not_the_majority_label():
    # Right on 70 % of the "no" and on 45 % of the "yes", which are 70 % of all.
    references = ["yes"] * 140 + ["no"] * 60
    answers = ["yes"] * 63 + ["no"] * 77 + ["no"] * 50 + ["yes"] * 10
    found = weighed(answers, references)
    assert found.p_vs_majority > 0.9
    exact = fisher_exact([[63, 10], [77, 50]], alternative="greater").pvalue
    assert exact < 0.04
    assert found.p_vs_chance == pytest.approx(exact, abs=0.007)


@pytest.mark.parametrize("n_labels", [2, 8])
def test_all_right_is_better_than_chance_whatever_the_number_of_labels(n_labels):
    references = [f"label {n % n_labels}" for n in range(40)]
    found = weighed(references, references)
    assert found.chance == pytest.approx(1 / n_labels)
    assert found.p_vs_chance == pytest.approx(LEAST)
    assert found.p_vs_majority == pytest.approx(2.0 ** -(40 - 40 // n_labels))


@MANY
def test_guessing_labelers_seldom_beat_chance(n):
    rng = np.random.default_rng(1)
    found = [weighed(rng.choice(LABELS, 80), rng.choice(LABELS, 80)).p_vs_chance for _ in range(n)]
    assert 0.01 * n <= np.sum(np.array(found) < 0.05) <= binom.ppf(0.99, n, 0.05)


def test_one_lucky_answer_beside_99_times_the_majority_label_does_not_beat_chance():
    # It happens to 6 of 100 shuffles.
    found = weighed(["no"] + ["yes"] * 99, ["no"] * 6 + ["yes"] * 94)
    assert found.p_vs_chance == pytest.approx(0.06, abs=0.0085)
    table = correct(labelers((found.p_vs_majority, found.p_vs_chance), above=found.above_chance_high), 0.95)
    assert table["standing"].to_list() != [ONLY]


@MANY
def test_guesses_that_hang_together_by_document_seldom_beat_chance(n):
    # 20 documents of 5 questions; the references of a document are mostly alike, and so are the answers, but neither
    # knows of the other.
    found = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        columns = [
            np.where(rng.random((20, 5)) < 0.8, rng.choice(LABELS, (20, 1)), rng.choice(LABELS, (20, 5))).ravel()
            for _ in range(2)
        ]
        found.append(weighed(*columns, [f"d{number // 5}" for number in range(100)]).p_vs_chance)
    assert np.sum(np.array(found) < 0.05) <= binom.ppf(0.99, n, 0.05)


def by_document(n_documents, n_questions):
    return [f"d{number // n_questions}" for number in range(n_documents * n_questions)]


def test_an_informed_labeler_beats_chance_on_clustered_questions_too():
    rng = np.random.default_rng(3)
    references = np.repeat(rng.choice(LABELS, 20), 5)
    answers = np.where(rng.random(100) < 0.5, references, rng.choice(LABELS, 100))
    assert weighed(answers, references, by_document(20, 5)).p_vs_chance < 0.001


def test_documents_of_several_questions_must_pass_both_tests_against_chance():
    rng = np.random.default_rng(5)
    references = rng.choice(LABELS, 60)
    answers = np.where(rng.random(60) < 0.2, references, rng.choice(LABELS, 60))
    clusters = by_document(30, 2)
    shuffled = agreement_against_chance(answers.tolist(), references.tolist()).p_value
    clustered = above_chance(answers.tolist(), references.tolist(), clusters, 0.95)
    assert clustered.difference > 0
    assert weighed(answers, references).p_vs_chance == shuffled
    assert weighed(answers, references, clusters).p_vs_chance == max(shuffled, clustered.p_value / 2)
    # Worse than chance is no evidence of being better, however sure.
    swapped = {"yes": "no", "no": "maybe", "maybe": "yes"}
    assert weighed([swapped[one] for one in references], references, clusters).p_vs_chance == 1.0


def test_always_right_beats_chance_where_labels_are_equally_frequent_and_documents_hold_several_questions():
    # By document one in 70 orders is all right (8 documents, 4 of each label), by question next to none.
    references = [("yes", "no")[number // 5 % 2] for number in range(40)]
    assert weighed(references, references, by_document(8, 5)).p_vs_chance < 0.05


# Over all labelers of a run


def test_both_tests_are_corrected_over_the_labelers():
    table = correct(labelers((0.01, 0.001), (0.03, 0.2), (0.5, 0.03)), 0.95)
    assert table.schema == LABELERS
    assert table["p_vs_majority_holm"].to_list() == pytest.approx([0.03, 0.06, 0.5])
    assert table["p_vs_chance_holm"].to_list() == pytest.approx([0.003, 0.2, 0.06])
    assert table["qualified"].to_list() == [True, False, False]
    assert table["standing"].to_list() == [BEATS, CHANCE, CHANCE]


@pytest.mark.parametrize(
    ("p_vs_majority", "p_vs_chance", "standing"),
    [(0.01, 0.01, BEATS), (0.2, 0.01, ONLY), (0.2, 0.2, CHANCE), (0.01, 0.2, BEATS), (1.0, 1.0, CHANCE)],
)
def test_a_labeler_has_one_standing(p_vs_majority, p_vs_chance, standing):
    table = correct(labelers((p_vs_majority, p_vs_chance)), 0.95)
    assert table.select("qualified", "standing").rows() == [(standing == BEATS, standing)]


@pytest.mark.parametrize(("above", "standing"), [(-0.02, CHANCE), (0.099, CHANCE), (0.101, UNKNOWN), (0.4, UNKNOWN)])
def test_at_chance_is_who_is_shown_not_to_be_a_tenth_above_it(above, standing):
    assert correct(labelers((0.5, 0.5), above=above), 0.95)["standing"].to_list() == [standing]
    assert correct(labelers((0.5, 0.01), above=above), 0.95)["standing"].to_list() == [ONLY]


def test_a_guess_on_few_questions_is_not_shown_to_be_at_chance_and_on_many_it_is():
    rng = np.random.default_rng(2)
    for n, standing in ((12, UNKNOWN), (2000, CHANCE)):
        found = weighed(rng.choice(LABELS, n), rng.choice(LABELS, n))
        assert found.p_vs_chance > 0.05
        table = correct(labelers((found.p_vs_majority, found.p_vs_chance), above=found.above_chance_high), 0.95)
        assert table["standing"].to_list() == [standing]


@pytest.mark.parametrize("n", [1, 5])
def test_a_handful_of_equal_answers_does_not_show_anybody_to_be_at_chance(n):
    found = weighed(["yes"] * n, ["yes", "no", "yes", "yes", "no"][:n])
    table = correct(labelers((found.p_vs_majority, found.p_vs_chance), above=found.above_chance_high), 0.95)
    assert table["standing"].to_list() == [UNKNOWN]


def test_a_constant_labeler_is_at_chance_where_its_accuracy_is_known_well_enough():
    for n, standing in ((50, UNKNOWN), (400, CHANCE)):
        found = weighed(["yes"] * n, ["yes", "no"] * (n // 2))
        assert found.above_chance_high == pytest.approx(wilson(n // 2, n).high - 0.5)
        table = correct(labelers((found.p_vs_majority, found.p_vs_chance), above=found.above_chance_high), 0.95)
        assert table["standing"].to_list() == [standing]


def test_what_is_at_chance_on_many_questions_is_not_so_on_few_documents():
    # 400 questions of 400 documents or of 20, on each of which the labeler is right on all or on none.
    references = ["yes", "no"] * 200
    answers = [("yes", "no")[(number + number // 20) % 2] for number in range(400)]
    alone, together = weighed(answers, references), weighed(answers, references, by_document(20, 20))
    assert alone.above_chance_high < 0.1 < together.above_chance_high
    assert together.above_chance_high == pytest.approx(
        above_chance(answers, references, by_document(20, 20), 0.95).high, abs=0.05
    )


@pytest.mark.parametrize("better", [0.0, 0.1])
@MANY
def test_the_bound_on_what_lies_above_chance_seldom_falls_short(better, n):
    # A guess that is replaced by the right label with probability `better` is right better * 2/3 more often.
    bounds = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        references = rng.choice(LABELS, 100)
        answers = np.where(rng.random(100) < better, references, rng.choice(LABELS, 100))
        bounds.append(weighed(answers, references).above_chance_high)
    least, most = binom.ppf([0.001, 0.999], n, 0.95)
    assert least <= np.sum(np.array(bounds) >= better * 2 / 3) <= most


def test_more_confidence_qualifies_fewer():
    assert correct(labelers((0.02, 0.02)), 0.95)["qualified"].to_list() == [True]
    assert correct(labelers((0.02, 0.02)), 0.99)["qualified"].to_list() == [False]


def test_a_labeler_of_which_nothing_is_known_has_no_standing_and_takes_nothing_from_the_others():
    table = correct(labelers((0.03, 0.03), (None, None)), 0.95)
    assert table["qualified"].to_list() == [True, None]
    assert table["standing"].to_list() == [BEATS, None]
    assert table["p_vs_majority_holm"].to_list() == [pytest.approx(0.03), None]


def test_correcting_twice_changes_nothing_more():
    once = correct(labelers((0.01, 0.2), (0.02, 0.02)), 0.95)
    assert correct(once, 0.95).equals(once)


@given(st.lists(st.none() | st.floats(0, 1), max_size=10))
def test_unknown_p_values_stay_in_their_place(p_values):
    adjusted = holm_of_known(p_values)
    assert [p is None for p in adjusted] == [p is None for p in p_values]
    assert [p for p in adjusted if p is not None] == holm([p for p in p_values if p is not None])
