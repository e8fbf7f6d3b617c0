"""Labels in generated text of other scripts, with their own stops and quotation marks."""

import pytest

from corpora.schema import LabelSet
from labeling.votes.parsing import parse_label


@pytest.mark.parametrize(
    ("text", "labels", "label"),
    [
        ("はい。", ("はい", "いいえ"), "はい"),
        ("「いいえ」", ("はい", "いいえ"), "いいえ"),
        ("是，因为文中这样说。", ("是", "否"), "是"),
        ("（否）", ("是", "否"), "否"),
        ("نعم، كما في النص", ("نعم", "لا"), "نعم"),
        ("हाँ।", ("हाँ", "नहीं"), "हाँ"),
        ("«non»", ("oui", "non"), "non"),
        ("„ja“", ("ja", "nein"), "ja"),
    ],
)
def test_the_stops_and_quotes_of_other_scripts_may_stand_around_a_label(text, labels, label):
    found = parse_label(text, LabelSet(labels), truncated=False)
    assert (found.label, found.parse) == (label, "lenient")


@pytest.mark.parametrize(
    ("text", "labels"), [("是否", ("是", "否")), ("不是。", ("是", "否")), ("いいえはい", ("はい", "いいえ"))]
)
def test_a_text_in_which_no_label_stands_alone_has_none(text, labels):
    assert parse_label(text, LabelSet(labels), truncated=False).label is None


@pytest.mark.parametrize(
    ("text", "labels", "label"),
    [
        ("It departs at noon", ("It departs at noon.", "It never departs."), "It departs at noon."),
        ("Answer: **It never departs.**", ("It departs at noon.", "It never departs."), "It never departs."),
        ("(a) by boat.", ("(a) by boat", "(b) by train"), "(a) by boat"),
        (".NET, as it says.", (".NET", "Java"), ".NET"),
        ("C#.", ("C#", "C"), "C#"),
        ("Answer: no answer.", ("yes", "no", "no answer"), "no answer"),
        ("Answer: The answer is 42.", ("The answer is 42", "42 is wrong"), "The answer is 42"),
        ("Answer: yes. The answer is no.", ("yes", "no", "no answer"), "no"),
    ],
)
def test_choices_that_are_sentences_or_hold_the_word_answer_are_read(text, labels, label):
    assert parse_label(text, LabelSet(labels), truncated=False).label == label


def test_what_only_stops_tell_apart_is_not_read_as_either():
    labels = LabelSet(("yes!", "yes?"))
    assert parse_label("yes", labels, truncated=False).label is None
    assert parse_label("yes?", labels, truncated=False).label == "yes?"
