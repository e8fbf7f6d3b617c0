"""The generator: planted facts lie where the evidence says, documents have their length, seeds decide everything."""

import re
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from corpora.schema import iter_questions
from corpora.shaping.validate import validate
from corpora.sources.generator import GeneratorConfig, generate_corpus, generate_documents

# No deadline: a shared machine that is busy must not fail a property.
unhurried = settings(deadline=None, max_examples=50)

SHAPES = ("one_sentence", "neighbouring", "far_apart")
RULE = r"(?:is checked every (?P<days>\d+) days|has no fixed interval between checks yet)\."
PLANTED = {
    "one_sentence": r"The {subject} " + RULE,
    "neighbouring": r"The {subject} was overhauled last spring\. Since then it " + RULE,
    "far_apart": r"The {subject} is of grade (?P<grade>\S+)\.\|Any machine of grade (?P=grade) " + RULE,
}

# Facts that fit into the words of the document with room for filler between them.
configs = st.builds(
    GeneratorConfig,
    n_documents=st.integers(1, 3),
    words=st.integers(150, 600),
    questions_per_document=st.integers(1, 4),
    shapes=st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3).map(tuple),
    maybe_share=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 1000),
)


def evidence_of(question, text):
    """What the evidence spans hold, parted by a bar."""
    return "|".join(text[span.start : span.end] for span in question.evidence)


def stated(question, text):
    """Match of a question's evidence with the sentences that its shape plants; asked days are group `asked`."""
    subject, asked = re.fullmatch(r"Is the (.+) checked every (\d+) days\?", question.text).groups()
    pattern = PLANTED[question.tags["kind"]].replace("{subject}", re.escape(subject))
    return re.fullmatch(pattern, evidence_of(question, text)), int(asked)


@unhurried
@given(configs)
def test_evidence_slices_are_exactly_the_planted_sentences(config):
    for document, questions in generate_documents(config):
        for question in questions:
            planted, _ = stated(question, document.text)
            assert planted, evidence_of(question, document.text)


@unhurried
@given(configs)
def test_the_label_follows_from_what_the_evidence_states(config):
    for document, questions in generate_documents(config):
        for question in questions:
            planted, asked = stated(question, document.text)
            days = planted["days"] and int(planted["days"])
            assert question.reference == ("maybe" if days is None else "yes" if days == asked else "no")


@unhurried
@given(configs)
def test_a_document_has_at_least_its_words_and_less_than_40_more(config):
    for document, _ in generate_documents(config):
        assert config.words <= len(document.text.split()) < config.words + 40


@unhurried
@given(configs)
def test_every_generated_corpus_is_sound(config):
    corpus = generate_corpus(config)
    assert validate(corpus) is corpus
    assert corpus.documents.height == config.n_documents
    assert corpus.questions.height == config.n_documents * config.questions_per_document


@unhurried
@given(words=st.integers(300, 1500), per_document=st.integers(1, 4), seed=st.integers(0, 1000))
def test_far_apart_evidence_is_two_spans_at_least_a_third_of_the_document_apart(words, per_document, seed):
    config = GeneratorConfig(
        n_documents=3, words=words, questions_per_document=per_document, shapes=("far_apart",), seed=seed
    )
    for document, questions in generate_documents(config):
        for question in questions:
            first, second = question.evidence
            assert second.start - first.end >= len(document.text) / 3


def test_far_apart_evidence_keeps_its_distance_when_the_facts_leave_little_room_for_filler():
    # Either the generator keeps the shape's promise or it refuses the config.
    try:
        config = GeneratorConfig(n_documents=20, words=60, questions_per_document=6, shapes=("far_apart",))
    except ValidationError:
        return
    for document, questions in generate_documents(config):
        for question in questions:
            first, second = question.evidence
            assert second.start - first.end >= len(document.text) / 3


def test_the_other_shapes_have_one_span():
    for _, questions in generate_documents(GeneratorConfig(shapes=("one_sentence", "neighbouring"))):
        assert [len(question.evidence) for question in questions] == [1] * len(questions)


def test_shapes_take_turns():
    corpus = generate_corpus(GeneratorConfig(n_documents=2, questions_per_document=4))
    kinds = [question.tags["kind"] for question in iter_questions(corpus.questions)]
    assert kinds == [SHAPES[number % 3] for number in range(8)]


def test_no_two_facts_of_a_corpus_contradict_each_other():
    # "Any machine of grade F12 is checked every 9 days" must not stand beside the same grade with other days.
    rules = defaultdict(set)
    for document, _ in generate_documents(GeneratorConfig(n_documents=200, seed=0)):
        for grade, rule in re.findall(r"Any machine of grade (\S+) ([^.]+)\.", document.text):
            rules[grade].add(rule)
    assert {grade: found for grade, found in rules.items() if len(found) > 1} == {}


def test_a_question_is_asked_of_one_machine_only():
    corpus = generate_corpus(GeneratorConfig(n_documents=50))
    subjects = [text.split(" checked ")[0] for text in corpus.questions["text"]]
    assert len(set(subjects)) == len(subjects) == 150


def test_the_same_seed_gives_the_same_corpus():
    once, again = (generate_corpus(GeneratorConfig(seed=3)) for _ in range(2))
    assert once.documents.equals(again.documents)
    assert once.questions.equals(again.questions)
    assert once.inputs == again.inputs


def test_another_seed_gives_another_corpus_and_another_digest():
    one, other = (generate_corpus(GeneratorConfig(seed=seed)) for seed in (3, 4))
    assert not set(one.texts.values()) & set(other.texts.values())
    assert one.inputs != other.inputs


def test_document_3_of_5_equals_document_3_of_50():
    of_5, of_50 = (list(generate_documents(GeneratorConfig(n_documents=n)))[3] for n in (5, 50))
    assert of_5 == of_50


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_maybe_share_is_the_share_of_open_questions(share):
    corpus = generate_corpus(GeneratorConfig(n_documents=200, maybe_share=share))
    # 600 questions: four standard deviations of a binomial share of .25 are .07; 0 and 1 are exact.
    tolerance = 0.07 if 0 < share < 1 else 0
    assert (corpus.questions["reference"] == "maybe").mean() == pytest.approx(share, abs=tolerance)


def test_yes_and_no_are_about_equally_frequent():
    corpus = generate_corpus(GeneratorConfig(n_documents=200))
    # 600 questions: four standard deviations of a fair coin's share are .082.
    assert (corpus.questions["reference"] == "yes").mean() == pytest.approx(0.5, abs=0.082)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_documents": 0},
        {"words": 59},
        {"questions_per_document": 0},
        {"questions_per_document": 21},
        {"shapes": ()},
        {"shapes": ("scattered",)},
        {"maybe_share": 1.1},
        {"word": 400},
    ],
    ids=str,
)
def test_a_config_that_cannot_be_generated_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        GeneratorConfig(**wrong)
