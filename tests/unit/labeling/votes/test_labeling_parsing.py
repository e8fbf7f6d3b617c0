"""From a text to a label or to the name of what is wrong with it; and the grammars that hold a text to a label."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.engine.generate_mode import Decoding, Generator
from labeling.votes.parsing import answer_grammar, label_grammar, parse_answer, parse_label
from labeling.votes.sampling import Sampling

LABELS = LabelSet()
NO_DIFFERENCE = LabelSet(("no", "no difference", "yes"))
REGEX = LabelSet((".*", "a|b", "c++", "c", "(?", "$5"))
UNICODE = LabelSet(("да", "Straße", "ünïcödé", "日本語", "日本"))
SIGNED = LabelSet(("-1", "0", "1"))


def parse(text, labels=LABELS, truncated=False):
    return tuple(parse_answer(text, labels, truncated=truncated))


def strict(label):
    return (label, "strict", None)


def lenient(label):
    return (label, "lenient", None)


def problem(name):
    return (None, None, name)


@pytest.mark.parametrize(
    "text",
    [
        "Answer: yes",
        "The log says so.\nAnswer: yes",
        "The log says so.\r\nAnswer: yes\r\n",
        "Answer: no\nOn second thought.\n\nAnswer: yes\n\n",
    ],
    ids=repr,
)
def test_a_last_line_that_is_the_answer_letter_by_letter_is_strict(text):
    assert parse(text) == strict("yes")


@pytest.mark.parametrize(
    ("text", "truncated", "found"),
    [
        ("<think>It may be no.</think>\nAnswer: yes", False, strict("yes")),
        ("<think>\nAnswer: no\n</think>\n\nYes.", False, lenient("yes")),
        ("It may be no. no\n</think>\n\nyes", False, lenient("yes")),
        ("<thinking>no</thinking>yes", False, lenient("yes")),
        ("[THINK]no[/THINK]yes", False, lenient("yes")),
        (
            "<|channel|>analysis<|message|>no<|end|><|start|>assistant<|channel|>final<|message|>yes",
            False,
            lenient("yes"),
        ),
        ("<think>The answer is no", True, problem("truncated")),
        ("<think>The answer is no", False, problem("off_label")),
        ("<think>no</think>", True, problem("empty")),
        ("<think>no</think>\n<think>Answer: no", True, problem("truncated")),
    ],
    ids=repr,
)
def test_what_is_weighed_in_reasoning_is_not_the_answer(text, truncated, found):
    assert parse(text, truncated=truncated) == found
    bare = tuple(parse_label(text, LABELS, truncated=truncated))
    assert (bare[0], bare[2]) == (found[0], found[2])


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("yes", "yes"),
        ("No.", "no"),
        (" MAYBE \n", "maybe"),
        ("**Yes**", "yes"),
        ('"no"', "no"),
        ("# Yes", "yes"),
        ("- yes", "yes"),
        ("The log says so.\nYes.", "yes"),
        ("Answer: Yes", "yes"),
        ("answer: yes", "yes"),
        ("Answer:yes", "yes"),
        ("Answer - yes", "yes"),
        ("Answer: yes.", "yes"),
        ("Answer:\nyes", "yes"),
        ("**Answer:** Yes.", "yes"),
        ("**Answer: Yes**", "yes"),
        ("*Final answer*: `maybe`", "maybe"),
        ("Answer: [yes]", "yes"),
        ("The answer is yes", "yes"),
        ("The answer is: **no**.", "no"),
        ("So the final answer is 'maybe', I think.", "maybe"),
        ("Answer: yes, because nine of fourteen left.", "yes"),
        ("Answer: no\n\nNine of fourteen boats left.", "no"),
        ("The answer may look like no. But the answer is yes.", "yes"),
        ("Answer: not clear.\nMaybe", "maybe"),
        ("I cannot be sure, but the answer is maybe.", "maybe"),
    ],
    ids=repr,
)
def test_case_quotes_markdown_and_words_around_the_answer_are_lenient(text, label):
    assert parse(text) == lenient(label)


@pytest.mark.parametrize(
    "text",
    [
        "yes or no",
        "Answer: yes or no",
        "Answer: yes, no or maybe",
        "Answer: yes/no",
        "Answer: **yes** or **no**",
        "Answer: yes and no",
        "Answer: either yes or no",
        "not sure",
        "Answer: not sure",
        "Answer: nothing",
        "Answer: yesterday",
        "Answer: yes_no",
        "The answer is not yes.",
        "The answer isn't yes.",
        "Answer: unclear",
        "Answer:",
        "The answer",
        "Nine of fourteen boats left.",
        # Reasoning that begins with the word that is a label says nothing yet.
        "No significant change was seen.",
        "Maybe the crews were tired.\nYes men were among them.",
    ],
    ids=repr,
)
def test_what_is_no_label_or_more_than_one_is_off_label_or_truncated(text):
    assert parse(text) == problem("off_label")
    assert parse(text, truncated=True) == problem("truncated")


@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize("text", ["", " ", "\n\n", "\t\r\n "], ids=repr)
def test_a_text_of_nothing_is_empty(text, truncated):
    assert parse(text, truncated=truncated) == problem("empty")


@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "I cannot answer this question.",
        "I can not say.",
        "I can't help with that.",
        "I can\u2019t help with that.",
        "I won't do this.",
        "I won\u2019t do this.",
        "I'm sorry, this is medical advice.",
        "I\u2019m sorry, this is medical advice.",
        "Sorry, I am unable to judge.",
        "I'm not able to judge.",
        "As an AI, medical advice is not mine to give.",
        "I must decline.",
    ],
)
def test_a_refusal_is_named_as_one(text, truncated):
    assert parse(text, truncated=truncated) == problem("refused")


def test_a_text_that_was_cut_off_after_its_answer_still_has_it():
    assert parse("Answer: yes", truncated=True) == strict("yes")
    assert parse("Answer: yes\nNine of fourteen bo", truncated=True) == lenient("yes")


def test_a_label_that_was_cut_off_where_a_longer_one_may_go_on_is_not_read():
    assert parse("Answer: no", NO_DIFFERENCE, truncated=True) == problem("truncated")
    assert parse("Answer: no difference", NO_DIFFERENCE, truncated=True) == strict("no difference")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Answer: no", strict("no")),
        ("Answer: no difference", strict("no difference")),
        ("**Answer:** No difference.", lenient("no difference")),
        ("The answer is no.", lenient("no")),
        ("No difference", lenient("no difference")),
        ("Answer: no difference was found", problem("off_label")),  # the beginning of a phrase
        ("Answer: no or no difference", problem("off_label")),
        ("Answer: no difference or no", problem("off_label")),
    ],
    ids=str,
)
def test_of_labels_that_begin_alike_the_longest_that_fits_is_meant(text, expected):
    assert parse(text, NO_DIFFERENCE) == expected


@pytest.mark.parametrize("label", list(REGEX))
def test_regex_characters_in_a_label_stand_for_themselves(label):
    assert parse(f"Answer: {label}", REGEX) == strict(label)
    for other in ("xyz", "aXb", "cc", "ab", ""):
        assert parse(f"answer: {other}", REGEX) == problem("off_label")


@pytest.mark.parametrize(("text", "label"), [("Answer: C++.", "c++"), ("the answer is c", "c"), ("Answer: A|B", "a|b")])
def test_regex_characters_do_not_stand_in_the_way_of_a_lenient_reading(text, label):
    assert parse(text, REGEX) == lenient(label)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Answer: да", strict("да")),
        ("**Ответ**\nAnswer: Да.", lenient("да")),
        ("Answer: данные", problem("off_label")),
        ("Answer: STRASSE", lenient("Straße")),
        ("Answer: ÜNÏCÖDÉ", lenient("ünïcödé")),
        ("Answer: 日本語", strict("日本語")),
        ("Answer: **日本**", lenient("日本")),
        ("Answer: 日本人", problem("off_label")),
        ("Answer: Straße or да", problem("off_label")),
        ("Answer: да or Straße", problem("off_label")),
    ],
    ids=str,
)
def test_labels_of_other_scripts_are_read_alike(text, expected):
    assert parse(text, UNICODE) == expected


@pytest.mark.parametrize("text", ["Answer: -1", "-1", "**-1**", "**Answer: -1**", "The answer is -1.", "answer: -1"])
def test_a_sign_is_part_of_the_label_and_no_decoration(text):
    label, _, _ = parse(text, SIGNED)
    assert label == "-1"


@pytest.mark.parametrize("text", ["Answer: 1", "1", "**1**", "The answer is 1."])
def test_a_label_without_its_sign_is_the_other_label(text):
    label, _, _ = parse(text, SIGNED)
    assert label == "1"


# A bare label


def parse_bare(text, labels=LABELS, truncated=False):
    return tuple(parse_label(text, labels, truncated=truncated))


@pytest.mark.parametrize("label", list(LABELS))
def test_a_text_that_is_a_label_letter_by_letter_is_strict(label):
    assert parse_bare(label) == strict(label)
    assert parse_bare(label, truncated=True) == strict(label)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Yes", "yes"),
        ("yes\n", "yes"),
        (" no", "no"),
        ("No.", "no"),
        ("**Maybe**", "maybe"),
        ("Answer: yes", "yes"),
        ("The answer is yes.", "yes"),
        ("The log says so.\nYes.", "yes"),
        ("Yes, because nine of fourteen left.", "yes"),
        ("No. The crews were well.", "no"),
        ("**Yes** - nine of fourteen left.", "yes"),
        ("maybe; the log is torn", "maybe"),
        ("No, I cannot say that.", "no"),
        ("Yes\n\nNine of fourteen left.", "yes"),
        ("'yes', I think", "yes"),
    ],
    ids=repr,
)
def test_a_label_with_words_around_or_behind_it_is_lenient(text, label):
    assert parse_bare(text) == lenient(label)


@pytest.mark.parametrize(
    "text",
    [
        "yes or no",
        "Yes/no",
        "Yes, or no",
        "yes and no, both",
        "No significant change was seen.",
        "Maybe the crews were tired",
        "yesterday",
        "not sure",
        "It depends",
        "Answer: unclear",
        "The label is yes",
    ],
    ids=repr,
)
def test_a_text_that_does_not_begin_with_one_label_for_itself_is_off_label_or_truncated(text):
    assert parse_bare(text) == problem("off_label")
    assert parse_bare(text, truncated=True) == problem("truncated")


@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize(
    ("text", "what"),
    [("", "empty"), (" \n\t", "empty"), ("I cannot answer this.", "refused"), ("As an AI, I say yes", "refused")],
)
def test_nothing_and_a_refusal_are_no_bare_labels(text, what, truncated):
    assert parse_bare(text, truncated=truncated) == problem(what)


@pytest.mark.parametrize(
    ("text", "whole", "cut"),
    [
        ("no", strict("no"), problem("truncated")),
        ("No", lenient("no"), problem("truncated")),
        ("no difference", strict("no difference"), strict("no difference")),
        ("No difference, as nine left", lenient("no difference"), lenient("no difference")),
        ("No, nine left", lenient("no"), lenient("no")),
        ("no dif", problem("off_label"), problem("truncated")),
        ("no difference was found", problem("off_label"), problem("truncated")),
        ("yes", strict("yes"), strict("yes")),
    ],
    ids=str,
)
def test_a_bare_label_that_may_go_on_as_a_longer_one_counts_only_where_it_was_not_cut(text, whole, cut):
    assert parse_bare(text, NO_DIFFERENCE) == whole
    assert parse_bare(text, NO_DIFFERENCE, truncated=True) == cut


@pytest.mark.parametrize("label", [*REGEX, *UNICODE, *SIGNED])
def test_a_bare_label_of_any_characters_is_itself(label):
    labels = next(one for one in (REGEX, UNICODE, SIGNED) if label in one)
    assert parse_bare(label, labels) == strict(label)


# Properties

WORDS = st.sampled_from(
    [
        *(
            "yes",
            "Yes",
            "NO",
            "no difference",
            "maybe",
            "answer",
            "Answer:",
            "is",
            "or",
            "and",
            "not",
            "The",
            "I cannot",
        ),
        *("/", "**", ":", ".", " ", "\n", "\u2028", "-", "-1", "1", "ß", "Straße", "İ", "c++"),
    ]
)
TEXTS = (
    st.text(st.characters(codec="utf-8"), max_size=40)
    | st.lists(WORDS, max_size=12).map(" ".join)
    | st.lists(WORDS).map("".join)
)
ANY_LABEL = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8) | WORDS


@st.composite
def label_sets(draw):
    try:
        return LabelSet(tuple(draw(st.lists(ANY_LABEL, min_size=2, max_size=6))))
    except InputError:
        return LABELS  # blank labels, or two that differ in case only


@given(TEXTS, label_sets(), st.booleans())
def test_any_text_has_either_a_label_of_the_set_or_a_named_problem(text, labels, truncated):
    label, how, what = parse(text, labels, truncated)
    assert (label is None) != (what is None)
    assert (label is None) == (how is None)
    assert label is None or label in tuple(labels)
    assert how in (None, "strict", "lenient")
    assert what in (None, "empty", "refused", "truncated", "off_label")
    assert (what == "empty") == (not text.strip())
    if what == "truncated":
        assert truncated
        whole, _, why = parse(text, labels)
        # No label yet, or one that may have been about to become another.
        longer = [one for one in labels if whole is not None and one != whole]
        assert why == "off_label" or any(one.casefold().startswith(str(whole).casefold()) for one in longer)


@given(TEXTS, label_sets())
def test_an_answer_line_behind_any_text_is_read_strictly(text, labels):
    for label in labels:
        if label.splitlines() == [label]:
            assert parse(f"{text}\nAnswer: {label}", labels) == strict(label)


@given(TEXTS, label_sets())
def test_the_order_of_the_labels_does_not_matter(text, labels):
    assert parse(text, LabelSet(tuple(labels)[::-1])) == parse(text, labels)
    assert parse_bare(text, LabelSet(tuple(labels)[::-1])) == parse_bare(text, labels)


@given(TEXTS, label_sets(), st.booleans())
def test_a_bare_label_is_read_wherever_an_answer_is_and_named_a_problem_elsewhere(text, labels, truncated):
    label, how, what = parse_bare(text, labels, truncated)
    assert (label is None) != (what is None)
    assert (label is None) == (how is None)
    assert how in (None, "strict", "lenient")
    assert what in (None, "empty", "refused", "truncated", "off_label")
    assert (how == "strict") == (text in tuple(labels) and what != "truncated")
    answer = parse(text, labels, truncated)
    if text not in tuple(labels) and answer[0] is not None:
        assert label == answer[0]
    if what is not None:
        assert answer == problem(what)


@given(
    st.sampled_from([LABELS, NO_DIFFERENCE, UNICODE]), st.sampled_from([", ", ". ", "; ", "! ", ": ", "\n"]), st.data()
)
def test_a_label_at_the_beginning_is_read_whatever_is_said_behind_it(labels, stop, data):
    label = data.draw(st.sampled_from(tuple(labels)))
    behind = data.draw(st.sampled_from(["because nine left.", "Nine of 14 left", "as the log says", "so it is"]))
    for spelt in (label, label.upper(), label.capitalize(), f"**{label}**"):
        assert parse_bare(spelt + stop + behind, labels)[0] == label


@given(
    st.sampled_from([LABELS, NO_DIFFERENCE, LabelSet(("increased", "decreased", "no significant difference"))]),
    st.sampled_from([str.lower, str.upper, str.capitalize, str.title]),
    st.sampled_from(["{}", "**{}**", "'{}'", '"{}"', "`{}`", "({})", "[{}]", "{}.", "{}!", "_{}_", "  {}  "]),
    st.sampled_from(
        ["{}", "answer: {}", "Answer:\n{}", "**Final Answer:** {}", "Hence, the answer is {}", "a\n\n{}\n"]
    ),
    st.data(),
)
def test_every_usual_way_to_write_a_label_is_read_as_that_label(labels, case, quotes, words, data):
    label = data.draw(st.sampled_from(tuple(labels)))
    found, _, _ = parse(words.format(quotes.format(case(label))), labels)
    assert found == label


@given(st.permutations(["yes", "no", "maybe"]), st.sampled_from([" or ", "/", ", ", " and ", " / "]))
def test_a_repetition_of_the_options_is_no_answer(options, between):
    for n in (2, 3):
        choice = between.join(options[:n])
        for text in (choice, f"Answer: {choice}", f"The answer is {choice}."):
            assert parse(text) == problem("off_label")


# Grammars

HOSTILE = [
    LabelSet(('say "yes"', "say 'no'")),
    LabelSet(("back\\slash", "c:\\n", "\\")),
    LabelSet(("\\x41", '\\"', '"')),
    LabelSet(("[^a-z]", "{0,3}", "(a|b)*", "# comment", "root ::= x")),
    LabelSet(("ünïcödé", "да", "日本", "🦉")),
    LabelSet(("no", "no difference", "no-difference")),
]


def test_the_grammar_of_an_answer_is_some_lines_and_the_answer():
    assert answer_grammar(LabelSet(("yes", 'n"o'))) == (
        'root ::= line{0,3} "Answer: " label\nline ::= [^\\n]+ "\\n"\nlabel ::= "yes" | "n\\"o"\n'
    )
    assert label_grammar(LABELS) == 'root ::= " " label\nlabel ::= "yes" | "no" | "maybe"\n'


@pytest.mark.model
@pytest.mark.parametrize("labels", HOSTILE, ids=str)
def test_llama_cpp_accepts_the_grammars_of_hostile_labels(smollm2, labels):
    for grammar in (answer_grammar(labels), answer_grammar(labels, 0), label_grammar(labels)):
        smollm2.free_sampler(smollm2.sampler(Sampling(), 1.0, grammar, 1))


@pytest.mark.model
def test_a_grammar_that_llama_cpp_cannot_parse_is_an_error_and_not_a_crash(smollm2):
    with pytest.raises(ValueError, match="cannot parse the grammar"):
        smollm2.sampler(Sampling(), 1.0, 'root ::= "open', 1)


@pytest.mark.model
@pytest.mark.parametrize("labels", HOSTILE, ids=str)
def test_what_is_generated_under_a_grammar_of_hostile_labels_is_one_of_them(smollm2, labels):
    prompt = tuple(smollm2.tokenize(f"One of {list(labels)}.\n", special=False, add_bos=False))
    for grammar, begin in ((answer_grammar(labels, 0), "Answer: "), (label_grammar(labels), " ")):
        decoding = Decoding(Sampling(2.0), 1.0, 24, (), grammar, "", "")
        for output in Generator(smollm2).generate([prompt] * 3, [1, 2, 3], decoding, lambda _: True):
            assert not output.truncated
            assert output.text.removeprefix(begin) in tuple(labels)
            assert output.text.startswith(begin)


@pytest.mark.model
def test_a_grammar_leaves_room_for_three_lines_and_no_more(smollm2):
    prompt = tuple(smollm2.tokenize("red\nblue\ngreen\nyellow\nblack\nwhite\n", special=False, add_bos=False))
    decoding = Decoding(Sampling(), 1.0, 40, (), answer_grammar(LABELS), "", "")
    outputs = Generator(smollm2).generate([prompt] * 3, [1, 2, 3], decoding, lambda _: True)
    finished = [output.text for output in outputs if not output.truncated]
    assert finished
    for text in finished:
        assert re.fullmatch(r"([^\n]+\n){0,3}Answer: (yes|no|maybe)", text)
        assert parse(text)[1] == "strict"
    assert max(text.count("\n") for text in finished) == 3
