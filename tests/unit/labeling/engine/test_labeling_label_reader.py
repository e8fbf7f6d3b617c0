import random
import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.engine.label_reader import NEGLIGIBLE, build_label_reader, scores_as_version_1, spellings

YES_NO_MAYBE = LabelSet()
NO_DIFFERENCE = LabelSet(("yes", "no", "no difference"))
SHI_FOU = LabelSet(("是", "否"))


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


def ask(reader, tokenizer, next_token):
    """Asks a model given as text so far -> {next piece: probability}: the labels' mass, and what was looked at."""

    def look(continuation):
        said = next_token.get(tokenizer.spell(continuation), {})
        by_token = {tokenizer.id(piece): probability for piece, probability in said.items()}
        with np.errstate(divide="ignore"):
            return np.log([by_token.get(token, 0.0) for token in reader.wanted])

    looks = {(): look(())}
    while asked := reader.unread(looks):
        assert not set(asked) & set(looks)
        looks |= {continuation: look(continuation) for continuation in asked}
    return reader.probabilities(looks), {tokenizer.spell(one) for one in looks}


def test_yes_no_maybe_are_read_with_one_look_at_the_next_token(words):
    reader = build_label_reader(YES_NO_MAYBE, words)
    assert not reader.branches
    # Each label in three cases, with and without a leading space.
    assert [len(sequences) for sequences in reader.sequences] == [6, 6, 6]


def test_all_spellings_of_a_label_add_up(words):
    reader = build_label_reader(YES_NO_MAYBE, words)
    model = {"": {"yes": 0.1, " yes": 0.2, "Yes": 0.05, " YES": 0.05, " no": 0.15, "NO": 0.05, " Maybe": 0.1}}
    mass, _ = ask(reader, words, model)
    assert mass == pytest.approx([0.4, 0.2, 0.1])  # the other .3 is mass outside the labels


def test_a_token_that_is_no_label_counts_for_none(words):
    reader = build_label_reader(YES_NO_MAYBE, words)
    mass, _ = ask(reader, words, {"": {" Nobody": 0.5, " nope": 0.3, " no": 0.2}})
    assert mass == pytest.approx([0, 0.2, 0])


def test_the_likeliest_spelling_of_a_label_counts_though_another_is_one_token():
    # As in Qwen's vocabulary: "否" is one token, and " 否", which the model writes, is two.
    tokenizer = FakeTokenizer(r" 是|.")
    reader = build_label_reader(SHI_FOU, tokenizer)
    model = {"": {" 是": 0.10, "是": 0.01, "否": 0.002, " ": 0.888}, " ": {"否": 0.95, "不": 0.05}}
    mass, looked = ask(reader, tokenizer, model)
    assert mass == pytest.approx([0.11, 0.002 + 0.888 * 0.95])
    assert looked == {"", " "}


def test_the_first_token_of_a_long_label_alone_counts_for_nothing():
    tokenizer = FakeTokenizer(r" ?(?i:yes|no|may|be)")
    reader = build_label_reader(YES_NO_MAYBE, tokenizer)
    model = {"": {" may": 0.3, " yes": 0.5}, " may": {"be": 0.5, " not": 0.5}}
    mass, _ = ask(reader, tokenizer, model)
    assert mass == pytest.approx([0.5, 0, 0.15])


def test_labels_with_the_same_first_token_are_told_apart_behind_it():
    tokenizer = FakeTokenizer(r" ?(?i:in)|(?i:creased|sufficient)|.")
    reader = build_label_reader(LabelSet(("increased", "insufficient")), tokenizer)
    model = {"": {" in": 0.8, "In": 0.1}, " in": {"creased": 0.75, "sufficient": 0.25}, "In": {"sufficient": 1.0}}
    mass, _ = ask(reader, tokenizer, model)
    # increased .8 * .75; insufficient .8 * .25 + .1 * 1
    assert mass == pytest.approx([0.6, 0.3])


def test_a_label_that_begins_another_loses_what_goes_on_as_the_other(words):
    reader = build_label_reader(NO_DIFFERENCE, words)
    model = {"": {" yes": 0.4, " no": 0.5}, " no": {" difference": 0.4, ".": 0.6}}
    # no .5 - .5 * .4; no difference .5 * .4
    assert ask(reader, words, model)[0] == pytest.approx([0.4, 0.3, 0.2])


def test_of_three_nested_labels_each_loses_only_what_goes_on_as_the_next(words):
    reader = build_label_reader(LabelSet(("no", "no clear", "no clear difference")), words)
    model = {"": {"no": 0.8}, "no": {" clear": 0.5}, "no clear": {" difference": 0.25}}
    # no .8 - .4; no clear .4 - .1; no clear difference .1
    assert ask(reader, words, model)[0] == pytest.approx([0.4, 0.3, 0.1])


def test_a_label_without_any_mass_has_probability_0_and_not_nan(words):
    reader = build_label_reader(NO_DIFFERENCE, words)
    assert ask(reader, words, {"": {"hello": 1.0}})[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("pattern", [r" |1|2", r" ?\d"], ids=["a space of its own", "a space with its digit"])
def test_digits_are_read_however_the_space_before_them_is_split(pattern):
    tokenizer = FakeTokenizer(pattern)
    reader = build_label_reader(LabelSet(("1", "2")), tokenizer)
    model = {"": {" ": 0.7, "1": 0.1, "2": 0.1, " 1": 0.6, " 2": 0.2}, " ": {"1": 0.25, "2": 0.75}}
    apart = pattern.startswith(" |")
    assert ask(reader, tokenizer, model)[0] == pytest.approx([0.275, 0.625] if apart else [0.7, 0.3])


def test_branches_that_hold_next_to_nothing_are_not_looked_at(letters):
    reader = build_label_reader(LabelSet(("ab", "cd")), letters)
    model = {"": {"a": 0.9, "c": 0.0002, "A": 0.0002}, "a": {"b": 1.0}, "c": {"d": 1.0}, "A": {"b": 1.0, "B": 0.0}}
    mass, looked = ask(reader, letters, model)
    assert looked == {"", "a"}
    assert mass == pytest.approx([0.9, 0.0])


def test_many_small_branches_are_looked_at_once_they_add_up(letters):
    reader = build_label_reader(LabelSet(("ab", "cd")), letters)
    model = {"": {"a": 0.9, "c": 0.0006, "A": 0.0006}, "a": {"b": 1.0}, "c": {"d": 1.0}, "A": {"b": 1.0}}
    mass, looked = ask(reader, letters, model)
    assert looked == {"", "a", "A"} or looked == {"", "a", "c"}
    assert mass.sum() > 0.9


def test_where_the_large_branches_hold_no_label_the_small_ones_are_looked_at(letters):
    reader = build_label_reader(LabelSet(("ab", "cd")), letters)
    model = {"": {"a": 0.99, "c": 0.0001}, "a": {"x": 1.0}, "c": {"d": 1.0}}
    mass, looked = ask(reader, letters, model)
    assert {"", "a", "c"} <= looked
    assert mass == pytest.approx([0.0, 0.0001])


def test_two_labels_in_the_same_tokens_are_refused_in_one_line():
    tokenizer = FakeTokenizer(r"[a-z]| ")
    with pytest.raises(InputError, match="same tokens for the labels '是' and '否'") as refused:
        build_label_reader(SHI_FOU, lambda text: tokenizer(text) or [0])
    assert "\n" not in str(refused.value)


def test_a_spelling_that_two_labels_share_counts_for_the_one_that_is_written_so():
    labels = LabelSet(("sinir", "s\u0131n\u0131r"))
    nerve, border = build_label_reader(labels, lambda text: [ord(one) for one in text]).sequences
    texts = ["".join(map(chr, one)) for one in (*nerve, *border)]
    assert len(texts) == len(set(texts))
    assert "SINIR" not in texts
    assert {"sinir", " Sinir", "s\u0131n\u0131r", " S\u0131n\u0131r"} <= set(texts)


def test_the_reader_does_not_depend_on_the_order_of_the_labels(words):
    one = build_label_reader(NO_DIFFERENCE, words)
    two = build_label_reader(LabelSet(("no difference", "no", "yes")), words)
    assert (two.branches, two.wanted) == (one.branches, one.wanted)
    assert two.sequences == one.sequences[::-1]


def test_a_label_has_its_usual_cases_with_and_without_a_space():
    assert set(spellings("no idea")) == {
        "no idea", " no idea", "No idea", " No idea", "No Idea", " No Idea", "NO IDEA", " NO IDEA",
    }  # fmt: skip
    assert spellings("是") == ("是", " 是")


LABEL_SETS = st.lists(st.text("abC ", min_size=1, max_size=3), min_size=2, max_size=4)
PATTERNS = st.sampled_from([r".", r" ?\w", r" ?\w\w?", r" ?\w+", r" |\w+"])


@given(LABEL_SETS, PATTERNS, st.integers(0, 2**32), st.sampled_from([1, 4, 12]))
def test_the_mass_of_a_label_is_the_share_of_answers_that_begin_with_it(labels, pattern, seed, skew):
    try:
        label_set = LabelSet(tuple(labels))
    except InputError:
        return  # equal or blank labels
    tokenizer = FakeTokenizer(pattern)
    reader = build_label_reader(label_set, tokenizer)
    outside = tokenizer.id("no label")

    @cache
    def next_tokens(continuation):
        chance = random.Random(f"{seed} {continuation}")
        weights = {token: chance.random() ** skew for token in (*reader.wanted, outside)}
        return {token: weight / sum(weights.values()) for token, weight in weights.items()}

    # Every answer, token by token, until no longer label can follow; the longest label it begins with gets its mass.
    expected = dict.fromkeys(range(len(label_set)), 0.0)
    label_of = {one: number for number, sequences in enumerate(reader.sequences) for one in sequences}

    def answer(said, probability, longest):
        longest = label_of.get(said, longest)
        if not any(one[: len(said)] == said and one != said for one in label_of):
            if longest is not None:
                expected[longest] += probability
            return
        for token, share in next_tokens(said).items():
            answer((*said, token), probability * share, longest)

    answer((), 1.0, None)
    looks = {(): np.log([next_tokens(())[token] for token in reader.wanted])}
    while asked := reader.unread(looks):
        looks |= {one: np.log([next_tokens(one)[token] for token in reader.wanted]) for one in asked}
    mass = reader.probabilities(looks)
    assert mass.sum() <= 1 + 1e-9
    assert np.abs(mass - list(expected.values())).max() <= NEGLIGIBLE * sum(expected.values()) + 1e-12


def test_stored_votes_stay_valid_where_every_usual_spelling_is_one_token(words):
    assert scores_as_version_1(YES_NO_MAYBE, words, words)
    # As in Qwen's and SmolLM's vocabularies, which split only "MAYBE".
    split = FakeTokenizer(r" ?(?:MAY|\w+)")
    assert len(split("MAYBE")) == 2
    assert scores_as_version_1(YES_NO_MAYBE, split, split)


@pytest.mark.parametrize(
    ("labels", "pattern"),
    [
        (SHI_FOU, r" 是|."),
        (YES_NO_MAYBE, r" ?(?i:may|\w+)"),
        (LabelSet(("YES", "NO", "MAYBE")), r" ?(?:MAY|\w+)"),
        (LabelSet(("left", "right")), r" ?(?:l|\w+)"),
    ],
    ids=["a space apart", "a split label", "a label in capitals", "first tokens only"],
)
def test_stored_votes_are_asked_again_where_a_spelling_was_dropped(labels, pattern):
    tokenizer = FakeTokenizer(pattern)
    assert not scores_as_version_1(labels, tokenizer, tokenizer)


def test_stored_votes_are_asked_again_where_a_label_continues_the_prompt_in_other_tokens(words):
    # As in SentencePiece vocabularies, which put a space before a text that stands alone.
    assert not scores_as_version_1(YES_NO_MAYBE, words, lambda text: words(f" {text}"))


def test_labels_that_were_scored_whole_before_keep_their_votes(letters):
    assert scores_as_version_1(LabelSet(("ab", "ac")), letters, letters)
