"""The bundled sample: what it promises about sizes, labels, evidence and the variety of its documents."""

import re
import shutil
from collections import Counter, defaultdict

import pytest

from corpora.errors import InputError
from corpora.schema import iter_questions
from corpora.shaping.selection import assign_split
from corpora.shaping.validate import validate
from corpora.sources.bundled import FOLDER, read_sample


@pytest.fixture(scope="module")
def sample():
    return read_sample()


@pytest.fixture(scope="module")
def questions(sample):
    return list(iter_questions(sample.questions))


@pytest.fixture
def copied_sample(tmp_path):
    return shutil.copytree(FOLDER, tmp_path / "sample")


def of_kind(questions, kind):
    return [question for question in questions if question.tags["kind"] == kind]


def test_the_sample_is_sound(sample):
    assert validate(sample) is sample


def test_there_are_at_least_30_documents_of_300_to_800_words(sample):
    words = {document_id: len(text.split()) for document_id, text in sample.texts.items()}
    assert len(words) >= 30
    assert {document_id: n for document_id, n in words.items() if not 300 <= n <= 800} == {}


def test_there_are_at_least_180_questions_and_every_document_is_asked_about(sample, questions):
    assert len(questions) >= 180
    assert {question.document_ids[0] for question in questions} == set(sample.texts)


def test_yes_and_no_are_equal_in_number_and_some_questions_stay_open(questions):
    labels = Counter(question.reference for question in questions)
    assert labels["yes"] == labels["no"]
    assert labels["maybe"] >= 10
    assert set(labels) == {"yes", "no", "maybe"}


def test_every_kind_is_there_and_each_has_yes_and_no(questions):
    for kind in ("one_sentence", "neighbouring", "far_apart"):
        labels = Counter(question.reference for question in of_kind(questions, kind))
        assert min(labels["yes"], labels["no"]) >= 10, kind


def test_every_question_has_evidence_made_of_whole_words(sample, questions):
    for question in questions:
        assert question.evidence
        for span in question.evidence:
            text = sample.texts[span.document_id]
            assert not (text[: span.start] + " ")[span.start - 1].isalnum(), question.id
            assert not (text + " ")[span.end].isalnum(), question.id
            assert text[span.start : span.end].strip() == text[span.start : span.end], question.id


def test_evidence_in_one_place_has_one_span(questions):
    for kind in ("one_sentence", "neighbouring"):
        assert {len(question.evidence) for question in of_kind(questions, kind)} == {1}


def test_far_apart_evidence_is_two_spans_with_at_least_130_words_between_them(sample, questions):
    for question in of_kind(questions, "far_apart"):
        first, second = question.evidence
        between = sample.texts[first.document_id][first.end : second.start]
        assert len(between.split()) >= 130, question.id


def test_no_two_documents_share_a_sentence_of_more_than_8_words(sample):
    holders = defaultdict(set)
    for document_id, text in sample.texts.items():
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            words = re.findall(r"\w+", sentence.casefold())
            if len(words) > 8:
                holders[" ".join(words)].add(document_id)
    assert len(holders) > 30 * 15  # the splitting found sentences at all
    assert {sentence: ids for sentence, ids in holders.items() if len(ids) > 1} == {}


def test_no_question_is_asked_twice(questions):
    assert len({question.text.casefold() for question in questions}) == len(questions)


def test_the_split_has_both_parts_and_every_label_in_each(sample):
    split = assign_split(sample.questions)
    labels = split.group_by("split").agg("reference").rows()
    every_label = {"yes", "no", "maybe"}
    assert {part: set(found) for part, found in labels} == {"tune": every_label, "held_out": every_label}


def test_the_sample_is_read_from_any_folder_with_the_same_digests(sample, copied_sample):
    copy = read_sample(copied_sample)
    assert copy.inputs == sample.inputs
    assert copy.questions.equals(sample.questions)


def test_an_edited_document_is_refused_by_the_question_whose_quote_moved(sample, copied_sample):
    question = next(iter_questions(sample.questions))
    file = copied_sample / "documents" / f"{question.document_ids[0]}.txt"
    file.write_bytes(b"New. " + file.read_bytes())
    with pytest.raises(InputError, match=f"{question.id}: .* is not at {question.evidence[0].start}:"):
        read_sample(copied_sample)


def test_a_single_changed_character_inside_a_quote_is_refused(sample, copied_sample):
    span = list(iter_questions(sample.questions))[-1].evidence[-1]
    file = copied_sample / "documents" / f"{span.document_id}.txt"
    text = sample.texts[span.document_id]
    changed = text[: span.start] + "#" + text[span.start + 1 :]
    file.write_bytes(changed.encode())
    with pytest.raises(InputError, match="is not at"):
        read_sample(copied_sample)


def test_an_edit_after_the_last_quote_changes_the_digest(sample, copied_sample):
    file = sorted((copied_sample / "documents").glob("*.txt"))[0]
    file.write_bytes(file.read_bytes() + b"One more line.\n")
    assert read_sample(copied_sample).inputs["sample/documents"] != sample.inputs["sample/documents"]
