"""Chroma's chunking evaluation: its own five corpora, and what happens to a folder that is not of its layout."""

import csv
import json
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError, RowError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.schema import Span, iter_questions
from corpora.shaping.validate import validate
from corpora.sources.formats.chroma import read_chroma
from corpora.storage import sha256_file
from tests.conftest import needs_data, own_data

DATA = own_data("chroma_chunking")
is_here = needs_data(DATA)

FERRY = "The ferry leaves at nine.\r\nIt returns at nine."
TEXTS = {"ferry.md": FERRY, "barn.txt": "The barn is red."}


def quote(content="at nine", start=17, end=24):
    return {"content": content, "start_index": start, "end_index": end}


AT_NINE = [quote()]


def row(references=AT_NINE, question="When?", corpus_id="ferry"):
    return question, references if isinstance(references, str) else json.dumps(references), corpus_id


def write(folder, *rows, texts=TEXTS, header=("question", "references", "corpus_id")):
    folder = folder / "harbour"
    (folder / "corpora").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / "corpora" / name).write_bytes(text.encode())
    with (folder / "questions_df.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows((header, *rows))
    return folder


def read(folder, *rows, **rest):
    return read_chroma(write(folder, *rows, **rest))


@pytest.fixture(scope="module")
def chroma():
    return read_chroma(DATA)


# The official corpora


@is_here
def test_the_official_folder_has_472_questions_with_790_spans_on_5_documents_and_is_sound(chroma):
    evidence = chroma.questions["evidence"].list.len()
    assert (chroma.documents.height, chroma.questions.height, evidence.sum()) == (5, 472, 790)
    assert (evidence.min(), chroma.questions["reference"].null_count()) == (1, 472)
    assert validate(chroma) is chroma


@is_here
def test_the_five_texts_are_read_to_the_character(chroma):
    assert {document_id: len(text) for document_id, text in chroma.texts.items()} == {
        "chatlogs": 40_000,
        "finance": 737_905,
        "pubmed": 500_000,
        "state_of_the_union": 48_051,
        "wikitexts": 118_372,
    }


@is_here
def test_the_questions_are_spread_over_the_documents_as_in_the_official_file(chroma):
    counts = Counter(question.document_ids for question in iter_questions(chroma.questions))
    assert counts == {
        ("state_of_the_union",): 76,
        ("wikitexts",): 144,
        ("finance",): 97,
        ("chatlogs",): 56,
        ("pubmed",): 99,
    }


@is_here
@pytest.mark.parametrize(
    ("at", "question_id", "question_starts", "offsets", "quote_starts"),
    [
        pytest.param(
            0,
            "state_of_the_union-1",
            "What significant regulatory changes and proposals has President Biden",
            [(27346, 27425), (27866, 28023)],
            "My administration announced we\N{RIGHT SINGLE QUOTATION MARK}re cutting credit card",
            id="first",
        ),
        pytest.param(
            235,
            "finance-236",
            "What is the carrying amount of assets in Puerto Rico as of December 31, 2017?",
            [(314477, 314707)],
            "considering the information available as",
            id="236th",
        ),
        pytest.param(
            471,
            "pubmed-472",
            "What is the role of the spacer in the V(D)J recombination process?",
            [(343908, 344191), (344360, 344650), (344652, 344851)],
            "Each RSS is made up of three components:",
            id="last",
        ),
    ],
)
def test_known_rows_stand_where_the_official_file_has_them(
    chroma, at, question_id, question_starts, offsets, quote_starts
):
    question = list(iter_questions(chroma.questions))[at]
    (document_id,) = question.document_ids
    assert question.id == question_id
    assert question.text.startswith(question_starts)
    assert question.evidence == tuple(Span(document_id, *pair) for pair in offsets)
    assert chroma.texts[document_id][offsets[0][0] :].startswith(quote_starts)


@is_here
def test_every_file_of_the_official_folder_is_named_by_its_digest(chroma):
    texts = {f"corpora/{document_id}.md" for document_id in chroma.texts}
    assert set(chroma.inputs) == {"questions_df.csv"} | texts
    assert chroma.inputs["corpora/finance.md"] == sha256_file(DATA / "corpora" / "finance.md")


# Small folders of the same layout


def test_documents_come_by_name_and_questions_by_row_with_their_spans(tmp_path):
    corpus = read(
        tmp_path,
        row([quote(), quote("at nine", 38, 45), quote()]),
        row([quote("red", 12, 15)], "What colour?", "barn"),
        row([], "Who knows?"),
    )
    assert list(corpus.texts.items()) == [("barn", "The barn is red."), ("ferry", FERRY)]
    assert [(q.id, q.text, q.document_ids, q.evidence) for q in iter_questions(corpus.questions)] == [
        ("ferry-1", "When?", ("ferry",), (Span("ferry", 17, 24), Span("ferry", 38, 45))),
        ("barn-2", "What colour?", ("barn",), (Span("barn", 12, 15),)),
        ("ferry-3", "Who knows?", ("ferry",), ()),
    ]
    assert (corpus.name, tuple(corpus.labels)) == ("harbour", ("yes", "no", "maybe"))
    assert validate(corpus) is corpus


def test_a_corpus_without_reference_labels_loads_even_where_no_question_has_evidence(tmp_path):
    folder = write(tmp_path, row([]), row([], "Who?"))
    corpus = load_corpus(CorpusConfig(source="chroma", path=folder))
    assert corpus.questions["question_id"].to_list() == ["ferry-1", "ferry-2"]
    assert corpus.questions["reference"].to_list() == [None, None]
    assert corpus.questions["evidence"].to_list() == [[], []]


def test_files_are_named_by_their_digest_and_others_in_the_folder_are_left_alone(tmp_path):
    folder = write(tmp_path, row())
    (folder / "corpora" / "notes.pdf").write_bytes(b"\xff")
    names = ("questions_df.csv", "corpora/barn.txt", "corpora/ferry.md")
    assert read_chroma(folder).inputs == {name: sha256_file(folder / name) for name in names}


def test_further_columns_and_a_byte_order_mark_do_not_matter(tmp_path):
    folder = write(tmp_path, (*row(), "0"), header=("question", "references", "corpus_id", "Unnamed: 0"))
    file = folder / "questions_df.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_chroma(folder).questions["question_id"].to_list() == ["ferry-1"]


def test_texts_are_kept_to_the_character_and_offsets_count_characters(tmp_path):
    text = (
        "\ufeff \N{GRINNING FACE}\r\ne\N{COMBINING ACUTE ACCENT}\r\N{LATIN SMALL LETTER E WITH ACUTE}\x85\N{FAMILY}\n"
    )
    references = [quote("\r\ne\N{COMBINING ACUTE ACCENT}", 3, 7), quote("\x85\N{FAMILY}\n", 9, 12)]
    asked = row(references, '"\N{GRINNING FACE}",\r\n what? ', "a b.c")
    corpus = read(tmp_path, asked, texts={"a b.c.md": text})
    (question,) = iter_questions(corpus.questions)
    assert corpus.texts == {"a b.c": text}
    assert (question.id, question.text) == ("a b.c-1", '"\N{GRINNING FACE}",\r\n what? ')
    assert question.evidence == (Span("a b.c", 3, 7), Span("a b.c", 9, 12))


@settings(max_examples=30)
@given(parts=st.tuples(*[st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)] * 3))
def test_any_stretch_of_any_text_is_sliced_out_by_its_span(tmp_path_factory, parts):
    before, content, after = parts
    asked = row([quote(content, len(before), len(before + content))], corpus_id="any")
    corpus = read(tmp_path_factory.mktemp("chroma"), asked, texts={"any.md": before + content + after})
    (span,) = next(iter_questions(corpus.questions)).evidence
    assert corpus.texts["any"][span.start : span.end] == content


# What is refused


@pytest.mark.parametrize(
    ("bad", "field", "said"),
    [
        pytest.param(row(question=""), "question", "a text", id="no question"),
        pytest.param(row(corpus_id=""), "corpus_id", "a text", id="no corpus_id"),
        pytest.param(
            row(corpus_id="sea"), "corpus_id", "unknown document 'sea': expected one of barn, ferry", id="sea"
        ),
        pytest.param(row(""), "references", "a text", id="no references"),
        pytest.param(row("[{'content'"), "references", "expected valid JSON", id="Python instead of JSON"),
        pytest.param(row(quote()), "references", "a list", id="references are an object"),
        pytest.param(row(["at nine"]), "references", "an object", id="reference is a text"),
        pytest.param(row([quote(None)]), "content", "a text", id="content is null"),
        pytest.param(row([quote(start="17")]), "start_index", "a whole number", id="start is a text"),
        pytest.param(row([quote("h", True, 2)]), "start_index", "a whole number", id="start is true"),
        pytest.param(row([quote(end=None)]), "end_index", "a whole number", id="end is null"),
        pytest.param(row([quote(end=24.0)]), "end_index", "a whole number", id="end is a fraction"),
        pytest.param(row([quote("", 3, 3)]), "references", "an empty quote", id="empty content"),
        pytest.param(
            row([quote(), quote(start=18, end=25)]),
            "references",
            "'at nine' is not at character 18, where the document has 't nine.'",
            id="second reference one off",
        ),
        pytest.param(row([quote("nine.", -5, -1)]), "references", "has nothing", id="offsets from the end"),
        pytest.param(
            row([quote(end=25)]), "end_index", "25 for a content of 7 characters from 17: expected 24", id="end too far"
        ),
        pytest.param(
            row([quote("nine.", 41, 99)]), "end_index", "99 for a content of 5 characters", id="end behind the text"
        ),
        pytest.param(row([quote("It returns", 26, 36)]), "references", "has '\\nIt", id="line end counted as one"),
    ],
)
def test_a_bad_row_is_refused_with_file_row_and_field(tmp_path, bad, field, said):
    folder = write(tmp_path, row(), row(), bad)
    with pytest.raises(RowError, match=re.escape(said)) as error:
        read_chroma(folder)
    file = str(folder / "questions_df.csv")
    assert (error.value.where, error.value.row, error.value.field) == (file, 3, field)
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_column_is_refused_with_those_that_are_there(tmp_path):
    with pytest.raises(InputError, match=r"row 1 has no column 'corpus_id' \(it has 'question', 'references'\)"):
        read(tmp_path, row()[:2], header=("question", "references"))


def test_a_row_of_another_length_is_refused(tmp_path):
    with pytest.raises(InputError, match="row 2 has 2 fields, and the header has 3 fields"):
        read(tmp_path, row(), row()[:2])


def test_two_files_for_one_document_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"ferry\.md and ferry\.txt are both document 'ferry'"):
        read(tmp_path, row(), texts=TEXTS | {"ferry.txt": "Another."})


def test_a_text_or_a_table_that_is_not_utf_8_is_refused_by_name(tmp_path):
    folder = write(tmp_path, row())
    (folder / "corpora" / "barn.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"barn\.txt, line \d is not UTF-8"):
        read_chroma(folder)
    folder = write(tmp_path, row())
    (folder / "questions_df.csv").write_bytes(b"question,references,corpus_id\ncaf\xe9,[],ferry\n")
    with pytest.raises(InputError, match=r"questions_df\.csv, line \d is not UTF-8"):
        read_chroma(folder)


def test_a_missing_table_is_refused_by_name(tmp_path):
    folder = write(tmp_path, row())
    (folder / "questions_df.csv").unlink()
    with pytest.raises(InputError, match=r"no file .*questions_df\.csv"):
        read_chroma(folder)


@pytest.mark.parametrize("texts", [{}, {"notes.pdf": "No text."}], ids=["empty", "another ending"])
def test_a_folder_without_texts_is_refused_with_what_was_expected(tmp_path, texts):
    with pytest.raises(InputError, match=r"no texts in .*corpora: expected a folder with questions_df\.csv"):
        read(tmp_path, row(), texts=texts)


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"no texts in .*nowhere"):
        read_chroma(tmp_path / "nowhere")
