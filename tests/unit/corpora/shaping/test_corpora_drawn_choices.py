"""SQuAD's answers as choices: wrong ones from the same document, of the same shape, never a right one."""

import json

import pytest

from corpora.choices import PLACES, describe_choices
from corpora.errors import InputError
from corpora.loading.config import CorpusConfig, check_keys
from corpora.loading.load import load_corpus
from corpora.schema import iter_questions
from corpora.shaping.drawn_choices import MADE, normalised, shape_of

LOG = (
    "The lighthouse of Cape Orla was lit on 4 May 1871 by Ines Marrow. It stands 62 metres above the sea and holds 14 "
    "lamps. In 1903 the keeper Tobias Venn counted 388 ships. A store room was added in June 1911, and Port Sallow "
    "sent two boats. The old lamp oil was kept under the stairs."
)
ASKED = {
    "who": ("Who lit it first?", "Ines Marrow"),
    "when": ("On which day was it lit?", "4 May 1871"),
    "height": ("How high does it stand?", "62 metres"),
    "lamps": ("How many lamps does it hold?", "14"),
    "keeper": ("Who counted the ships?", "Tobias Venn"),
    "store": ("When was a store room added?", "June 1911"),
    "oil": ("Where was the oil kept?", "under the stairs"),
}


def squad(folder, asked=ASKED, context=LOG, impossible=("captain",), alone=False):
    qas = [
        {"id": one, "question": question, "answers": [{"text": text, "answer_start": context.index(text)}],
         "is_impossible": False} for one, (question, text) in asked.items()
    ]  # fmt: skip
    qas += [{"id": one, "question": "Who owned the boats?", "answers": [], "is_impossible": True} for one in impossible]
    paragraphs = [{"context": context, "qas": qas}]
    if alone:  # with one answer and nothing else that could be one
        bare = "It is raining. A goat sleeps under a cart."
        answer = [{"text": "a cart", "answer_start": bare.index("a cart")}]
        paragraphs.append({"context": bare, "qas": [{"id": "goat", "question": "Under what?", "answers": answer}]})
    file = folder / "log.json"
    file.write_text(json.dumps({"data": [{"title": "Log", "paragraphs": paragraphs}]}), encoding="utf-8")
    return file


def load(file, **more):
    return load_corpus(CorpusConfig(source="squad", path=file, choices=4, **more))


def by_id(corpus):
    return {one.id: one for one in iter_questions(corpus.questions)}


def test_the_right_answer_is_one_of_the_choices_and_its_place_the_reference(tmp_path):
    corpus = load(squad(tmp_path))
    assert corpus.labels.labels == PLACES[:4]
    questions = by_id(corpus)
    assert set(questions) == set(ASKED)
    for one, (_, answer) in ASKED.items():
        assert questions[one].choices[PLACES.index(questions[one].reference)] == answer
        assert len(set(questions[one].choices)) == 4
        assert all(choice in LOG for choice in questions[one].choices)
        assert questions[one].evidence


def test_wrong_choices_have_the_shape_of_the_right_one_where_the_document_has_such(tmp_path):
    questions = by_id(load(squad(tmp_path)))
    assert set(questions["who"].choices) == {"Ines Marrow", "Tobias Venn", "Cape Orla", "Port Sallow"}
    # Another question's answer comes first; then a date that no question asks for; then answers of other shapes.
    assert {"4 May 1871", "June 1911", "1903"} < set(questions["when"].choices)
    assert {"14", "62", "388"} < set(questions["lamps"].choices)
    # 62 is part of 62 metres: it could be taken for right.
    assert "62" not in questions["height"].choices


def test_the_choices_depend_on_the_question_and_not_on_the_order_of_the_file(tmp_path):
    turned = dict(reversed(ASKED.items()))
    (tmp_path / "turned").mkdir()
    assert by_id(load(squad(tmp_path))) == by_id(load(squad(tmp_path / "turned", turned)))


def test_an_unanswerable_question_has_wrong_choices_only_and_the_label_for_it(tmp_path):
    corpus = load(squad(tmp_path), not_stated="not stated")
    assert corpus.labels.labels == (*PLACES[:4], "not stated")
    captain = by_id(corpus)["captain"]
    assert captain.reference == "not stated"
    assert len(captain.choices) == 4
    assert corpus.left_out_line == ""


def test_questions_that_cannot_have_choices_are_left_out_and_counted(tmp_path):
    file = squad(tmp_path, alone=True)
    corpus = load(file)
    assert set(by_id(corpus)) == set(ASKED)
    assert corpus.left_out_line == (
        "log: 1 of 1 unanswerable question and 1 of 8 short-answer questions cannot be used, and are left out."
    )
    reasons = {defect.id: defect.reason for defect in corpus.left_out.defects}
    assert "none, as it is unanswerable" in reasons["captain"]
    assert "0 wrong answers in its document" in reasons["goat"]
    with pytest.raises(InputError, match="set `not_stated` in the corpus"):
        load(file, on_defect="refuse")


def test_a_second_right_answer_is_no_wrong_choice(tmp_path):
    file = squad(tmp_path)
    content = json.loads(file.read_text(encoding="utf-8"))
    who = content["data"][0]["paragraphs"][0]["qas"][0]
    who["answers"].append({"text": "Tobias Venn", "answer_start": LOG.index("Tobias Venn")})
    file.write_text(json.dumps(content), encoding="utf-8")
    assert "Tobias Venn" not in by_id(load(file))["who"].choices


def test_what_the_report_says_of_them(tmp_path):
    corpus = load(squad(tmp_path))
    said = describe_choices(corpus.questions, corpus.choices_made)
    assert said.startswith("Each question has 4 choices of its own")
    assert said.endswith(MADE)


@pytest.mark.parametrize(
    ("answer", "shape"),
    [("4 May 1871", "date"), ("1903", "date"), ("March", "date"), ("14", "number"), ("3.5 %", "number"),
     ("$1,200", "number"), ("Port Sallow", "name"), ("Bay of Elms", "name"), ("under the stairs", "words"),
     ("62 metres", "words"), ("\u706f\u5854", "words")],
)  # fmt: skip
def test_shapes(answer, shape):
    assert shape_of(answer) == shape


def test_answers_are_compared_as_squad_compares_them():
    assert normalised("The  Normans'") == normalised("normans")


def test_only_squad_makes_choices(tmp_path):
    with pytest.raises(InputError, match="`choices` is set for source 'beir'"):
        check_keys(CorpusConfig(source="beir", path=tmp_path, choices=4))
    with pytest.raises(InputError, match="take one choice less"):
        _ = CorpusConfig(source="squad", path=tmp_path, choices=8, not_stated="not stated").label_set
