"""The user's own tables: three formats, one corpus; texts to the character; every bad row named."""

import csv
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError, RowError, said_once
from corpora.loading.config import CorpusConfig
from corpora.loading.load import list_problems, load_corpus
from corpora.schema import LabelSet, Span, iter_questions
from corpora.shaping.validate import validate
from corpora.sources.rows import find_table
from corpora.sources.tables.columns import DocumentColumns, QuestionColumns
from corpora.sources.tables.corpus import read_tables
from corpora.storage import sha256_file

# No deadline: a shared machine that is busy must not fail a property.
unhurried = settings(deadline=None, max_examples=50)

ENDINGS = [".jsonl", ".csv", ".parquet"]
DOCUMENTS = [{"id": "d1", "text": "The gate is red."}, {"id": "d2", "text": "The door, it is green."}]
QUESTIONS = [
    {
        "id": "q1",
        "text": "Is the gate red?",
        "document_ids": ["d1"],
        "reference": "yes",
        "evidence": [{"document_id": "d1", "start": 4, "end": 8}],
        "split": "tune",
        "source": "form",
    },
    {
        "id": "q2",
        "text": "Is anything blue?",
        "document_ids": ["d1", "d2"],
        "reference": "no",
        "evidence": [],
        "split": "held_out",
        "source": None,
    },
    {
        "id": "q3",
        "text": "Who knows?",
        "document_ids": ["d2"],
        "reference": None,
        "evidence": [],
        "split": None,
        "source": "mail",
    },
]
TAGGED = QuestionColumns(tags=("source",))
# Every kind of character that a careless reader eats or rewrites.
TRICKY = [
    "first\r\nsecond\rthird\nfourth",
    "  \t leading and trailing \n ",
    "\N{GRINNING FACE}\N{FAMILY}\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-16}",
    "line\N{LINE SEPARATOR}paragraph\N{PARAGRAPH SEPARATOR}next\x85end",
    "e\N{COMBINING ACUTE ACCENT} is not \N{LATIN SMALL LETTER E WITH ACUTE}",
    '"quoted", \'half"; comma, \\n backslash',
    "\ufeffbyte order mark",
]

# What UTF-8 can hold and is not blank: the reader refuses the rest.
texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40).filter(str.strip)


def write_table(file, rows):
    """Write rows (nested values allowed) as the format that the file's ending names."""
    if file.suffix == ".jsonl":
        file.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    elif file.suffix == ".csv":
        with file.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.DictWriter(lines, rows[0].keys(), quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows({name: as_csv(value) for name, value in row.items()} for row in rows)
    else:
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(file)
    return file


def as_csv(value):
    return "" if value is None else json.dumps(value) if isinstance(value, list) else value


def read(folder, documents=DOCUMENTS, questions=QUESTIONS, ending=".jsonl", **columns):
    """Write both tables in one format and read them; lists of ids in CSV are declared."""
    if ending == ".csv" and any(isinstance(row.get("document_ids"), list) for row in questions):
        given = columns.get("question_columns") or QuestionColumns()
        columns["question_columns"] = given.model_copy(update={"document_ids_as": "list"})
    return read_tables(
        write_table(folder / f"documents{ending}", documents),
        write_table(folder / f"questions{ending}", questions),
        LabelSet(),
        **columns,
    )


def read_question(folder, ending=".jsonl", **fields):
    """The one question of a table that holds `fields` on top of the required columns."""
    row = {"id": "q1", "text": "Is the gate red?", "document_ids": ["d1"]} | fields
    (question,) = iter_questions(read(folder, questions=[row], ending=ending).questions)
    return question


# What is read


def test_jsonl_csv_and_parquet_give_identical_corpora(tmp_path):
    corpora = [read(tmp_path, ending=ending, question_columns=TAGGED) for ending in ENDINGS]
    for other in corpora[1:]:
        assert corpora[0].documents.equals(other.documents)
        assert corpora[0].questions.equals(other.questions)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_field_of_a_table_arrives(tmp_path, ending):
    corpus = validate(read(tmp_path, ending=ending, question_columns=TAGGED))
    first, second, third = iter_questions(corpus.questions)
    assert corpus.texts == {"d1": "The gate is red.", "d2": "The door, it is green."}
    assert (first.id, first.text, first.document_ids) == ("q1", "Is the gate red?", ("d1",))
    assert (first.reference, first.split, first.tags) == ("yes", "tune", {"source": "form"})
    assert first.evidence == (Span("d1", 4, 8),)
    assert (second.document_ids, second.split, second.evidence, second.tags) == (("d1", "d2"), "held_out", (), {})
    assert (third.reference, third.split, third.tags) == (None, None, {"source": "mail"})


def test_the_corpus_is_named_by_its_folder_and_its_files_by_their_digest(tmp_path):
    corpus = read(tmp_path)
    assert corpus.name == tmp_path.name
    assert corpus.inputs == {name: sha256_file(tmp_path / name) for name in ("documents.jsonl", "questions.jsonl")}


def test_two_files_of_one_name_in_two_folders_both_leave_their_digest(tmp_path):
    for folder, rows in (("documents", DOCUMENTS), ("questions", QUESTIONS)):
        (tmp_path / folder).mkdir()
        write_table(tmp_path / folder / "part.jsonl", rows)
    files = [tmp_path / "documents" / "part.jsonl", tmp_path / "questions" / "part.jsonl"]
    assert set(read_tables(*files, LabelSet()).inputs.values()) == {sha256_file(file) for file in files}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("text", TRICKY)
def test_a_tricky_text_is_kept_to_the_character(tmp_path, ending, text):
    question = QUESTIONS[0] | {"text": text}
    corpus = read(tmp_path, [{"id": "d1", "text": text}], [question], ending)
    assert corpus.texts == {"d1": text}
    assert corpus.questions["text"].to_list() == [text]


@unhurried
@given(document_ids=st.lists(texts, min_size=1, max_size=3, unique=True), document_text=texts, question_text=texts)
def test_any_text_and_any_id_survive_every_format(tmp_path_factory, document_ids, document_text, question_text):
    folder = tmp_path_factory.mktemp("tables")
    documents = [{"id": document_id, "text": document_text} for document_id in document_ids]
    questions = [{"id": "q1", "text": question_text, "document_ids": document_ids}]
    for ending in ENDINGS:
        corpus = read(folder, documents, questions, ending)
        assert corpus.texts == dict.fromkeys(document_ids, document_text)
        (question,) = iter_questions(corpus.questions)
        assert (question.text, question.document_ids) == (question_text, tuple(document_ids))


@pytest.mark.parametrize("ending", ENDINGS)
def test_mapped_columns_are_read_instead_of_the_default_ones(tmp_path, ending):
    corpus = read(
        tmp_path,
        [{"pmid": "d1", "body": "The gate is red.", "text": "not this"}],
        [{"no": "q1", "ask": "Is it red?", "doc": "d1", "gold": "yes", "part": "tune", "text": "not this"}],
        ending,
        document_columns=DocumentColumns(id="pmid", text="body"),
        question_columns=QuestionColumns(id="no", text="ask", document_ids="doc", reference="gold", split="part"),
    )
    (question,) = iter_questions(corpus.questions)
    assert corpus.texts == {"d1": "The gate is red."}
    assert (question.id, question.text, question.document_ids) == ("q1", "Is it red?", ("d1",))
    assert (question.reference, question.split) == ("yes", "tune")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_text_is_one_document_id_or_by_declaration_a_json_list_of_them(tmp_path, ending):
    for text in ("d1", "[PMID:1]", "{3F25-04E0}", "[", '{"a": 1}'):
        assert read_question(tmp_path, ending, document_ids=text).document_ids == (text,)
    row = QUESTIONS[0] | {"document_ids": '["d1", 2]', "evidence": None}
    listed = QuestionColumns(document_ids_as="list")
    (question,) = iter_questions(read(tmp_path, questions=[row], ending=ending, question_columns=listed).questions)
    assert question.document_ids == ("d1", "2")
    with pytest.raises(RowError, match='set `document_ids_as = "list"` in question_columns'):
        read_question(tmp_path, ending, document_ids='["d1", "d2"]')
    with pytest.raises(RowError, match="the field does not parse"):
        read(tmp_path, questions=[row | {"document_ids": "d1"}], ending=ending, question_columns=listed)


@pytest.mark.parametrize(
    ("value", "tag"),
    [(2019, "2019"), (2019.0, "2019"), (0.5, "0.5"), (True, "true"), ("2019.0", "2019.0"), (float("nan"), None)],
)
def test_a_tag_is_spelt_as_its_type_has_it(tmp_path, value, tag):
    row = QUESTIONS[0] | {"source": value}
    corpus = read(tmp_path, questions=[row], ending=".parquet", question_columns=TAGGED)
    (question,) = iter_questions(corpus.questions)
    assert question.tags == ({} if tag is None else {"source": tag})


def test_a_tag_that_is_a_list_is_refused(tmp_path):
    with pytest.raises(RowError, match="expected a text, a number or a date as a tag"):
        read(tmp_path, questions=[QUESTIONS[0] | {"source": ["a"]}], question_columns=TAGGED)


@pytest.mark.parametrize("ending", ENDINGS)
def test_integer_ids_become_texts_that_refer_to_each_other(tmp_path, ending):
    corpus = read(tmp_path, [{"id": 17, "text": "A."}], [{"id": 3, "text": "B?", "document_ids": 17}], ending)
    (question,) = iter_questions(validate(corpus).questions)
    assert (question.id, question.document_ids) == ("3", ("17",))


@pytest.mark.parametrize("ending", ENDINGS)
def test_evidence_without_a_document_id_lies_in_the_gold_document(tmp_path, ending):
    assert read_question(tmp_path, ending, evidence=[{"start": 4, "end": 8}]).evidence == (Span("d1", 4, 8),)


@pytest.mark.parametrize("ending", ENDINGS)
def test_evidence_with_a_null_document_id_lies_in_the_gold_document(tmp_path, ending):
    # Parquet has a field in every row or in none: where one span names its document, the others have null.
    spans = [{"document_id": "d1", "start": 0, "end": 3}, {"document_id": None, "start": 4, "end": 8}]
    assert read_question(tmp_path, ending, evidence=spans).evidence == (Span("d1", 0, 3), Span("d1", 4, 8))


def test_an_empty_tag_is_left_out_in_every_format(tmp_path):
    rows = [QUESTIONS[0] | {"source": ""}]
    tags = [
        next(iter_questions(read(tmp_path, questions=rows, ending=ending, question_columns=TAGGED).questions)).tags
        for ending in ENDINGS
    ]
    assert tags == [{}, {}, {}]


def test_blank_lines_of_jsonl_are_passed_over(tmp_path):
    questions = write_table(tmp_path / "questions.jsonl", QUESTIONS)
    documents = tmp_path / "documents.jsonl"
    documents.write_text('\n{"id": "d1", "text": "A."}\n\n{"id": "d2", "text": "B."}\n', encoding="utf-8")
    assert read_tables(documents, questions, LabelSet()).texts == {"d1": "A.", "d2": "B."}


def test_a_byte_order_mark_does_not_hide_the_first_csv_column(tmp_path):
    questions = write_table(tmp_path / "questions.jsonl", QUESTIONS)
    documents = tmp_path / "documents.csv"
    documents.write_bytes(b"\xef\xbb\xbfid,text\r\nd1,A.\r\nd2,B.\r\n")
    assert read_tables(documents, questions, LabelSet()).texts == {"d1": "A.", "d2": "B."}


def test_a_csv_field_may_be_longer_than_the_default_limit_of_the_csv_module(tmp_path):
    long_text = "word " * 40_000
    assert read(tmp_path, [{"id": "d1", "text": long_text}], ending=".csv").texts == {"d1": long_text}


def test_find_table_takes_a_known_ending_and_nothing_else(tmp_path):
    (tmp_path / "documents.txt").touch()
    assert find_table(tmp_path, "documents") is None
    (tmp_path / "documents.csv").touch()
    assert find_table(tmp_path, "documents") == tmp_path / "documents.csv"


# What is refused: whole files


def read_raw(folder, name, content):
    """Read a documents' file that holds exactly these bytes."""
    questions = write_table(folder / "questions.jsonl", QUESTIONS)
    (folder / name).write_bytes(content)
    return read_tables(folder / name, questions, LabelSet())


def test_a_missing_file_is_named(tmp_path):
    questions = write_table(tmp_path / "questions.jsonl", QUESTIONS)
    with pytest.raises(InputError, match=r"no file .*documents\.jsonl"):
        read_tables(tmp_path / "documents.jsonl", questions, LabelSet())


def test_an_unknown_ending_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"documents\.xlsx ends in '\.xlsx'.*\.jsonl, \.ndjson, \.csv, \.parquet"):
        read_raw(tmp_path, "documents.xlsx", b"")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_column_is_refused_with_the_columns_there_are(tmp_path, ending):
    with pytest.raises(InputError, match=r"no column 'text' \(it has 'id', 'body'\).*columns 'id', 'text'"):
        read(tmp_path, [{"id": "d1", "body": "A."}], ending=ending)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_tag_column_is_refused(tmp_path, ending):
    with pytest.raises(InputError, match="no column 'journal'"):
        read(tmp_path, ending=ending, question_columns=QuestionColumns(tags=("journal",)))


def test_a_broken_json_line_is_named_by_its_number(tmp_path):
    with pytest.raises(InputError, match=r"documents\.jsonl, line 3 does not parse"):
        read_raw(tmp_path, "documents.jsonl", b'{"id": "d1", "text": "A."}\n\n{"id": "d2", \n')


def test_a_json_line_that_is_no_object_is_named_by_its_number(tmp_path):
    with pytest.raises(InputError, match="line 2 holds a list"):
        read_raw(tmp_path, "documents.jsonl", b'{"id": "d1", "text": "A."}\n["d2", "B."]\n')


@pytest.mark.parametrize(
    ("name", "content"),
    [("documents.jsonl", b'{"id": "d1", "text": "caf\xe9"}\n'), ("documents.csv", b"id,text\nd1,caf\xe9\n")],
)
def test_a_file_that_is_not_utf_8_is_refused(tmp_path, name, content):
    with pytest.raises(InputError, match=rf"{name}, line \d is not UTF-8"):
        read_raw(tmp_path, name, content)


@pytest.mark.parametrize("row", ["d2,green,red", "d2"], ids=["too many fields", "too few fields"])
def test_a_ragged_csv_row_is_named_by_its_number(tmp_path, row):
    with pytest.raises(InputError, match=r"documents\.csv, row 2 has \d fields?, and the header has 2 fields"):
        read_raw(tmp_path, "documents.csv", f"id,text\nd1,A.\n{row}\n".encode())


def test_an_unclosed_csv_quote_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"documents\.csv, line \d+ does not parse"):
        read_raw(tmp_path, "documents.csv", b'id,text\nd1,"never closed\n')


def test_a_file_that_is_not_parquet_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"documents\.parquet cannot be read as Parquet"):
        read_raw(tmp_path, "documents.parquet", b"id,text\nd1,A.\n")


# What is refused: single fields


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("field", ["id", "text"])
@pytest.mark.parametrize("value", ["", " \n"], ids=["empty", "blank"])
def test_an_empty_field_of_a_document_is_refused_with_file_row_and_field(tmp_path, ending, field, value):
    with pytest.raises(RowError) as error:
        read(tmp_path, [DOCUMENTS[0], DOCUMENTS[1] | {field: value}], ending=ending)
    assert (error.value.where, error.value.row, error.value.field) == (str(tmp_path / f"documents{ending}"), 2, field)
    assert "empty" in str(error.value)


BAD_FIELDS = [
    pytest.param("text", None, id="no text"),
    pytest.param("text", 5, id="text is a number"),
    pytest.param("text", "\ud800", id="lone surrogate in the text"),
    pytest.param("id", 1.5, id="id is a fraction"),
    pytest.param("id", True, id="id is a truth value"),
    pytest.param("document_ids", [], id="no gold document"),
    pytest.param("document_ids", None, id="null gold document"),
    pytest.param("document_ids", {"id": "d1"}, id="gold document is an object"),
    pytest.param("document_ids", ["d1", ""], id="empty id in a list"),
    pytest.param("split", "test", id="another split"),
    pytest.param("split", "Tune", id="split in capitals"),
    pytest.param("reference", 1, id="label is a number"),
    pytest.param("evidence", "the gate", id="evidence is a text"),
    pytest.param("evidence", [4, 8], id="evidence is a list of numbers"),
    pytest.param("evidence", [{"start": 4}], id="evidence without end"),
    pytest.param("evidence", [{"start": 4.0, "end": 8}], id="fractional offset"),
    pytest.param("evidence", [{"start": "4", "end": 8}], id="offset is a text"),
    pytest.param("evidence", [{"start": False, "end": 8}], id="offset is a truth value"),
    pytest.param("evidence", [{"start": 4, "end": 2**70}], id="offset beyond 64 bits"),
    pytest.param("evidence", [{"document_id": "\ud800", "start": 4, "end": 8}], id="lone surrogate in evidence"),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_a_bad_field_of_a_question_is_refused_with_file_row_and_field(tmp_path, field, value):
    documents = write_table(tmp_path / "documents.jsonl", DOCUMENTS)
    questions = tmp_path / "questions.jsonl"
    rows = [QUESTIONS[0], QUESTIONS[1] | {field: value}]
    questions.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    with pytest.raises(RowError) as error:
        read_tables(documents, questions, LabelSet())
    assert (error.value.where, error.value.row, error.value.field) == (str(questions), 2, field)
    assert str(error.value).startswith(f"{questions}, row 2, field '{field}': ")


def test_a_lone_surrogate_in_a_tag_is_refused_with_file_row_and_field(tmp_path):
    documents = write_table(tmp_path / "documents.jsonl", DOCUMENTS)
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps(QUESTIONS[0] | {"source": "\ud800"}), encoding="utf-8")
    with pytest.raises(RowError, match="row 1, field 'source'"):
        read_tables(documents, questions, LabelSet(), question_columns=TAGGED)


def test_a_wrong_split_is_refused_with_the_two_right_ones(tmp_path):
    with pytest.raises(RowError, match="'test': expected tune or held_out"):
        read_question(tmp_path, split="test")


def test_a_lone_surrogate_is_refused_with_its_position(tmp_path):
    with pytest.raises(RowError, match="a lone surrogate at character 3"):
        read_raw(tmp_path, "documents.jsonl", rb'{"id": "d1", "text": "abc\ud83d"}')


def test_the_row_number_of_jsonl_counts_blank_lines(tmp_path):
    with pytest.raises(RowError, match="row 3, field 'text'"):
        read_raw(tmp_path, "documents.jsonl", b'{"id": "d1", "text": "A."}\n\n{"id": "d2", "text": ""}\n')


@pytest.mark.parametrize("column", ["reference", "evidence", "split"])
def test_an_optional_column_that_was_mapped_must_exist(tmp_path, column):
    documents = write_table(tmp_path / "documents.jsonl", DOCUMENTS)
    questions = write_table(tmp_path / "questions.jsonl", QUESTIONS)
    with pytest.raises(InputError, match="no column 'anwser'"):
        read_tables(documents, questions, LabelSet(), None, QuestionColumns(**{column: "anwser"}))


@pytest.mark.parametrize("column", ["reference", "evidence", "split"])
def test_an_optional_column_that_was_mapped_must_be_in_every_row(tmp_path, column):
    documents = write_table(tmp_path / "documents.jsonl", DOCUMENTS)
    renamed = [{"mine" if name == column else name: value for name, value in row.items()} for row in QUESTIONS]
    mapped = QuestionColumns(**{column: "mine"})
    questions = write_table(tmp_path / "questions.jsonl", renamed)
    assert read_tables(documents, questions, LabelSet(), None, mapped).questions.height == len(QUESTIONS)
    del renamed[1]["mine"]
    write_table(questions, renamed)
    with pytest.raises(InputError, match=r"questions\.jsonl, row 2 has no column 'mine'"):
        read_tables(documents, questions, LabelSet(), None, mapped)


@pytest.mark.parametrize("column", ["reference", "evidence", "split"])
def test_an_optional_column_that_nobody_mapped_may_be_absent_from_a_row(tmp_path, column):
    documents = write_table(tmp_path / "documents.jsonl", DOCUMENTS)
    rows = [dict(row) for row in QUESTIONS]
    del rows[1][column]
    questions = write_table(tmp_path / "questions.jsonl", rows)
    assert read_tables(documents, questions, LabelSet()).questions.height == len(QUESTIONS)


def test_a_problem_is_placed_in_the_users_own_file_row_and_column(tmp_path):
    (tmp_path / "pages.jsonl").write_text(
        '{"nr": 1, "text": "One."}\n\n{"nr": 2, "text": "Two."}\n{"nr": 2, "text": "Three."}\n', encoding="utf-8"
    )
    (tmp_path / "asked.csv").write_text(
        "id,text,page,answer\nq1,So?,1,Yes\nq2,So?,7,no\nq3,So?,7,no\n", encoding="utf-8"
    )
    config = CorpusConfig(
        source="tables",
        documents=tmp_path / "pages.jsonl",
        questions=tmp_path / "asked.csv",
        document_columns=DocumentColumns(id="nr"),
        question_columns=QuestionColumns(document_ids="page", reference="answer"),
    )
    _, problems = list_problems(config)
    found = [one.found.replace(f"{tmp_path}/", "") for one in said_once(problems)]
    assert found == [
        "pages.jsonl, row 4 (id '2'), field 'nr': duplicate id '2', first seen in row 3",
        "asked.csv, row 1 (id 'q1'), field 'answer': label 'Yes' (did you mean 'yes'?)",
        "asked.csv, rows 2 (id 'q2') and 3 (id 'q3'), field 'page': document '7' is not in the corpus",
    ]
    with pytest.raises(InputError, match=r"pages.jsonl, row 4 .*3 more problems"):
        load_corpus(config)
