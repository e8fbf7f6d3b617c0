"""SQuAD's format: paragraphs as documents, answers as spans, and what happens to a file that is not of its layout."""

import json
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError, RowError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.loading.recognised import guess_config
from corpora.schema import Span, iter_questions
from corpora.shaping.validate import find_problems, validate
from corpora.sources.formats.squad import read_squad
from corpora.storage import sha256_file

FERRY = "The ferry leaves at nine. It returns at nine."
BARN = "The barn is red."


def qa(question_id="q1", question="When?", answers=(("nine", 20),), **rest):
    marked = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": question_id, "question": question, "answers": marked} | rest


def paragraph(context=FERRY, *asked):
    return {"context": context, "qas": list(asked)}


def article(*paragraphs, **rest):
    return {"title": "Ferry", "paragraphs": list(paragraphs)} | rest


def write(folder, *articles):
    file = folder / "dev-v2.0.json"
    file.write_text(json.dumps({"version": "v2.0", "data": articles}), encoding="utf-8")
    return file


def read(folder, *articles):
    return read_squad(write(folder, *articles))


def without(fields, name):
    return {key: value for key, value in fields.items() if key != name}


@pytest.fixture
def three_articles(tmp_path):
    """Two titles, one of them twice; 1.1 and 2.0 side by side; a paragraph without questions."""
    return read(
        tmp_path,
        article(
            paragraph(FERRY, qa("f1", answers=(("nine", 20), ("at nine", 17), ("nine", 20)))),
            paragraph("Nobody asks about this one."),
        ),
        article(paragraph(BARN, qa("b1", "What colour?", (("red", 12),), is_impossible=False)), title="Barn"),
        article(
            paragraph(
                "Tickets are sold on board.",
                qa(
                    "f2",
                    "Who sells?",
                    (),
                    is_impossible=True,
                    plausible_answers=[{"text": "on board", "answer_start": 17}],
                ),
                qa("f3", "Where?", (("on board", 17),)),
            )
        ),
    )


# What is read


def test_every_paragraph_is_a_document_numbered_through_all_articles_of_its_title(three_articles):
    assert list(three_articles.texts.items()) == [
        ("Ferry-1", FERRY),
        ("Ferry-2", "Nobody asks about this one."),
        ("Barn-1", BARN),
        ("Ferry-3", "Tickets are sold on board."),
    ]
    assert validate(three_articles) is three_articles


def test_the_questions_are_read_in_their_order_with_their_document_and_their_spans(three_articles):
    questions = list(iter_questions(three_articles.questions))
    assert [(q.id, q.text, q.document_ids, q.evidence) for q in questions] == [
        ("f1", "When?", ("Ferry-1",), (Span("Ferry-1", 20, 24), Span("Ferry-1", 17, 24))),
        ("b1", "What colour?", ("Barn-1",), (Span("Barn-1", 12, 15),)),
        ("f2", "Who sells?", ("Ferry-3",), ()),
        ("f3", "Where?", ("Ferry-3",), (Span("Ferry-3", 17, 25),)),
    ]


def test_only_the_unanswerable_question_is_tagged_impossible(three_articles):
    tags = {question.id: question.tags for question in iter_questions(three_articles.questions)}
    assert tags == {"f1": {}, "b1": {}, "f2": {"impossible": "true"}, "f3": {}}


def test_no_question_has_a_reference_and_the_labels_are_the_default_ones(three_articles):
    assert three_articles.questions["reference"].to_list() == [None] * 4
    assert three_articles.questions["split"].to_list() == [None] * 4
    assert tuple(three_articles.labels) == ("yes", "no", "maybe")


def test_the_label_for_what_is_not_stated_is_the_reference_of_the_unanswerable_question(tmp_path):
    file = write(tmp_path, article(paragraph(FERRY, qa("f1"), qa("f2", answers=(), is_impossible=True))))
    corpus = load_corpus(CorpusConfig(source="squad", path=file, not_stated="not stated"))
    assert corpus.labels.labels == ("yes", "no", "maybe", "not stated")
    assert dict(corpus.questions.select("question_id", "reference").iter_rows()) == {"f1": None, "f2": "not stated"}


def test_the_corpus_is_named_after_the_file_and_the_file_by_its_digest(tmp_path):
    file = write(tmp_path, article(paragraph(FERRY, qa())))
    corpus = read_squad(file)
    assert (corpus.name, corpus.inputs) == ("dev-v2.0", {"dev-v2.0.json": sha256_file(file)})


def test_a_corpus_without_reference_labels_loads_with_all_its_questions(tmp_path):
    file = write(tmp_path, article(paragraph(FERRY, qa("q1"), qa("q2", answers=()))))
    corpus = load_corpus(CorpusConfig(source="squad", path=file))
    assert corpus.questions["question_id"].to_list() == ["q1", "q2"]
    assert corpus.questions["reference"].to_list() == [None, None]


def test_the_second_of_two_equal_answers_keeps_its_own_place(tmp_path):
    corpus = read(tmp_path, article(paragraph(FERRY, qa(answers=(("nine", 40),)))))
    assert next(iter_questions(corpus.questions)).evidence == (Span("Ferry-1", 40, 44),)


@pytest.mark.parametrize("untitled", [{}, {"title": ""}], ids=["no title", "empty title"])
def test_an_article_without_a_title_takes_the_name_of_the_file(tmp_path, untitled):
    corpus = read(tmp_path, {"paragraphs": [paragraph(FERRY), paragraph(BARN)]} | untitled)
    assert list(corpus.texts) == ["dev-v2.0-1", "dev-v2.0-2"]


def test_titles_that_end_in_a_number_do_not_collide(tmp_path):
    corpus = read(
        tmp_path,
        article(*[paragraph(f"Text {number}.") for number in range(12)], title="A"),
        article(paragraph("One."), title="A-1"),
        article(paragraph("Other."), title="A-"),
    )
    assert corpus.documents["document_id"].to_list()[10:] == ["A-11", "A-12", "A-1-1", "A--1"]
    assert corpus.documents["document_id"].is_unique().all()


def test_a_number_as_an_id_becomes_a_text(tmp_path):
    corpus = read(tmp_path, article(paragraph(FERRY, qa(7))))
    assert corpus.questions["question_id"].to_list() == ["7"]


def test_texts_are_kept_to_the_character_and_offsets_count_characters(tmp_path):
    context = (
        " \N{GRINNING FACE}\r\ne\N{COMBINING ACUTE ACCENT}t\N{LATIN SMALL LETTER E WITH ACUTE}\N{LINE SEPARATOR}\t"
    )
    asked = qa(question=" \N{GRINNING FACE}? ", answers=(("e\N{COMBINING ACUTE ACCENT}", 4), ("\r\n", 2)))
    corpus = read(tmp_path, article(paragraph(context, asked), title="\N{FAMILY} e\N{COMBINING ACUTE ACCENT}"))
    (question,) = iter_questions(corpus.questions)
    document_id = "\N{FAMILY} e\N{COMBINING ACUTE ACCENT}-1"
    assert corpus.texts == {document_id: context}
    assert question.text == " \N{GRINNING FACE}? "
    assert question.evidence == (Span(document_id, 4, 6), Span(document_id, 2, 4))


@settings(max_examples=30)
@given(parts=st.tuples(*[st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)] * 3))
def test_any_stretch_of_any_text_is_sliced_out_by_its_span(tmp_path_factory, parts):
    before, answer, after = parts
    asked = qa(answers=((answer, len(before)),))
    corpus = read(tmp_path_factory.mktemp("squad"), article(paragraph(before + answer + after, asked)))
    (span,) = next(iter_questions(corpus.questions)).evidence
    assert corpus.texts[span.document_id][span.start : span.end] == answer


# What is refused


@pytest.mark.parametrize(
    ("context", "asked", "field", "said"),
    [
        pytest.param(None, qa(), "context", "null", id="no context"),
        pytest.param(["a"], qa(), "context", "a text", id="context is a list"),
        pytest.param("\ud800", qa(), "context", "lone surrogate at character 0", id="context with half a pair"),
    ],
)
def test_a_bad_paragraph_is_refused_with_file_document_and_field(tmp_path, context, asked, field, said):
    file = write(tmp_path, article(paragraph(FERRY, qa()), paragraph(context, asked)))
    with pytest.raises(RowError, match=re.escape(said)) as error:
        read_squad(file)
    assert (error.value.where, error.value.row, error.value.field) == (str(file), "Ferry-2", field)


@pytest.mark.parametrize(
    ("asked", "row", "field", "said"),
    [
        pytest.param("only a text", "Ferry-1, question 2", "qas", "an object", id="not an object"),
        pytest.param(without(qa(), "id"), "Ferry-1, question 2", "id", "a text", id="no id"),
        pytest.param(qa(True), "Ferry-1, question 2", "id", "the truth value true", id="true as id"),
        pytest.param(without(qa("q2"), "question"), "q2", "question", "a text", id="no question"),
        pytest.param(qa("q2", "\ud800"), "q2", "question", "lone surrogate", id="question with half a pair"),
        pytest.param(without(qa("q2"), "answers"), "q2", "answers", "a list", id="no answers"),
        pytest.param(qa("q2") | {"answers": {"text": ["nine"]}}, "q2", "answers", "a list", id="answers are an object"),
        pytest.param(qa("q2") | {"answers": ["nine"]}, "q2", "answers", "an object", id="answer is a text"),
        pytest.param(qa("q2", answers=((None, 20),)), "q2", "text", "a text", id="answer without text"),
        pytest.param(qa("q2", answers=(("nine", "20"),)), "q2", "answer_start", "whole number", id="offset is a text"),
        pytest.param(qa("q2", answers=(("nine", 20.0),)), "q2", "answer_start", "whole number", id="broken offset"),
        pytest.param(qa("q2", answers=(("h", True),)), "q2", "answer_start", "whole number", id="true as offset"),
        pytest.param(qa("q2", answers=(("", 3),)), "q2", "answers", "an empty quote", id="empty answer"),
        pytest.param(
            qa("q2", answers=(("nine", 20), ("nine", 21))),
            "q2",
            "answers",
            "'nine' is not at character 21, where the document has 'ine.'",
            id="second answer one off",
        ),
        pytest.param(qa("q2", answers=(("Nine", 20),)), "q2", "answers", "has 'nine'", id="another case"),
        pytest.param(qa("q2", answers=((".", -1),)), "q2", "answers", "has nothing", id="offset from the end"),
        pytest.param(qa("q2", answers=((".", 10**30),)), "q2", "answers", "has nothing", id="offset far behind"),
        pytest.param(qa("q2", answers=(("nine.", 41),)), "q2", "answers", "has 'ine.'", id="end cut off"),
        pytest.param(
            qa("q2", is_impossible=True), "q2", "is_impossible", "true for a question with 1 answers", id="both"
        ),
        pytest.param(qa("q2", is_impossible="no"), "q2", "is_impossible", "true or false", id="flag is a text"),
        pytest.param(qa("q2", is_impossible=0), "q2", "is_impossible", "true or false", id="flag is a number"),
    ],
)
def test_a_bad_question_is_refused_with_file_id_and_field(tmp_path, asked, row, field, said):
    file = write(tmp_path, article(paragraph(FERRY, qa(), asked)))
    with pytest.raises(RowError, match=re.escape(said)) as error:
        read_squad(file)
    assert (error.value.where, error.value.row, error.value.field) == (str(file), row, field)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("bad", "row", "field"),
    [
        pytest.param("a text", "article 2", "data", id="not an object"),
        pytest.param({"title": "Barn"}, "article 2", "paragraphs", id="no paragraphs"),
        pytest.param(article(title=None), "article 2", "title", id="title is null"),
        pytest.param(article("a text"), "Ferry-2", "paragraphs", id="paragraph is a text"),
        pytest.param(article({"context": FERRY}), "Ferry-2", "qas", id="no qas"),
    ],
)
def test_a_bad_article_is_refused_with_file_place_and_field(tmp_path, bad, row, field):
    file = write(tmp_path, article(paragraph(FERRY, qa())), bad)
    with pytest.raises(RowError) as error:
        read_squad(file)
    assert (error.value.where, error.value.row, error.value.field) == (str(file), row, field)


def test_a_repeated_question_id_is_kept_for_validation_to_find(tmp_path):
    corpus = read(tmp_path, article(paragraph(FERRY, qa()), paragraph(FERRY, qa())))
    assert [problem.found for problem in find_problems(corpus)] == [
        "dev-v2.0 questions, row 2, field 'id': duplicate id 'q1', first seen in row 1"
    ]


@pytest.mark.parametrize("content", [b'{"data": [', b'{"data": "\xe9"}', b""], ids=["broken", "not UTF-8", "empty"])
def test_a_file_that_does_not_parse_is_refused_by_name(tmp_path, content):
    file = tmp_path / "dev.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"dev\.json(, line 1)? (does not parse|is not UTF-8)"):
        read_squad(file)


@pytest.mark.parametrize("content", ["[]", "{}", '{"data": {}}', '"data"'])
def test_json_of_another_layout_is_refused_by_name(tmp_path, content):
    file = tmp_path / "dev.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"dev\.json has no list `data`"):
        read_squad(file)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(InputError, match=re.escape(f"no file {path}: ")):
            read_squad(path)


# What is left out where something may be


def skipping(folder, *articles):
    return load_corpus(CorpusConfig(source="squad", path=write(folder, *articles), split="all"))


def noted(corpus):
    return [(one.kind, one.row, one.id) for one in corpus.left_out.defects]


def test_an_answer_without_a_position_is_left_out_and_the_located_ones_stay(tmp_path):
    # As in CMRC 2018.
    asked = qa("q1", answers=(("nine", 20), ("9 o'clock", -1), ("at nine", 17)))
    corpus = skipping(tmp_path, article(paragraph(FERRY, asked)))
    (question,) = iter_questions(corpus.questions)
    assert question.evidence == (Span("Ferry-1", 20, 24), Span("Ferry-1", 17, 24))
    assert noted(corpus) == [("answer", "q1", "q1")]
    assert "is not at character -1" in corpus.left_out.defects[0].reason
    assert corpus.left_out.line() == "1 of 3 answers"


@pytest.mark.parametrize("answer", [{"text": "", "answer_start": -1}, {"text": "", "answer_start": 0}, {"text": ""}])
def test_an_empty_answer_to_an_impossible_question_is_no_defect(tmp_path, answer):
    # As in the files that Haystack exports.
    asked = qa(77, "When is lunch?", (), is_impossible=True) | {"answers": [answer]}
    corpus = read(tmp_path, article(paragraph(FERRY, asked, qa(78))))
    impossible, other = iter_questions(corpus.questions)
    assert (impossible.id, impossible.tags, impossible.evidence) == ("77", {"impossible": "true"}, ())
    assert (other.id, other.tags, other.evidence) == ("78", {}, (Span("Ferry-1", 20, 24),))


def test_questions_and_paragraphs_that_cannot_be_read_are_left_out(tmp_path):
    corpus = skipping(
        tmp_path,
        article(paragraph(FERRY, qa("q1"), qa("q2", is_impossible=True), qa("q3", question=None))),
        article(paragraph(BARN, qa("b1", answers=(("red", 12),))), paragraph(None, qa("b2")), title="Barn"),
        article(paragraph("Tickets.", qa("t1", answers=(("Tickets", 0),)), "only a text"), title="Tickets"),
    )
    assert corpus.questions["question_id"].to_list() == ["q1", "b1", "t1"]
    assert list(corpus.texts) == ["Ferry-1", "Barn-1", "Tickets-1"]
    assert noted(corpus) == [
        ("question", "q2", "q2"),
        ("question", "q3", "q3"),
        ("document", "Barn-2", "Barn-2"),
        ("question", "Tickets-1, question 2", ""),
    ]


def test_offsets_that_are_all_wrong_are_refused(tmp_path):
    shifted = [qa(f"q{number}", answers=(("nine", 21), ("at nine", 18))) for number in range(3)]
    with pytest.raises(InputError, match=r"3 of 5 questions cannot be used .*none of 2 answers is at its offset"):
        skipping(tmp_path, article(paragraph(FERRY, *shifted, qa("a"), qa("b"))))


def test_a_question_whose_answers_are_nowhere_is_left_out_and_most_answers_may_be(tmp_path):
    most = qa("q1", answers=(("9", -1), ("IX", -1), ("nine", 20)))
    corpus = skipping(tmp_path, article(paragraph(FERRY, most, qa("q2", answers=(("9", -1),)), qa("q3"))))
    assert corpus.questions["question_id"].to_list() == ["q1", "q3"]
    assert corpus.left_out.line() == "3 of 5 answers and 1 of 3 questions"


# Parquet and lines of JSON, as the hub's `datasets` exports them

EXPORTED_ROWS = [
    {"id": "f1", "title": "Ferry", "context": FERRY, "question": "When?",
     "answers": {"text": ["nine", "at nine"], "answer_start": [20, 17]}},
    {"id": "b1", "title": "Barn", "context": BARN, "question": "What colour?",
     "answers": {"text": ["red"], "answer_start": [12]}},
    {"id": "f2", "title": "Ferry", "context": FERRY, "question": "Who sells?",
     "answers": {"text": [], "answer_start": []}},
    {"id": "f3", "title": "Ferry", "context": "Tickets are sold on board.", "question": "Where?",
     "answers": {"text": ["on board"], "answer_start": [17]}},
]  # fmt: skip


def export(folder, rows=EXPORTED_ROWS, name="validation-00000-of-00001.parquet"):
    file = folder / name
    if file.suffix == ".parquet":
        answers = pl.Struct({"text": pl.List(pl.String()), "answer_start": pl.List(pl.Int32())})
        pl.DataFrame(rows, schema_overrides={"answers": answers}).write_parquet(file)
    else:
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["validation-00000-of-00001.parquet", "validation.json", "validation.jsonl"])
def test_an_export_reads_like_the_format_it_was_made_from(tmp_path, name):
    file = export(tmp_path, name=name)
    corpus = validate(read_squad(file))
    assert corpus.name == "validation"
    assert corpus.texts == {"Ferry-1": FERRY, "Ferry-2": "Tickets are sold on board.", "Barn-1": BARN}
    assert {q.id: (q.text, q.document_ids, q.evidence, q.tags) for q in iter_questions(corpus.questions)} == {
        "f1": ("When?", ("Ferry-1",), (Span("Ferry-1", 20, 24), Span("Ferry-1", 17, 24)), {}),
        "b1": ("What colour?", ("Barn-1",), (Span("Barn-1", 12, 15),), {}),
        "f2": ("Who sells?", ("Ferry-1",), (), {"impossible": "true"}),
        "f3": ("Where?", ("Ferry-2",), (Span("Ferry-2", 17, 25),), {}),
    }
    assert corpus.inputs == {name: sha256_file(file)}


def test_all_shards_of_one_split_in_a_folder_are_read(tmp_path):
    export(tmp_path, EXPORTED_ROWS[:2], "train-00000-of-00002.parquet")
    export(tmp_path, EXPORTED_ROWS[2:], "train-00001-of-00002.parquet")
    assert guess_config(tmp_path).source == "squad"
    corpus = load_corpus(guess_config(tmp_path))
    assert corpus.questions["question_id"].to_list() == ["f1", "f2", "b1", "f3"]
    export(tmp_path, EXPORTED_ROWS[2:], "test-00000-of-00001.parquet")
    with pytest.raises(InputError, match="holds the splits test, train"):
        read_squad(tmp_path)


def test_a_parquet_file_of_another_corpus_is_refused_by_its_columns(tmp_path):
    file = tmp_path / "a.parquet"
    pl.DataFrame({"id": ["x"], "text": ["A text."]}).write_parquet(file)
    with pytest.raises(InputError, match=r"a\.parquet, row 1 has no 'answers' \(it has 'id', 'text'\)"):
        read_squad(file)


def test_an_exported_answer_without_its_offset_is_refused(tmp_path):
    row = EXPORTED_ROWS[0] | {"answers": {"text": ["nine"], "answer_start": []}}
    with pytest.raises(RowError, match="1 texts with 0 offsets"):
        read_squad(export(tmp_path, [row]))
