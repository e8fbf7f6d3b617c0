"""What cannot be used: raised where nothing may be left out, else noted, counted and listed; too much of it stops."""

import json

import polars as pl
import pytest

from corpora.defects import LEFT_OUT, Defect, Defects, LeftOut
from corpora.errors import InputError, RowError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.schema import Corpus, Document, LabelSet, Question, documents_frame, questions_frame
from corpora.shaping.defective import leave_out_defective
from corpora.shaping.validate import find_problems, validate
from tests.unit.corpora.loading.test_corpora_sources import write_tables

ERROR = RowError("a.jsonl", 3, "text", "null", "a text", "fill it in")


def fails():
    raise ERROR


def corpus_of(documents, questions, **rest):
    return Corpus("mine", documents_frame(documents), questions_frame(questions), LabelSet(), **rest)


# One row


def test_the_first_defect_is_raised_where_nothing_may_be_left_out():
    with pytest.raises(RowError) as raised:
        list(Defects().made("document", "d1", fails))
    assert raised.value is ERROR


def test_a_defect_is_noted_and_the_rest_goes_on():
    defects = Defects("skip")
    made = [one for make in (lambda: "first", fails, lambda: "last") for one in defects.made("document", "d1", make)]
    assert made == ["first", "last"]
    left_out = defects.left_out(n_documents=2, n_questions=0)
    assert left_out.defects == (Defect("a.jsonl", "3", "document", "d1", "text: null (expected a text)"),)
    assert left_out.defects[0].line == "a.jsonl, row 3: document 'd1': text: null (expected a text)"
    assert (left_out.counts, left_out.n_read, left_out.line()) == (
        {"document": 1},
        {"document": 3, "question": 0},
        "1 of 3 documents",
    )


def test_an_error_that_is_not_about_a_row_is_always_raised():
    def broken():
        raise InputError("a.jsonl does not parse", "JSON")

    with pytest.raises(InputError, match="does not parse"):
        list(Defects("skip").made("document", "d1", broken))


@pytest.mark.parametrize("identifier", [None, ["d1"], {"a": 1}, 1.5])
def test_an_id_that_cannot_be_read_is_listed_as_empty(identifier):
    defects = Defects("skip")
    defects.leave_out("document", identifier, ERROR)
    assert defects.left_out(0, 0).frame().rows() == [("a.jsonl", "3", "document", "", "text: null (expected a text)")]
    assert LeftOut().frame().schema == LEFT_OUT


# The share


@pytest.mark.parametrize(("n", "stops"), [(1, False), (2, False), (3, True)])
def test_a_corpus_that_has_lost_more_than_half_stops(n, stops):
    left_out = LeftOut((Defect("a.tsv", "1", "judgement", "q d", "why"),) * n, {"judgement": 4})
    corpus = corpus_of([Document("d", "A text.")], [Question("q", "Is it?", ("d",))], left_out=left_out)
    assert (left_out.too_much("mine") is not None) == stops
    if stops:
        with pytest.raises(
            InputError, match=r"mine: 3 of 4 judgements cannot be used \(the first: a.tsv, row 1, why\)"
        ):
            validate(corpus)


def test_what_is_only_known_of_a_document_may_be_lost_altogether():
    assert LeftOut((Defect("a", "1", "tag", "q", "why"),) * 4, {"tag": 4}).too_much("mine") is None


def test_two_corpora_are_counted_together():
    one = LeftOut((Defect("a", "1", "tag", "q", "why"),), {"tag": 2, "document": 5})
    both = one.with_more(LeftOut((Defect("b", "1", "tag", "q", "why"),), {"tag": 3}))
    assert (len(both.defects), both.n_read, both.line()) == (2, {"tag": 5, "document": 5}, "2 of 5 tags")


# A whole corpus


def test_empty_texts_copies_and_ids_that_name_nothing_are_left_out():
    documents = [Document("a", "One."), Document("b", " \n"), Document("a", "One."), Document("", "No id.")]
    questions = [
        Question("q1", "Is it?", ("a", "b", "a")),
        Question("q2", "Is it?", ("b",)),
        Question("q3", "", ("a",)),
        Question("q4", "Is it?", ("a",), reference="perhaps"),
        Question("q1", "Is it?", ("a", "b", "a")),
    ]
    defects = Defects("skip")
    sound = leave_out_defective(corpus_of(documents, questions), defects)
    assert list(find_problems(sound)) == []
    assert sound.texts == {"a": "One."}
    assert sound.questions.select("question_id", "document_ids").rows() == [("q1", ["a"])]
    noted = [(one.kind, one.row, one.id) for one in defects.left_out(1, 1).defects]
    assert noted == [
        ("document", "3", "a"),
        ("document", "2 (id 'b')", "b"),
        ("document", "4", ""),
        ("question", "5", "q1"),
        ("gold document", "id 'q1'", "q1 b"),
        ("gold document", "id 'q2'", "q2 b"),
        ("question", "id 'q2'", "q2"),
        ("question", "id 'q3'", "q3"),
        ("question", "id 'q4'", "q4"),
    ]


def test_one_id_with_two_contents_is_refused_still():
    documents = [Document("a", "One."), Document("a", "Other.")]
    sound = leave_out_defective(corpus_of(documents, [Question("q", "Is it?", ("a",))]), Defects("skip"))
    assert [problem.found for problem in find_problems(sound)] == [
        "mine documents, row 2, field 'id': duplicate id 'a', first seen in row 1"
    ]


def test_a_sound_corpus_is_returned_as_it_is():
    corpus = corpus_of([Document("d", "A text.")], [Question("q", "Is it?", ("d",))])
    assert leave_out_defective(corpus, Defects("skip")) is corpus


# The setting


def with_an_empty_text(folder):
    write_tables(folder)
    file = folder / "documents.jsonl"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    rows[4]["text"] = ""
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return CorpusConfig(source="tables", path=folder, split="all")


def test_a_table_of_the_users_own_is_refused_unless_its_rows_may_be_skipped(tmp_path):
    config = with_an_empty_text(tmp_path)
    with pytest.raises(RowError, match=r"documents\.jsonl, row 5, field 'text'"):
        load_corpus(config)
    corpus = load_corpus(config.model_copy(update={"on_defect": "skip"}))
    assert (len(corpus.documents), len(corpus.questions)) == (19, 19)
    assert corpus.left_out.line() == "1 of 20 documents, 1 of 20 gold documents and 1 of 20 questions"
    assert corpus.left_out.frame().filter(pl.col("kind") == "document")["row"].to_list() == ["5"]


def test_a_sample_stays_pinned_whatever_is_done_about_defects(tmp_path):
    config = CorpusConfig(sample=3)
    drawn = load_corpus(config, tmp_path)
    load_corpus(config.model_copy(update={"on_defect": "skip"}), tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert len(drawn.questions) == 3


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="on_defect"):
        CorpusConfig(on_defect="ignore")
