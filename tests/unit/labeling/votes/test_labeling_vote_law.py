"""The law of three votes against every outcome counted out, against votes really drawn, and against numbers by hand."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.votes.sampling import Sampling, draw, sampled_distribution
from labeling.votes.vote import N_VOTES, VOTES, Vote, vote_seed, votes_frame
from labeling.votes.vote_law import distributions, vote_law

SURE = (0.6, 0.3, 0.1)
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.just(0.0) | st.floats(0.05, 5),
    top_k=st.integers(0, 4),
    top_p=st.floats(0.05, 1),
    min_p=st.floats(0, 1),
)


@st.composite
def questions(draw_from):
    """Distributions of some questions, shape (questions, 3, labels); rows sum to no number in particular."""
    n_questions, n_labels = draw_from(st.integers(1, 3)), draw_from(st.integers(2, 5))
    row = st.lists(st.floats(0, 1), min_size=n_labels, max_size=n_labels).filter(lambda p: sum(p) > 1e-3)
    three = st.lists(row, min_size=N_VOTES, max_size=N_VOTES)
    return np.array(draw_from(st.lists(three, min_size=n_questions, max_size=n_questions)))


def count_out(three, sampling):
    """The same law for one question, by going through every outcome of three draws."""
    n_labels = three.shape[-1]
    p = [sampled_distribution(row, sampling) for row in three]
    single, unanimous, majority, tie = np.zeros(n_labels), np.zeros(n_labels), np.zeros(n_labels), 0.0
    for outcome in itertools.product(range(n_labels), repeat=N_VOTES):
        probability = np.prod([p[vote][label] for vote, label in enumerate(outcome)])
        for label in outcome:
            single[label] += probability / N_VOTES
        for label in set(outcome):
            unanimous[label] += probability * (outcome.count(label) == 3)
            majority[label] += probability * (outcome.count(label) >= 2)
        tie += probability * (len(set(outcome)) == 3)
    return single, unanimous, majority, tie


@given(questions(), SAMPLINGS)
def test_the_law_is_what_counting_out_every_outcome_gives(probabilities, sampling):
    law = vote_law(probabilities, sampling)
    for question, three in enumerate(probabilities):
        single, unanimous, majority, tie = count_out(three, sampling)
        assert law.single[question] == pytest.approx(single, abs=1e-12)
        assert law.unanimous[question] == pytest.approx(unanimous, abs=1e-12)
        assert law.majority[question] == pytest.approx(majority, abs=1e-12)
        assert law.tie[question] == pytest.approx(tie, abs=1e-12)


@given(questions(), SAMPLINGS)
def test_the_law_sums_to_what_a_law_must(probabilities, sampling):
    law = vote_law(probabilities, sampling)
    assert (
        law.single.shape == law.unanimous.shape == law.majority.shape == (len(probabilities), probabilities.shape[-1])
    )
    assert law.single.sum(axis=-1) == pytest.approx(1)
    assert law.majority.sum(axis=-1) + law.tie == pytest.approx(1)
    assert (law.unanimous <= law.majority + 1e-12).all()
    for part in law:
        assert (part >= -1e-12).all()
        assert (part <= 1 + 1e-12).all()
    if probabilities.shape[-1] == 2:
        assert law.tie == pytest.approx(0)  # two of three must agree


@pytest.mark.parametrize(("temperature", "unanimous"), [(1.0, 0.244), (0.2, 0.9115)])
def test_the_numbers_of_the_design(temperature, unanimous):
    # .6^3 + .3^3 + .1^3 = .216 + .027 + .001; at .2 the fifth powers .07776, .00243, .00001 are .96958, .03030, .00012.
    law = vote_law(np.array([[SURE] * 3]), Sampling(temperature))
    assert law.unanimous.sum() == pytest.approx(unanimous, abs=5e-5)


def test_one_distribution_worked_out_by_hand():
    law = vote_law(np.array([[SURE] * 3]), Sampling())
    assert law.single[0] == pytest.approx(SURE)
    assert law.unanimous[0] == pytest.approx([0.216, 0.027, 0.001])
    # Three ways to be the odd one out: 3 p^2 (1 - p) + p^3.
    assert law.majority[0] == pytest.approx([0.648, 0.216, 0.028])
    assert law.tie[0] == pytest.approx(6 * 0.6 * 0.3 * 0.1)


def test_three_distributions_worked_out_by_hand():
    law = vote_law(np.array([[(1, 0), (0.5, 0.5), (0.2, 0.8)]]), Sampling())
    assert law.single[0] == pytest.approx([1.7 / 3, 1.3 / 3])
    assert law.unanimous[0] == pytest.approx([0.1, 0])
    # The first vote says the first label: it wins unless both others say the second, .5 * .8.
    assert law.majority[0] == pytest.approx([0.6, 0.4])
    assert law.tie[0] == pytest.approx(0)


def test_greedy_votes_are_certain():
    p = np.array([[(0.5, 0.3, 0.2)] * 3, [(0.5, 0.3, 0.2), (0.3, 0.5, 0.2), (0.2, 0.3, 0.5)]])
    law = vote_law(p, Sampling(temperature=0))
    assert law.unanimous.tolist() == [[1, 0, 0], [0, 0, 0]]
    assert law.tie.tolist() == [0, 1]


def test_the_mass_outside_the_labels_does_not_matter():
    three = np.array([[SURE, (0.1, 0.8, 0.1), SURE]])
    for whole, part in zip(vote_law(three, Sampling(0.7)), vote_law(three / 50, Sampling(0.7)), strict=True):
        assert part == pytest.approx(whole)


# Sampled votes agree with the law.

N_DRAWN = 2000  # questions, each with three draws

SETTINGS = [
    Sampling(),
    Sampling(temperature=0.5),
    Sampling(temperature=2.0),
    Sampling(temperature=1.5, top_k=2),
    Sampling(temperature=0.8, top_p=0.75),
    Sampling(temperature=1.2, min_p=0.4),
    Sampling(temperature=0.9, top_k=3, top_p=0.95, min_p=0.1),
    Sampling(temperature=0),
]


@pytest.mark.parametrize("sampling", SETTINGS, ids=str)
@pytest.mark.parametrize(
    "three",
    [(SURE, SURE, SURE), ((0.5, 0.3, 0.2), (0.15, 0.5, 0.35), (0.3, 0.3, 0.4))],
    ids=["one distribution", "three distributions"],
)
def test_sampled_votes_agree_with_the_law(three, sampling):
    three = np.array(three)
    law = vote_law(three[None], sampling)
    drawn = np.array(
        [[draw(p, sampling, vote_seed(0, f"q{q}", vote)) for vote, p in enumerate(three)] for q in range(N_DRAWN)]
    )
    for label in range(3):
        n_said = (drawn == label).sum(axis=1)
        agrees_with(n_said == 3, law.unanimous[0, label])
        agrees_with(n_said >= 2, law.majority[0, label])
        for vote, p in enumerate(sampled_distribution(three, sampling)):
            agrees_with(drawn[:, vote] == label, p[label])
    agrees_with([len(set(votes)) == 3 for votes in drawn.tolist()], law.tie[0])


def agrees_with(happened, probability):
    """Within four standard deviations of the binomial; and always or never where the law says so."""
    probability = min(1.0, max(0.0, float(probability)))
    tolerance = 4 * np.sqrt(probability * (1 - probability) / N_DRAWN)
    assert abs(np.mean(happened) - probability) <= tolerance + 1e-9


def test_the_agreement_above_would_notice_another_temperature():
    # .244 at temperature 1, .377 at .7: four standard deviations at n = 2000 are .038.
    near, far = (vote_law(np.array([[SURE] * 3]), Sampling(t)).unanimous.sum() for t in (1.0, 0.7))
    assert abs(near - far) > 4 * np.sqrt(0.244 * 0.756 / N_DRAWN)


# From votes to distributions.


def vote_of(question_id, vote, probabilities):
    return Vote(
        labeler="f",
        prompt_hash="h",
        arm="document",
        vote=vote,
        seed=0,
        question_id=question_id,
        label="yes" if probabilities else None,
        failure=None if probabilities else "no_label_mass",
        probabilities=probabilities,
        outside_mass=None,
        margin=None,
        n_prompt_tokens=1,
    )


def three_votes(question_id, *probabilities):
    return [vote_of(question_id, vote, p) for vote, p in enumerate(probabilities)]


def test_distributions_are_stacked_by_question_and_by_vote_whatever_the_order_of_the_rows():
    b = ((0.1, 0.2), (0.3, 0.4), (0.5, 0.25))
    a = ((0.9, 0.1), (0.8, 0.1), (0.7, 0.1))
    known = distributions(votes_frame([*three_votes("b", *b), *three_votes("a", *a)][::-1]), 2)
    assert known.question_ids == ["a", "b"]
    assert known.probabilities.tolist() == [[list(p) for p in a], [list(p) for p in b]]
    assert known.n_unknown == 0


@pytest.mark.parametrize(
    "incomplete",
    [
        three_votes("b", (0.5, 0.5), (), (0.5, 0.5)),
        three_votes("b", (), (), ()),
        three_votes("b", (0.5, 0.5), (0.5, 0.5)),
        three_votes("b", (0.5, 0.5), (0.5, 0.5, 0.0), (0.5, 0.5)),
    ],
    ids=["one failed", "all failed", "two votes", "another label set"],
)
def test_a_question_whose_distributions_are_not_all_known_is_left_out_and_counted(incomplete):
    whole = three_votes("a", (0.9, 0.1), (0.8, 0.2), (0.7, 0.3)), three_votes("c", (0.2, 0.1), (0.3, 0.1), (0.4, 0.1))
    known = distributions(votes_frame([*whole[0], *incomplete, *whole[1]]), 2)
    assert known.question_ids == ["a", "c"]
    assert known.n_unknown == 1
    assert known.probabilities[1].tolist() == [[0.2, 0.1], [0.3, 0.1], [0.4, 0.1]]


def test_votes_without_any_distribution_are_all_unknown_and_the_law_of_none_is_empty():
    generated = votes_frame([*three_votes("a", (), (), ()), *three_votes("b", (), (), ())])
    for votes, n_unknown in ((generated, 2), (pl.DataFrame(schema=VOTES), 0)):
        known = distributions(votes, 3)
        assert (known.question_ids, known.probabilities.shape, known.n_unknown) == ([], (0, 3, 3), n_unknown)
        assert vote_law(known.probabilities, Sampling()).unanimous.shape == (0, 3)
