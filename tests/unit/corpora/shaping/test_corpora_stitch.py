"""Documents joined into longer ones, and documents that are only there to distract."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.schema import (
    Corpus,
    Document,
    LabelSet,
    Question,
    Section,
    Span,
    documents_frame,
    iter_documents,
    iter_questions,
    questions_frame,
)
from corpora.shaping.distractors import PREFIX, add_distractors
from corpora.shaping.stitch import BREAK, stitch
from corpora.shaping.validate import find_problems
from corpora.sources.generator import GeneratorConfig
from corpora.sources.tables.columns import DocumentColumns

TEXTS = st.lists(st.text(min_size=1).filter(lambda text: not text.isspace()), min_size=1, max_size=9)


def corpus_of(texts, questions=()):
    documents = [Document(f"d{n}", text, (Section("BODY", 0, len(text)),)) for n, text in enumerate(texts)]
    return Corpus("some", documents_frame(documents), questions_frame(questions), LabelSet())


def test_three_documents_joined_by_two():
    corpus = corpus_of(
        ["alpha", "bé🎉", "gamma"],
        [
            Question("q0", "?", ("d0",), "yes", (Span("d0", 1, 3),)),
            Question("q1", "?", ("d1", "d2"), "no"),
        ],
    )
    long = stitch(corpus, 2, seed=0)
    texts = {one.id: one.text for one in iter_documents(long.documents)}
    assert len(texts) == 2
    assert sorted(BREAK.join(texts.values()).split(BREAK)) == ["alpha", "bé🎉", "gamma"]
    first, second = iter_questions(long.questions)
    (span,) = first.evidence
    assert texts[span.document_id][span.start : span.end] == "lp"
    assert first.document_ids == (span.document_id,)
    # Without evidence of its own, a question's evidence are the places of its documents.
    assert sorted(texts[one.document_id][one.start : one.end] for one in second.evidence) == ["bé🎉", "gamma"]


def test_a_section_names_the_document_that_a_part_was_and_its_own_sections_move_along():
    long = stitch(corpus_of(["alpha", "beta"]), 2, seed=0)
    (document,) = iter_documents(long.documents)
    parts = {(one.name, document.text[one.start : one.end]) for one in document.sections}
    assert parts == {("d0", "alpha"), ("d1", "beta"), ("BODY", "alpha"), ("BODY", "beta")}


def test_the_last_document_holds_what_is_left():
    long = stitch(corpus_of([f"text {n}" for n in range(7)]), 3, seed=0)
    assert long.documents["document_id"].to_list() == ["stitched-1", "stitched-2", "stitched-3"]
    assert [text.count(BREAK) + 1 for text in long.documents["text"]] == [3, 3, 1]


def test_one_changes_nothing():
    corpus = corpus_of(["alpha", "beta"])
    assert stitch(corpus, 1, seed=0) is corpus


def test_what_is_joined_depends_on_ids_and_seed_only():
    texts = [f"text {n}" for n in range(20)]
    one = stitch(corpus_of(texts), 4, seed=0)
    shuffled = corpus_of(texts)
    shuffled = Corpus("some", shuffled.documents.reverse(), shuffled.questions, LabelSet())
    assert stitch(shuffled, 4, seed=0).documents.equals(one.documents)
    assert not stitch(corpus_of(texts), 4, seed=1).documents.equals(one.documents)


@given(TEXTS, st.integers(1, 5), st.integers(0, 3))
def test_every_text_and_every_span_is_found_again(texts, n, seed):
    questions = [Question(f"q{at}", "?", (f"d{at}",), None, (Span(f"d{at}", 0, 1),)) for at in range(len(texts))]
    questions += [Question(f"w{at}", "?", (f"d{at}",)) for at in range(len(texts))]
    long = stitch(corpus_of(texts, questions), n, seed)
    found = {one.id: one for one in iter_questions(long.questions)}
    assert list(find_problems(long)) == []
    for at, text in enumerate(texts):
        (span,) = found[f"q{at}"].evidence
        assert long.texts[span.document_id][span.start : span.end] == text[0]
        for whole in found[f"w{at}"].evidence if n > 1 else ():
            assert long.texts[whole.document_id][whole.start : whole.end] == text
    assert sum(map(len, long.texts.values())) == sum(map(len, texts)) + len(BREAK) * (len(texts) - len(long.texts))


def test_tune_questions_are_mapped_too_and_the_same_questions_are_drawn_of_short_and_long_documents(tmp_path):
    generator = GeneratorConfig(n_documents=12, words=60, questions_per_document=2)
    short, long = (
        load_corpus(
            CorpusConfig(source="generated", generator=generator, split="held_out", sample=5, stitch=n), tmp_path
        )
        for n in (1, 4)
    )
    assert long.questions["question_id"].to_list() == short.questions["question_id"].to_list()
    assert len(long.documents) == 3
    for question in (*iter_questions(long.questions), *iter_questions(long.tune)):
        for span in question.evidence:
            assert long.texts[span.document_id][span.start : span.end].strip()
    evidence = {
        question.id: [corpus.texts[one.document_id][one.start : one.end] for one in question.evidence]
        for corpus in (short, long)
        for question in iter_questions(corpus.questions)
    }
    for question in iter_questions(short.questions):
        assert evidence[question.id] == [short.texts[s.document_id][s.start : s.end] for s in question.evidence]


# ---- Distractors


@pytest.fixture
def others(tmp_path):
    file = tmp_path / "others.jsonl"
    rows = [{"id": f"d{n}", "text": f"other {n}"} for n in range(6)] + [{"id": "same", "text": "alpha"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def add(corpus, file, n=None, seed=0):
    return add_distractors(corpus, file, n, DocumentColumns(), seed)


def test_distractors_stand_behind_the_documents_under_names_of_their_own(others):
    corpus = add(corpus_of(["alpha", "beta"]), others)
    assert corpus.documents["document_id"].to_list() == ["d0", "d1", *(f"{PREFIX}d{n}" for n in range(6))]
    assert corpus.inputs.keys() == {"distractors/others.jsonl"}
    assert corpus.documents.schema == corpus_of(["alpha"]).documents.schema


def test_a_text_that_the_corpus_has_is_no_distractor(others):
    assert "alpha" not in add(corpus_of(["alpha"]), others).documents["text"].to_list()[1:]


def test_so_many_are_drawn_by_id_and_stay_when_the_file_grows(others):
    drawn = add(corpus_of(["alpha"]), others, n=3).documents["document_id"].to_list()[1:]
    assert len(set(drawn)) == 3
    with others.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "newcomer", "text": "new"}) + "\n")
    again = add(corpus_of(["alpha"]), others, n=3).documents["document_id"].to_list()[1:]
    assert len(set(again) & set(drawn)) >= 2
    assert set(add(corpus_of(["alpha"]), others, n=3, seed=1).documents["document_id"]) != {"d0", *drawn}


def test_more_than_there_are_is_refused(others):
    with pytest.raises(
        InputError, match=r"has 6 documents that the corpus does not have: expected at least 7 distractors"
    ):
        add(corpus_of(["alpha"]), others, n=7)


def test_pubmedqa_abstracts_can_distract(tmp_path):
    item = {"QUESTION": "?", "CONTEXTS": ["One.", "Two."], "LABELS": ["A", "B"], "final_decision": "yes"}
    (tmp_path / "ori_pqau.json").write_text(json.dumps({"17": item}), encoding="utf-8")
    corpus = add(corpus_of(["alpha"]), tmp_path / "ori_pqau.json")
    assert corpus.documents.row(1)[:2] == (f"{PREFIX}17", "One.\n\nTwo.")


def test_distractors_of_an_experiment_are_joined_like_all_documents(tmp_path, others):
    (tmp_path / "documents.jsonl").write_text('{"id": "d0", "text": "alpha"}\n', encoding="utf-8")
    question = {"id": "q", "text": "?", "document_ids": "d0", "reference": "yes"}
    (tmp_path / "questions.jsonl").write_text(json.dumps(question) + "\n", encoding="utf-8")
    config = CorpusConfig(source="tables", path=tmp_path, distractors=others, n_distractors=3, stitch=2)
    corpus = load_corpus(config)
    assert len(corpus.documents) == 2
    ((span,),) = (one.evidence for one in iter_questions(corpus.questions))
    assert corpus.texts[span.document_id][span.start : span.end] == "alpha"
    assert corpus.documents["text"].str.count_matches("\n\n", literal=True).sum() == 2
    assert pl.Series(list(corpus.inputs)).str.starts_with("distractors/").any()
