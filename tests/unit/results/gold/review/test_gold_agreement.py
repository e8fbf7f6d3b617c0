"""Agreement beyond chance, against values from the literature and from scikit-learn."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from results.gold.review.agreement import between_reviewers, cohen, krippendorff, sides_taken, with_reader
from results.gold.review.queue import QUEUE
from results.stats.clustered import wilson
from tests.doubles.reviews import reviews_of


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    a = rng.choice(["yes", "no", "maybe"], 60).tolist()
    b = [one if rng.random() < 0.6 else "no" for one in a]
    found = cohen(a, b, [str(at) for at in range(60)], 0.95)
    assert found.beyond_chance.estimate == pytest.approx(cohen_kappa_score(a, b))
    assert found.beyond_chance.low < found.beyond_chance.estimate < found.beyond_chance.high


def test_the_interval_is_wilsons_by_hand():
    # 45 yes yes, 15 no no, 25 yes no, 15 no yes: 60 % agree, .7 * .6 + .3 * .4 = 54 % by chance.
    a = ["yes"] * 70 + ["no"] * 30
    b = ["yes"] * 45 + ["no"] * 25 + ["no"] * 15 + ["yes"] * 15
    found = cohen(a, b, [str(at) for at in range(100)], 0.95)
    share = wilson(60, 100)
    assert found.observed == pytest.approx(0.6)
    assert found.beyond_chance == pytest.approx([(one - 0.54) / 0.46 for one in share])


def test_few_questions_without_a_disagreement_prove_little():
    found = cohen(["yes", "no"] * 3, ["yes", "no"] * 3, list("abcdef"), 0.95)
    assert found.beyond_chance.estimate == 1
    assert found.beyond_chance.low < 0.4
    by_document = cohen(["yes", "no"] * 3, ["yes", "no"] * 3, list("aabbcc"), 0.95)
    assert by_document.beyond_chance.low < found.beyond_chance.low, "questions on one document are not independent"


def test_one_and_the_same_label_leaves_it_undefined():
    assert cohen(["yes"] * 3, ["yes"] * 3, list("abc"), 0.95).beyond_chance is None
    assert cohen([], [], [], 0.95) is None


def test_alpha_is_krippendorffs_own_example():
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C: four observers, twelve units, nominal
    # data with missing values; alpha = 0.743.
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    units = [[str(one) for one in unit if one is not None] for unit in zip(*observers, strict=True)]
    found = krippendorff(units, [str(at) for at in range(12)], 0.95)
    assert found.n == 11
    assert found.beyond_chance.estimate == pytest.approx(0.743, abs=0.0005)


def test_two_reviewers_have_a_kappa_and_three_an_alpha():
    two = reviews_of(
        *((f"q{at}", name, "yes" if at % 2 else "no") for at in range(8) for name in "xy"), ("q9", "x", "no")
    )
    clusters = {f"q{at}": f"d{at}" for at in range(10)}
    found = between_reviewers(two, clusters, 0.95)
    assert (found.measure, found.n, found.observed) == ("kappa", 8, 1.0)
    three = pl.concat([two, reviews_of(("q1", "z", "no"), ("q2", "z", None))])
    found = between_reviewers(three, clusters, 0.95)
    assert (found.measure, found.n) == ("alpha", 8)
    assert found.observed < 1
    assert between_reviewers(reviews_of(("q1", "x", "no"), ("q1", "y", None)), clusters, 0.95) is None


def test_reviewers_are_compared_with_the_reader_and_take_sides():
    items = pl.DataFrame(
        [
            {"question_id": one, "label": label, "reference": reference, "contradicts": contradicts}
            for one, label, reference, contradicts in (
                ("a", "yes", "no", True), ("b", "yes", "no", True), ("c", "yes", "no", True), ("d", None, "no", False),
                ("e", "no", "no", False),
            )
        ],
        schema={name: QUEUE[name] for name in ("question_id", "label", "reference", "contradicts")},
    )  # fmt: skip
    settled = pl.DataFrame({"question_id": list("abcdeg"), "label": ["yes", "no", "maybe", "yes", "no", "yes"]})
    assert sides_taken(settled, items) == (3, 1, 1)
    found = with_reader(settled, items, {one: one for one in "abcde"}, 0.95)
    assert (found.n, found.observed) == (4, 0.5)
