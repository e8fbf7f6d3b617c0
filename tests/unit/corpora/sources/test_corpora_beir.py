"""BEIR's format: titles and texts, the judgements that make gold documents, and what is refused."""

import json
import re

import pytest

from corpora.errors import InputError, RowError
from corpora.load import CorpusConfig, load_corpus
from corpora.schema import iter_questions
from corpora.sources.beir import read_beir
from corpora.storage import sha256_file
from corpora.validate import find_problems, validate

DOCUMENTS = (
    {"_id": "d1", "title": "Ferry", "text": "It leaves at nine.", "metadata": {"url": "x"}},
    {"_id": "d2", "title": "", "text": "The barn is red."},
    {"_id": "d3", "text": "Nobody asks about this one."},
    {"_id": "d4", "title": "Tickets", "text": ""},
)
QUERIES = (
    {"_id": "q1", "text": "When does it leave?", "metadata": {}},
    {"_id": "q2", "text": "Of another split?"},
    {"_id": "q3", "text": "What colour?"},
    {"_id": "q4", "text": "Where are tickets?"},
)
JUDGED = ("q4\td4\t2", "q1\td3\t0", "q1\td2\t1", "q1\td1\t2", "q3\td2\t1")
HEADER = "query-id\tcorpus-id\tscore"


def write(folder, documents=DOCUMENTS, queries=QUERIES, judged=JUDGED, split="test", header=HEADER):
    folder = folder / "harbour"
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus", documents), ("queries", queries)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_bytes(lines.encode())
    (folder / "qrels" / f"{split}.tsv").write_bytes("".join(f"{line}\n" for line in (header, *judged)).encode())
    return folder


def gold(corpus):
    return {question.id: question.document_ids for question in iter_questions(corpus.questions)}


@pytest.fixture
def harbour(tmp_path):
    return read_beir(write(tmp_path))


# What is read


def test_a_document_is_its_title_a_line_end_and_its_text(harbour):
    assert list(harbour.texts.items()) == [
        ("d1", "Ferry\nIt leaves at nine."),
        ("d2", "The barn is red."),
        ("d3", "Nobody asks about this one."),
        ("d4", "Tickets\n"),
    ]
    assert validate(harbour) is harbour


def test_the_title_is_a_section_where_there_is_one(harbour):
    assert harbour.documents["sections"].to_list() == [
        [{"name": "title", "start": 0, "end": 5}],
        [],
        [],
        [{"name": "title", "start": 0, "end": 7}],
    ]


def test_gold_documents_are_those_above_zero_and_queries_of_other_splits_are_left_out(harbour):
    assert list(gold(harbour).items()) == [("q1", ("d2", "d1")), ("q3", ("d2",)), ("q4", ("d4",))]
    assert harbour.questions["text"].to_list() == ["When does it leave?", "What colour?", "Where are tickets?"]


def test_no_question_has_a_reference_evidence_or_split(harbour):
    for question in iter_questions(harbour.questions):
        assert (question.reference, question.evidence, question.split, question.tags) == (None, (), None, {})
    assert tuple(harbour.labels) == ("yes", "no", "maybe")


def test_the_corpus_is_named_after_the_folder_and_its_files_by_their_digest(tmp_path):
    folder = write(tmp_path)
    corpus = read_beir(folder)
    names = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
    assert (corpus.name, corpus.inputs) == ("harbour", {name: sha256_file(folder / name) for name in names})


def test_a_corpus_without_reference_labels_loads_with_all_its_questions(tmp_path):
    corpus = load_corpus(CorpusConfig(source="beir", path=write(tmp_path)))
    assert corpus.questions["question_id"].to_list() == ["q1", "q3", "q4"]
    assert corpus.questions["reference"].to_list() == [None] * 3


def test_the_test_judgements_are_taken_where_there_are_several(tmp_path):
    write(tmp_path, judged=["q2\td1\t1"], split="dev")
    write(tmp_path, judged=["q2\td2\t1"], split="train")
    assert gold(read_beir(write(tmp_path))) == {"q1": ("d2", "d1"), "q3": ("d2",), "q4": ("d4",)}


def test_a_single_file_of_judgements_is_taken_whatever_its_name(tmp_path):
    folder = write(tmp_path, judged=["q2\td1\t1"], split="dev")
    corpus = read_beir(folder)
    assert gold(corpus) == {"q2": ("d1",)}
    assert "qrels/dev.tsv" in corpus.inputs


def test_a_judged_query_without_a_gold_document_stays_for_validation_to_refuse(tmp_path):
    corpus = read_beir(write(tmp_path, judged=["q1\td1\t1", "q2\td1\t0", "q2\td2\t-1"]))
    assert gold(corpus) == {"q1": ("d1",), "q2": ()}
    with pytest.raises(RowError, match=r"'q2'.*no gold document"):
        validate(corpus)


def test_a_pair_that_is_judged_twice_alike_counts_once(tmp_path):
    assert gold(read_beir(write(tmp_path, judged=["q1\td1\t1", "q1\td2\t1", "q1\td1\t1.0"]))) == {"q1": ("d1", "d2")}


def test_numbers_as_ids_match_the_judgements(tmp_path):
    folder = write(tmp_path, [{"_id": 10, "text": "Ten."}], [{"_id": 7, "text": "How many?"}], ["7\t10\t1"])
    assert gold(read_beir(folder)) == {"7": ("10",)}


def test_texts_and_ids_are_kept_to_the_character(tmp_path):
    title = " \N{GRINNING FACE}e\N{COMBINING ACUTE ACCENT} "
    text = "\r\n line\N{LINE SEPARATOR}next\x85\t \N{FAMILY}\n"
    document_id, query_id = 'a "quoted" id', "e\N{COMBINING ACUTE ACCENT}\N{LINE SEPARATOR}"
    for ensure_ascii in (True, False):
        folder = write(tmp_path, judged=[f'{query_id}\t"a ""quoted"" id"\t1'])
        document = {"_id": document_id, "title": title, "text": text}
        twin = {"_id": "\N{LATIN SMALL LETTER E WITH ACUTE}", "text": title + text}
        for name, rows in (("corpus", (document, twin)), ("queries", ({"_id": query_id, "text": title},))):
            lines = "".join(json.dumps(row, ensure_ascii=ensure_ascii) + "\r\n" for row in rows)
            (folder / f"{name}.jsonl").write_bytes(lines.encode())
        corpus = read_beir(folder)
        assert corpus.texts == {document_id: f"{title}\n{text}", twin["_id"]: title + text}
        assert gold(corpus) == {query_id: (document_id,)}
        assert corpus.questions["text"].to_list() == [title]
        assert corpus.documents["sections"][0].to_list() == [{"name": "title", "start": 0, "end": len(title)}]


def test_judgements_with_windows_line_ends_a_byte_order_mark_and_blank_lines_are_read(tmp_path):
    folder = write(tmp_path)
    (folder / "qrels" / "test.tsv").write_bytes(f"\ufeff{HEADER}\r\nq1\td1\t1\r\n\r\nq3\td2\t1\r\n".encode())
    assert gold(read_beir(folder)) == {"q1": ("d1",), "q3": ("d2",)}


# What is refused


@pytest.mark.parametrize(
    ("line", "field", "said"),
    [
        pytest.param("q9\td1\t1", "query-id", "unknown query 'q9': expected an id from queries.jsonl", id="query"),
        pytest.param("q1 \td1\t1", "query-id", "unknown query 'q1 '", id="query with a blank"),
        pytest.param(
            "q1\td9\t1", "corpus-id", "unknown document 'd9': expected an id from corpus.jsonl", id="document"
        ),
        pytest.param("q1\td9\t0", "corpus-id", "unknown document 'd9'", id="document that is not gold"),
        pytest.param("q1\td1\thigh", "score", "'high': expected a number", id="score is a word"),
        pytest.param("q1\td1\t", "score", "'': expected a number", id="no score"),
        pytest.param("q1\td1\tnan", "score", "'nan': expected a number", id="score is not a number"),
        pytest.param("q1\td1", "score", "2 columns: expected 3 columns", id="a column too few"),
        pytest.param("q1\t0\td1\t1", "score", "4 columns: expected 3 columns", id="TREC's four columns"),
        pytest.param(
            "q3\td2\t0", "score", "score 0 for query 'q3' and document 'd2', after score 1", id="contradiction"
        ),
    ],
)
def test_a_bad_judgement_is_refused_with_file_row_and_field(tmp_path, line, field, said):
    folder = write(tmp_path, judged=[*JUDGED, line])
    with pytest.raises(RowError, match=re.escape(said)) as error:
        read_beir(folder)
    file = str(folder / "qrels" / "test.tsv")
    assert (error.value.where, error.value.row, error.value.field) == (file, 6, field)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("header", ["q1\td1\t1", "query-id\tscore\tcorpus-id", "query-id corpus-id score"])
def test_judgements_without_their_header_are_refused_and_lose_no_row(tmp_path, header):
    with pytest.raises(InputError, match=r"test\.tsv starts with the columns"):
        read_beir(write(tmp_path, header=header))


@pytest.mark.parametrize(
    "content", [b"", f"{HEADER}\nq\xe91\td1\t1\n".encode("latin-1"), f'{HEADER}\nq1\t"d1'.encode()]
)
def test_judgements_that_do_not_parse_are_refused_by_name(tmp_path, content):
    folder = write(tmp_path)
    (folder / "qrels" / "test.tsv").write_bytes(content)
    with pytest.raises(InputError, match=r"test\.tsv (does not parse|starts with the columns \[\])"):
        read_beir(folder)


def test_several_judgement_files_without_a_test_one_are_refused_with_their_names(tmp_path):
    write(tmp_path, split="train")
    with pytest.raises(
        InputError, match=r"qrels holds dev\.tsv, train\.tsv: expected test\.tsv among them, or a single file"
    ):
        read_beir(write(tmp_path, split="dev"))


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("corpus.jsonl", r"no file .*corpus\.jsonl"),
        ("queries.jsonl", r"no file .*queries\.jsonl"),
        ("qrels/test.tsv", r"no judgements in .*qrels"),
    ],
)
def test_a_missing_file_is_refused_by_name(tmp_path, missing, said):
    folder = write(tmp_path)
    (folder / missing).unlink()
    with pytest.raises(InputError, match=said):
        read_beir(folder)


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"no folder .*nowhere: expected a folder with corpus\.jsonl"):
        read_beir(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        pytest.param({"_id": None, "text": "A text."}, "_id", id="id is null"),
        pytest.param({"_id": True, "text": "A text."}, "_id", id="id is true"),
        pytest.param({"_id": "x", "text": None}, "text", id="text is null"),
        pytest.param({"_id": "x", "text": ["A text."]}, "text", id="text is a list"),
        pytest.param({"_id": "x", "text": "\ud800"}, "text", id="text with half a pair"),
        pytest.param({"_id": "x", "text": "A text.", "title": 3}, "title", id="title is a number"),
    ],
)
def test_a_bad_document_is_refused_with_file_line_and_field(tmp_path, row, field):
    folder = write(tmp_path, documents=[*DOCUMENTS, row])
    with pytest.raises(RowError) as error:
        read_beir(folder)
    assert (error.value.where, error.value.row, error.value.field) == (str(folder / "corpus.jsonl"), 5, field)


@pytest.mark.parametrize(("row", "field"), [({"_id": [], "text": "Why?"}, "_id"), ({"_id": "q", "text": 1}, "text")])
def test_a_bad_query_is_refused_with_file_line_and_field(tmp_path, row, field):
    folder = write(tmp_path, queries=[*QUERIES, row])
    with pytest.raises(RowError) as error:
        read_beir(folder)
    assert (error.value.where, error.value.row, error.value.field) == (str(folder / "queries.jsonl"), 5, field)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
@pytest.mark.parametrize("line", [b'{"_id": "x"}', b'{"_id": ', b"[]", b'{"_id": "\xe9"}'])
def test_a_line_that_does_not_parse_or_lacks_a_field_is_refused_by_name(tmp_path, name, line):
    folder = write(tmp_path)
    with (folder / name).open("ab") as file:
        file.write(line)
    with pytest.raises(InputError, match=re.escape(name)):
        read_beir(folder)


def test_repeated_ids_are_kept_for_validation_to_find(tmp_path):
    folder = write(tmp_path, documents=[*DOCUMENTS, DOCUMENTS[0]], queries=[*QUERIES, QUERIES[0]])
    assert [problem.found for problem in find_problems(read_beir(folder))] == [
        "harbour documents, row 5, field 'id': duplicate id 'd1', first seen in row 1",
        "harbour questions, row 4, field 'id': duplicate id 'q1', first seen in row 1",
    ]
