"""Validation: each kind of problem is found by itself, named by row and field, in one line."""

import pytest

from corpora.errors import InputError, RowError
from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from corpora.shaping.validate import find_problems, validate

GATE = Document("gate", "The gate is red.")
DOOR = Document("door", "The door is green.")
END = len(GATE.text)


def ask(question_id="q1", text="Is it red?", document_ids=("gate",), **rest):
    return Question(question_id, text, document_ids, **rest)


def corpus_of(documents, questions, labels=("yes", "no", "maybe")):
    return Corpus("mine", documents_frame(documents), questions_frame(questions), LabelSet(labels))


def the_only_problem(documents, questions):
    (problem,) = find_problems(corpus_of(documents, questions))
    return problem


def test_a_sound_corpus_is_returned_as_it_is():
    question = ask(document_ids=("gate", "door"), reference="yes", evidence=(Span("gate", 0, END), Span("door", 4, 8)))
    corpus = corpus_of([GATE, DOOR], [question, ask("q2", annotators={"first": "maybe"})])
    assert validate(corpus) is corpus


def test_a_corpus_without_documents_and_questions_has_both_problems():
    assert [problem.found for problem in find_problems(corpus_of([], []))] == [
        "mine: no documents",
        "mine: no questions",
    ]


@pytest.mark.parametrize(
    ("documents", "questions", "place", "found"),
    [
        pytest.param(
            [GATE, DOOR, Document("gate", "Another.")],
            [ask()],
            "mine documents, row 3, field 'id': ",
            "duplicate id 'gate', first seen in row 1",
            id="duplicate document id",
        ),
        pytest.param(
            [GATE],
            [ask("q0"), ask(), ask(text="Is it blue?")],
            "mine questions, row 3, field 'id': ",
            "duplicate id 'q1', first seen in row 2",
            id="duplicate question id",
        ),
        pytest.param(
            [GATE, Document("", "A text.")],
            [ask()],
            "mine documents, row 2, field 'id': ",
            "empty id",
            id="empty document id",
        ),
        pytest.param(
            [GATE, Document("blank", " \n\t")],
            [ask()],
            "mine documents, row 2 (id 'blank'), field 'text': ",
            "empty text",
            id="blank document",
        ),
        pytest.param(
            [GATE],
            [ask("")],
            "mine questions, row id '', field 'id': ",
            "empty id",
            id="empty question id",
        ),
        pytest.param(
            [GATE],
            [ask(text="  ")],
            "mine questions, row id 'q1', field 'text': ",
            "empty text",
            id="blank question",
        ),
        pytest.param(
            [GATE],
            [ask(document_ids=())],
            "mine questions, row id 'q1', field 'document_ids': ",
            "no gold document",
            id="no gold document",
        ),
        pytest.param(
            [GATE],
            [ask(document_ids=("gate", "wall"))],
            "mine questions, row id 'q1', field 'document_ids': ",
            "document 'wall' is not in the corpus: expected a document id of the corpus (1 in all)",
            id="missing gold document",
        ),
        pytest.param(
            [GATE],
            [ask(reference="Yes")],
            "mine questions, row id 'q1', field 'reference': ",
            "label 'Yes' (did you mean 'yes'?): expected one of yes, no, maybe",
            id="reference outside the label set",
        ),
        pytest.param(
            [GATE],
            [ask(annotators={"first": "yes", "second": "perhaps"})],
            "mine questions, row id 'q1', field 'annotator second': ",
            "label 'perhaps'",
            id="annotator outside the label set",
        ),
        pytest.param(
            [GATE, DOOR],
            [ask(evidence=(Span("door", 0, 3),))],
            "mine questions, row id 'q1', field 'evidence': ",
            "a span in document 'door'",
            id="span in a document of another question",
        ),
        pytest.param(
            [GATE],
            [ask(evidence=(Span("wall", 0, 3),))],
            "mine questions, row id 'q1', field 'evidence': ",
            "a span in document 'wall'",
            id="span in a document that is not there",
        ),
    ],
)
def test_a_problem_is_found_once_with_its_row_and_field(documents, questions, place, found):
    problem = the_only_problem(documents, questions)
    assert isinstance(problem, RowError)
    assert str(problem).startswith(place + found)


@pytest.mark.parametrize(
    ("start", "end"), [(-1, 3), (3, 3), (4, 3), (0, END + 1), (END, END)], ids=lambda offset: str(offset)
)
def test_a_span_outside_its_document_is_found(start, end):
    problem = the_only_problem([GATE], [ask(evidence=(Span("gate", start, end),))])
    assert f"span {start}:{end} outside its document 'gate': expected offsets with 0 <= start < end <= {END}" in str(
        problem
    )


@pytest.mark.parametrize(("start", "end"), [(0, 1), (END - 1, END), (0, END)])
def test_a_span_that_touches_the_borders_of_its_document_is_sound(start, end):
    validate(corpus_of([GATE], [ask(evidence=(Span("gate", start, end),))]))


def test_a_single_problem_is_raised_as_it_is():
    with pytest.raises(RowError) as error:
        validate(corpus_of([GATE], [ask(reference="perhaps")]))
    assert "more problem" not in str(error.value)


@pytest.mark.parametrize(
    ("n_bad", "said"), [(2, "(1 more problem: "), (5, "(4 more problems: ")], ids=["one more", "four more"]
)
def test_the_first_problem_is_raised_with_the_number_of_the_others(n_bad, said):
    questions = [ask(f"q{number}", reference="perhaps") for number in range(n_bad)]
    with pytest.raises(InputError) as error:
        validate(corpus_of([GATE], questions))
    assert str(error.value).startswith("mine questions, row id 'q0', field 'reference': label 'perhaps'")
    assert said in str(error.value)


def test_every_problem_of_one_question_is_found_and_documents_come_first():
    bad = ask(text="", document_ids=("wall",), reference="perhaps", evidence=(Span("gate", 0, 3),))
    problems = list(find_problems(corpus_of([GATE, GATE], [bad])))
    assert [problem.field for problem in problems] == ["id", "text", "document_ids", "reference", "evidence"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\N{LINE SEPARATOR}", "\x85", "\x0b"])
def test_a_message_is_one_line_whatever_the_names_in_it(line_end):
    question = ask(f"a{line_end}b", reference="perhaps")
    labels = ("yes", f"not{line_end}yes")
    frames = documents_frame([GATE]), questions_frame([question])
    with pytest.raises(InputError) as error:
        # A label set refuses control characters itself; what is left comes to `validate`.
        validate(Corpus(f"my{line_end}corpus", *frames, LabelSet(labels)))
    assert len(str(error.value).splitlines()) == 1


# Label sets


@pytest.mark.parametrize("labels", [("yes", "no"), tuple("abcdefgh"), ("entailed", "not entailed")])
def test_two_to_eight_distinct_labels_make_a_label_set_in_their_order(labels):
    assert tuple(LabelSet(labels)) == labels
    assert [LabelSet(labels).index(label) for label in labels] == list(range(len(labels)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((), "has 0 labels: expected 2 to 8"),
        (("yes",), "has 1 label: expected 2 to 8"),
        (tuple("abcdefghi"), "has 9 labels: expected 2 to 8"),
        (("yes", ""), "labels that are not empty"),
        (("yes", " "), "labels that are not empty"),
        (("yes", "no", "yes"), "differ in more than case"),
        (("yes", "Yes"), "differ in more than case"),
        (("no", "no "), "differ in more than case"),
        (("straße", "STRASSE"), "differ in more than case"),
    ],
)
def test_a_label_set_that_cannot_work_is_refused(labels, message):
    with pytest.raises(InputError, match=message):
        LabelSet(labels)
