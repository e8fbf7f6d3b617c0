"""BEIR's format: titles and texts, the judgements that make gold documents, and what is refused."""

import json
import re

import polars as pl
import pytest

from corpora.errors import InputError, RowError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import load_corpus
from corpora.schema import iter_questions
from corpora.shaping.validate import find_problems, validate
from corpora.sources.formats.beir import read_beir
from corpora.storage import sha256_file

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
    said = r"test\.tsv(, line 2)? (does not parse|is not UTF-8|starts with the columns \[\])"
    with pytest.raises(InputError, match=said):
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


# What is left out where rows may be


def skipping(folder, **rest):
    return load_corpus(CorpusConfig(source="beir", path=write(folder, **rest), split="all"))


def noted(corpus):
    return [(one.kind, one.row, one.id, one.reason) for one in corpus.left_out.defects]


def test_a_judgement_on_an_absent_document_is_left_out_with_the_query_that_has_no_other(tmp_path):
    # As in ArguAna.
    corpus = skipping(tmp_path, judged=["q1\td1\t1", "q1\td1-con03b\t1", "q3\td2-con03b\t1", "q4\td4\t1"])
    assert gold(corpus) == {"q1": ("d1",), "q4": ("d4",)}
    unknown = "corpus-id: unknown document '{}' (expected an id from corpus.jsonl)"
    without = "_id: no gold document in the corpus (expected at least one document with a score above 0)"
    assert noted(corpus) == [
        ("judgement", "2", "q1 d1-con03b", unknown.format("d1-con03b")),
        ("judgement", "3", "q3 d2-con03b", unknown.format("d2-con03b")),
        ("question", "id 'q3'", "q3", without),
    ]
    files = [one.file for one in corpus.left_out.defects]
    assert files == [str(tmp_path / "harbour" / "qrels" / "test.tsv")] * 2 + [str(tmp_path / "harbour/queries.jsonl")]
    assert corpus.left_out.line() == "2 of 4 judgements and 1 of 3 questions"


def test_empty_documents_are_left_out_with_their_lines(tmp_path):
    # As in FiQA, where they are nobody's gold.
    empty = [{"_id": "e1", "title": "", "text": ""}, {"_id": "e2", "title": " ", "text": "\n"}]
    corpus = skipping(tmp_path, documents=[*DOCUMENTS, *empty], judged=[*JUDGED, "q4\te1\t1"])
    assert corpus.documents["document_id"].to_list() == ["d1", "d2", "d3", "d4"]
    assert gold(corpus)["q4"] == ("d4",)
    assert [(kind, row, identifier) for kind, row, identifier, _ in noted(corpus)] == [
        ("document", "5", "e1"),
        ("document", "6", "e2"),
        ("judgement", "6", "q4 e1"),
    ]


@pytest.mark.parametrize("missing", ["null", "NaN"])
def test_a_text_that_is_missing_beside_a_title_leaves_the_title_alone(tmp_path, missing):
    # As in SciDocs.
    folder = write(tmp_path)
    lines = [
        f'{{"_id":"d1","title":"Deep nets","text":{missing}}}',
        f'{{"_id":"d2","title":{missing},"text":"Some text."}}',
        f'{{"_id":"d3","title":{missing},"text":{missing}}}',
        '{"_id":"d4","title":"Tickets","text":""}',
    ]
    (folder / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    corpus = load_corpus(CorpusConfig(source="beir", path=folder, split="all"))
    assert corpus.texts == {"d1": "Deep nets", "d2": "Some text.", "d4": "Tickets\n"}
    assert corpus.documents["sections"][0].to_list() == [{"name": "title", "start": 0, "end": 9}]
    assert [(kind, row, identifier) for kind, row, identifier, _ in noted(corpus)] == [
        ("text", "1", "d1"),
        ("document", "3", "d3"),
        ("judgement", "2", "q1 d3"),
    ]
    with pytest.raises(RowError, match="null beside a title"):
        read_beir(folder)


def test_judgements_that_contradict_each_other_count_neither(tmp_path):
    corpus = skipping(tmp_path, judged=["q1\td1\t1", "q1\td2\t1", "q1\td2\t0", "q1\td2\t1", "q3\td2\t1", "q4\td4\t1"])
    assert gold(corpus) == {"q1": ("d1",), "q3": ("d2",), "q4": ("d4",)}
    assert [(kind, row) for kind, row, *_ in noted(corpus)] == [("judgement", "3"), ("judgement", "4")]


def test_documents_and_queries_of_the_wrong_kind_are_left_out(tmp_path):
    corpus = skipping(
        tmp_path,
        documents=[*DOCUMENTS, {"_id": "x", "text": ["A text."]}, {"_id": True, "text": "A text."}],
        queries=[*QUERIES, {"_id": "q5", "text": 1}],
    )
    assert [(kind, row, identifier) for kind, row, identifier, _ in noted(corpus)] == [
        ("document", "5", "x"),
        ("document", "6", "True"),
        ("question", "5", "q5"),
    ]


def test_a_corpus_whose_parts_do_not_belong_together_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"harbour: 2 of 3 judgements cannot be used .*unknown document 'x1'"):
        skipping(tmp_path, judged=["q1\tx1\t1", "q3\tx2\t1", "q4\td4\t1"])


@pytest.mark.parametrize("score", ["1_0", "\N{ARABIC-INDIC DIGIT ONE}", "0x1", "1,0", "inf", "high", "", "1e999"])
def test_a_score_that_is_no_number_is_refused_even_then(tmp_path, score):
    with pytest.raises(RowError, match="expected a number"):
        skipping(tmp_path, judged=[*JUDGED, f"q3\td1\t{score}"])


@pytest.mark.parametrize("score", ["2", "+2", "2.0", "2.", "2e0", " 2 "])
def test_a_score_is_read_however_the_number_is_written(tmp_path, score):
    assert gold(read_beir(write(tmp_path, judged=[f"q1\td1\t{score}"]))) == {"q1": ("d1",)}


# Parquet, as the hub exports it


def write_parquet(folder, parts):
    """`parts` gives the path of each of corpus, queries and judgements below the folder."""
    judged = [line.split("\t") for line in JUDGED]
    frames = (
        pl.DataFrame([{"_id": one["_id"], "title": one.get("title", ""), "text": one["text"]} for one in DOCUMENTS]),
        pl.DataFrame([{"_id": one["_id"], "text": one["text"]} for one in QUERIES]),
        pl.DataFrame([{"query-id": q, "corpus-id": d, "score": int(score)} for q, d, score in judged]),
    )
    for frame, part in zip(frames, parts, strict=True):
        file = folder / part
        file.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(file)
    return folder


@pytest.mark.parametrize(
    "parts",
    [
        ("corpus.parquet", "queries.parquet", "qrels/test.parquet"),
        ("corpus/corpus-00000-of-00001.parquet", "queries/queries-00000-of-00001.parquet",
         "qrels/test-00000-of-00001.parquet"),
    ],
)  # fmt: skip
def test_parquet_reads_like_the_files_it_was_made_from(tmp_path, harbour, parts):
    folder = write_parquet(tmp_path / "parquet", parts)
    corpus = read_beir(folder)
    assert corpus.texts == harbour.texts
    assert gold(corpus) == gold(harbour)
    assert corpus.inputs == {part: sha256_file(folder / part) for part in parts}


def test_a_corpus_in_two_formats_is_refused(tmp_path):
    folder = write_parquet(write(tmp_path), ("corpus.parquet", "queries.parquet", "qrels/test.parquet"))
    with pytest.raises(InputError, match=r"holds both corpus\.jsonl and corpus\.parquet"):
        read_beir(folder)
