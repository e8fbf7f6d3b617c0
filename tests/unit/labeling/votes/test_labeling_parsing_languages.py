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
