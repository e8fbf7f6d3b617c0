"""Choices of a question: their order, their places, and what is refused of them."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.choices import (
    PLACES,
    answers_without_reading,
    asked_text,
    in_drawn_order,
    label_of,
    options,
    places,
    with_asked_texts,
)
from corpora.defects import Defects
from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.schema import QUESTIONS, LabelSet, Question, iter_questions, questions_frame
from corpora.sources.tables.columns import QuestionColumns
from corpora.sources.tables.corpus import read_tables

some = st.lists(st.text(min_size=1, max_size=9), min_size=2, max_size=7, unique=True)


@given(some, st.text(max_size=9), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_that_of_the_source(choices, question_id, random):
    shuffled = random.sample(choices, len(choices))
    assert in_drawn_order(question_id, shuffled) == in_drawn_order(question_id, choices)
    assert sorted(in_drawn_order(question_id, choices)) == sorted(choices)


def test_the_right_choice_is_at_each_place_about_as_often():
    at = [in_drawn_order(f"q{number}", ("right", "b", "c", "d")).index("right") for number in range(400)]
    assert all(70 <= at.count(place) <= 130 for place in range(4))


@pytest.mark.parametrize("not_stated", [None, "not stated"])
def test_every_option_has_a_label_of_its_own_and_what_is_not_stated_is_the_last(not_stated):
    labels = places(4, not_stated)
    shown = options(("x", "y", "z"), labels)
    found = [labels.labels[label_of(at, len(shown), labels)] for at in range(len(shown))]
    assert found == ["A", "B", "C", *([not_stated] if not_stated else [])]


def test_a_label_that_is_a_place_is_refused():
    with pytest.raises(InputError, match="which is the place of a choice"):
        places(3, "B")


def test_a_choice_too_many_is_refused_by_its_own_name():
    with pytest.raises(InputError, match="8 choices of every question and the label 'not stated'"):
        places(8, "not stated")


def test_people_see_the_choices_behind_their_places_and_older_frames_stay_as_they_are():
    frame = questions_frame([Question("q", "Which?", ("d",), "A", choices=("x", "y"))])
    assert with_asked_texts(frame)["text"].to_list() == ["Which?\nA: x\nB: y"] == [asked_text("Which?", ("x", "y"))]
    older = questions_frame([Question("q", "Which?", ("d",))]).drop("choices")
    assert with_asked_texts(older).equals(older)
    assert [one.choices for one in iter_questions(older)] == [()]
    assert "choices" in QUESTIONS


def test_who_reads_nothing_draws_among_the_choices_or_gives_one_answer_that_all_questions_have():
    asked = [
        Question("a", "Which?", ("d",), "A", choices=("yes", "x")),
        Question("b", "Which?", ("d",), "B", choices=("yes", "y", "z")),
        Question("c", "Which?", ("d",), "not stated", choices=("w", "yes")),
    ]
    found = answers_without_reading(questions_frame(asked)).rows()
    assert found == [("a", 1 / 2, "yes"), ("b", 1 / 3, None), ("c", 0.0, "not stated")]


# Tables


def read(folder, *rows, columns=None, not_stated=None, defects=None, ending="jsonl"):
    (folder / "documents.jsonl").write_text('{"id": "d", "text": "The barn is red."}\n', encoding="utf-8")
    asked = [{"id": f"q{at}", "text": "Which?", "document_ids": "d"} | row for at, row in enumerate(rows)]
    file = folder / f"questions.{ending}"
    if ending == "csv":
        pl.DataFrame([{**one, "choices": json.dumps(one["choices"])} for one in asked]).write_csv(file)
    else:
        file.write_text("".join(json.dumps(one) + "\n" for one in asked), encoding="utf-8")
    labels = LabelSet().with_label(not_stated)
    return read_tables(folder / "documents.jsonl", file, labels, None, columns, defects, not_stated)


def meant(corpus):
    return [row["reference"] and row["choices"][PLACES.index(row["reference"])] for row in corpus.questions.to_dicts()]


RED, BLUE, LONG = "red", "blue", "red, or nearly so"


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_the_right_choice_is_named_by_its_text_or_by_its_place_in_the_file(tmp_path, ending):
    choices = [BLUE, LONG, RED]
    corpus = read(
        tmp_path, {"choices": choices, "reference": RED}, {"choices": choices, "reference": "B"},
        {"choices": choices[:2], "reference": None}, ending=ending,
    )  # fmt: skip
    assert meant(corpus) == [RED, LONG, None]
    assert corpus.labels == places(3)
    assert [sorted(one) for one in corpus.questions["choices"]] == [sorted(choices)] * 2 + [sorted(choices[:2])]


def test_numbers_are_given_a_meaning_and_may_be_choices_too(tmp_path):
    columns = QuestionColumns(reference="answer", reference_values={"0": "A", "1": "B"})
    corpus = read(tmp_path, {"choices": [1914, 1918.0], "answer": 1}, columns=columns)
    assert meant(corpus) == ["1918"]


def test_what_is_not_stated_is_a_reference_too(tmp_path):
    corpus = read(tmp_path, {"choices": [RED, BLUE], "reference": "not stated"}, not_stated="not stated")
    assert corpus.questions["reference"].to_list() == ["not stated"]
    assert corpus.labels.labels == ("A", "B", "not stated")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"choices": [RED]}, "1 choice"),
        ({"choices": [*"abcdefghi"]}, "9 choices"),
        ({"choices": [RED, "RED"]}, "differ only in case"),
        ({"choices": [RED, ""]}, "an empty field"),
        ({"choices": [RED, "a\nb"]}, "control character"),
        ({"choices": "red or blue"}, "correct the field"),
        ({"choices": {"A": RED}}, "a list of texts"),
        ({"choices": None}, "no choices, and the first question has some"),
        ({"choices": [RED, BLUE], "reference": "green"}, "the text of a choice, or its place: A, B"),
        ({"choices": ["B", "A"], "reference": "B"}, "is a choice, and also the place"),
        ({"choices": [*"abcdefgh"]}, "8 choices"),
    ],
)
def test_choices_that_cannot_be_used_are_refused_by_row(tmp_path, row, said):
    not_stated = "not stated" if said == "8 choices" else None
    with pytest.raises(InputError, match=said):
        read(tmp_path, {"choices": [RED, BLUE]}, row, not_stated=not_stated)
    defects = Defects("skip")
    assert len(read(tmp_path, {"choices": [RED, BLUE]}, row, not_stated=not_stated, defects=defects).questions) == 1
    assert len(defects.errors) == 1


def test_labels_and_choices_exclude_each_other(tmp_path):
    read(tmp_path, {"choices": [RED, BLUE]})
    config = CorpusConfig(source="tables", path=tmp_path, labels=("yes", "no"))
    with pytest.raises(InputError, match="remove `labels`, or rename the column"):
        load_corpus(config)
    assert load_corpus(CorpusConfig(source="tables", path=tmp_path)).labels == places(2)


def test_questions_on_a_folder_of_documents_have_choices_too(tmp_path):
    (tmp_path / "barn.txt").write_text("The barn is red.", encoding="utf-8")
    row = {"id": "q", "text": "Which?", "document_ids": "barn.txt", "choices": [BLUE, RED], "reference": RED}
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    corpus = load_corpus(CorpusConfig(source="folder", path=tmp_path, not_stated="not stated"))
    assert corpus.labels == places(2, "not stated")
    assert meant(corpus) == [RED]
