import polars as pl

from corpora.schema import Corpus, LabelSet, Question, documents_frame, questions_frame
from results.readers.answers import document_answers, judge, question_facts

LABELS = LabelSet()


def test_a_label_without_a_distribution_is_the_answer_that_was_given(ballots):
    votes = ballots({"q1": ["maybe", "no", "no"], "q2": [None, "yes", "yes"], "q3": (0.2, 0.5, 0.3)})
    assert document_answers(votes, LABELS).select("question_id", "label").rows() == [
        ("q1", "maybe"),
        ("q2", None),
        ("q3", "no"),
    ]


def test_a_tie_goes_to_the_first_label_of_the_label_set(ballots):
    labels = LabelSet(("b", "a"))
    votes = ballots({"q1": (0.4, 0.4)}, labels, drawn={"q1": "aaa"})
    answer = document_answers(votes, labels).row(0, named=True)
    assert (answer["label"], answer["margin"]) == ("b", 0.0)


def test_the_last_of_eight_labels_is_an_answer_too(ballots):
    labels = LabelSet(tuple("abcdefgh"))
    assert document_answers(ballots({"q": [0.1] * 7 + [0.3]}, labels), labels)["label"].to_list() == ["h"]


def test_a_question_stands_or_falls_on_its_first_document_or_on_itself():
    questions = [Question("q1", "?", ("b", "a"), "yes"), Question("q2", "?", (), "no"), Question("q3", "?", ("a",))]
    corpus = Corpus("by hand", documents_frame([]), questions_frame(questions), LABELS)
    assert question_facts(corpus).rows() == [("q1", "yes", "b"), ("q2", "no", "q2"), ("q3", None, "a")]


def test_answers_are_judged_on_the_questions_with_a_reference_in_their_order(ballots, corpus_of):
    corpus = corpus_of(["yes", None, "no"], questions_per_document=2)
    votes = ballots({"q002": (0.1, 0.8, 0.1), "q001": (0.1, 0.8, 0.1), "q000": [None] * 3})
    assert judge(corpus, votes).select("question_id", "reference", "cluster", "label").rows() == [
        ("q000", "yes", "d0", None),
        ("q002", "no", "d1", "no"),
    ]


def test_questions_that_a_reader_was_not_asked_are_not_judged(ballots, corpus_of):
    votes = ballots({"q001": (0.1, 0.8, 0.1)})
    assert judge(corpus_of(["yes", "no"]), votes)["question_id"].to_list() == ["q001"]


def test_without_references_there_is_nothing_to_judge(ballots, corpus_of):
    judged = judge(corpus_of([None, None]), ballots({"q000": (0.1, 0.8, 0.1), "q001": (0.1, 0.8, 0.1)}))
    assert judged.is_empty()
    assert judged.schema["label"] == pl.String
