import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.engine.label_mode import build_label_reader

YES_NO_MAYBE = LabelSet()
NO_DIFFERENCE = LabelSet(("yes", "no", "no difference"))


class FakeTokenizer:
    """Gives every piece that a pattern finds its own token id."""

    def __init__(self, pattern):
        self.pattern = pattern
        self.ids = {}

    def __call__(self, text):
        return [self.id(piece) for piece in re.findall(self.pattern, text)]

    def id(self, piece):
        return self.ids.setdefault(piece, len(self.ids))

    def spell(self, tokens):
        pieces = {token: piece for piece, token in self.ids.items()}
        return "".join(pieces[token] for token in tokens)


@pytest.fixture
def words():
    """A word with the space before it is one token, as in byte-pair vocabularies."""
    return FakeTokenizer(r" ?\w+")


@pytest.fixture
def letters():
    return FakeTokenizer(r".")


def logprobs_of(reader, tokenizer, next_token):
    """The table that a model would give, from `next_token`: text so far -> {next piece: probability}."""
    table = np.full((len(reader.continuations), len(reader.wanted)), -np.inf)
    for row, continuation in enumerate(reader.continuations):
        for piece, probability in next_token.get(tokenizer.spell(continuation), {}).items():
            if tokenizer.id(piece) in reader.wanted:
                table[row, reader.wanted.index(tokenizer.id(piece))] = np.log(probability)
    return table


def test_yes_no_maybe_are_read_with_one_look_at_the_next_token(words):
    reader = build_label_reader(YES_NO_MAYBE, words)
    assert not reader.scores_whole_labels
    assert reader.continuations == ((),)
    # Each label in three cases, with and without a leading space.
    assert [len(aliases) for aliases in reader.aliases] == [6, 6, 6]


def test_all_spellings_of_a_label_add_up(words):
    reader = build_label_reader(YES_NO_MAYBE, words)
    model = {"": {"yes": 0.1, " yes": 0.2, "Yes": 0.05, " YES": 0.05, " no": 0.15, "NO": 0.05, " Maybe": 0.1}}
    probabilities = reader.probabilities(logprobs_of(reader, words, model))
    assert probabilities == pytest.approx([0.4, 0.2, 0.1])  # the other .3 is mass outside the labels


def test_a_token_that_is_no_label_counts_for_none(words):
    reader = build_label_reader(YES_NO_MAYBE, words)
    model = {"": {" Nobody": 0.5, " nope": 0.3, " no": 0.2}}
    assert reader.probabilities(logprobs_of(reader, words, model)) == pytest.approx([0, 0.2, 0])


def test_a_label_of_several_tokens_is_read_by_its_first_token_where_that_is_its_own():
    tokenizer = FakeTokenizer(r" ?(?i:yes|no|may|be)")
    reader = build_label_reader(YES_NO_MAYBE, tokenizer)
    assert not reader.scores_whole_labels
    model = {"": {" may": 0.3, "May": 0.1, " yes": 0.5}}
    assert reader.probabilities(logprobs_of(reader, tokenizer, model)) == pytest.approx([0.5, 0, 0.4])


def test_labels_with_the_same_first_token_are_scored_whole():
    tokenizer = FakeTokenizer(r" ?(?i:in)|(?i:creased|sufficient)|.")
    reader = build_label_reader(LabelSet(("increased", "insufficient")), tokenizer)
    assert reader.scores_whole_labels
    model = {"": {" in": 0.8, "In": 0.1}, " in": {"creased": 0.75, "sufficient": 0.25}, "In": {"sufficient": 1.0}}
    # increased .8 * .75; insufficient .8 * .25 + .1 * 1
    assert reader.probabilities(logprobs_of(reader, tokenizer, model)) == pytest.approx([0.6, 0.3])


def test_every_prefix_of_an_ambiguous_label_is_looked_at_and_the_empty_one_first(letters):
    reader = build_label_reader(LabelSet(("ab", "ac")), letters)
    assert reader.continuations[0] == ()
    assert {letters.spell(c) for c in reader.continuations} == {"", "a", "A", " ", " a", " A"}


def test_a_label_that_begins_another_loses_what_goes_on_as_the_other(words):
    reader = build_label_reader(NO_DIFFERENCE, words)
    assert reader.scores_whole_labels
    model = {"": {" yes": 0.4, " no": 0.5}, " no": {" difference": 0.4, ".": 0.6}}
    # no .5 - .5 * .4; no difference .5 * .4
    assert reader.probabilities(logprobs_of(reader, words, model)) == pytest.approx([0.4, 0.3, 0.2])


def test_of_three_nested_labels_each_loses_only_what_goes_on_as_the_next(words):
    reader = build_label_reader(LabelSet(("no", "no clear", "no clear difference")), words)
    model = {"": {"no": 0.8}, "no": {" clear": 0.5}, "no clear": {" difference": 0.25}}
    # no .8 - .4; no clear .4 - .1; no clear difference .1
    assert reader.probabilities(logprobs_of(reader, words, model)) == pytest.approx([0.4, 0.3, 0.1])


def test_a_first_token_that_also_begins_another_label_never_counts_for_one_of_them_alone():
    # As in SentencePiece vocabularies whose space is a token of its own: it says nothing about the label behind it.
    tokenizer = FakeTokenizer(r" |(?i:yes|no|may|be)")
    reader = build_label_reader(YES_NO_MAYBE, tokenizer)
    model = {
        "": {" ": 0.5, "yes": 0.2, "may": 0.3},
        " ": {"yes": 1.0},
        "may": {"be": 1.0},
        " may": {"be": 1.0},
    }
    _, _, maybe = reader.probabilities(logprobs_of(reader, tokenizer, model))
    assert maybe == pytest.approx(0.3)


def test_a_label_without_any_mass_has_probability_0_and_not_nan(words):
    reader = build_label_reader(NO_DIFFERENCE, words)
    assert reader.probabilities(logprobs_of(reader, words, {"": {"hello": 1.0}})).tolist() == [0, 0, 0]


LABEL_SETS = st.lists(st.text("abc ", min_size=1, max_size=4), min_size=2, max_size=5)


@given(LABEL_SETS, st.sampled_from([r".", r" ?\w", r" ?\w\w?", r" ?\w+", r" |\w+"]), st.integers(0, 2**32))
def test_the_probabilities_of_the_labels_never_exceed_1_together(labels, pattern, seed):
    try:
        label_set = LabelSet(tuple(labels))
    except InputError:
        return  # equal or blank labels
    tokenizer = FakeTokenizer(pattern)
    reader = build_label_reader(label_set, tokenizer)
    chance = random.Random(seed)
    # A model that puts most of its mass on what is wanted, differently after each continuation.
    weights = np.array([[chance.random() ** 4 for _ in range(len(reader.wanted) + 1)] for _ in reader.continuations])
    logprobs = np.log(weights / weights.sum(axis=1, keepdims=True))[:, :-1]
    probabilities = reader.probabilities(logprobs)
    assert len(probabilities) == len(label_set)
    assert (probabilities >= 0).all()
    assert probabilities.sum() <= 1 + 1e-9


def test_the_reader_does_not_depend_on_the_order_of_the_labels(words):
    one = build_label_reader(NO_DIFFERENCE, words)
    two = build_label_reader(LabelSet(("no difference", "no", "yes")), words)
    assert two.continuations == one.continuations
    assert two.wanted == one.wanted
    assert two.aliases == one.aliases[::-1]


def test_digits_behind_a_space_token_of_their_own_are_scored_as_whole_labels():
    # As in vocabularies that split " 1" into a space and a digit: much of the mass lies behind the space.
    tokenizer = FakeTokenizer(r" |1|2")
    reader = build_label_reader(LabelSet(("1", "2")), tokenizer)
    assert reader.scores_whole_labels
    model = {"": {" ": 0.7, "1": 0.1, "2": 0.1}, " ": {"1": 0.25, "2": 0.75}}
    one, two = reader.probabilities(logprobs_of(reader, tokenizer, model))
    assert one == pytest.approx(0.1 + 0.7 * 0.25)
    assert two == pytest.approx(0.1 + 0.7 * 0.75)


def test_a_space_that_is_a_token_of_its_own_makes_every_label_be_scored_whole():
    # "yes" and "no" are one token each without a space, but most models write the space first.
    tokenizer = FakeTokenizer(r" |(?i:yes|no)")
    reader = build_label_reader(LabelSet(("yes", "no")), tokenizer)
    assert reader.scores_whole_labels
    assert {tokenizer.spell(one) for one in reader.continuations} == {"", " "}
    model = {"": {" ": 0.9, "no": 0.1}, " ": {"yes": 0.5, "No": 0.25, "NO": 0.25}}
    assert reader.probabilities(logprobs_of(reader, tokenizer, model)) == pytest.approx([0.45, 0.55])


def test_digits_that_are_one_token_with_their_space_are_read_with_one_look(words):
    reader = build_label_reader(LabelSet(("1", "2")), words)
    assert not reader.scores_whole_labels
    model = {"": {" 1": 0.6, "1": 0.1, " 2": 0.2}}
    assert reader.probabilities(logprobs_of(reader, words, model)) == pytest.approx([0.7, 0.2])
