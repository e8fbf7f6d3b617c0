"""Files of the kinds that users of other tools reported: read, or refused by `corpora check` in one plain line."""

import json

import pytest
from click.testing import CliRunner

from flows.cli.main import main

DOCS = '{"id":"d1","text":"The depot opens at seven."}\n{"id":"d2","text":"Refunds take five days."}\n'
QUESTION = '{"id":"q1","text":"Does it open at seven?","document_ids":["d1"]}\n'
DOCS_CSV = "id,text\nd1,The depot opens at seven.\n"
QUESTION_CSV = "id,text,document_ids\nq1,Does the depot open at seven?,d1\n"
SOUND = "no problems."


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Write the files, and run `tercet corpora check e.toml` beside them: exit code, and the lines it says."""

    def check(documents, questions, corpus="", encoding="utf-8", ending="jsonl", **files):
        toml = (
            'readers = []\n[corpus]\nsource = "tables"\n'
            f'documents = "docs.{ending}"\nquestions = "questions.{ending}"\n'
            f"{corpus}\n[retrieval]\nsizes = [32]\n"
        )
        written = {f"docs.{ending}": documents, f"questions.{ending}": questions, "e.toml": toml} | files
        for name, text in written.items():
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return run("e.toml")

    def run(path):
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(main, ["corpora", "check", path])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output.splitlines()

    check.run = run
    return check


def refused(outcome):
    code, lines = outcome
    assert code == 2
    assert len(lines) == 1, lines
    return lines[0]


def is_sound(outcome):
    code, lines = outcome
    return code == 0 and lines[-1].endswith(SOUND) and len(lines) == 1


def test_two_columns_of_one_name_are_refused(check):
    documents = 'id,text,text\nd1,"The depot opens at seven.",checked by QA\n'
    assert refused(check(documents, QUESTION_CSV, ending="csv")) == (
        "tercet: docs.csv has 2 columns named 'text': expected a different name for each column; rename or remove the "
        "others."
    )


def test_a_semicolon_csv_is_named_and_read_once_its_separator_is_set(check):
    documents = "\ufeffid;text\r\nd1;Das Lager öffnet um sieben, auch samstags.\r\n"
    questions = "\ufeffid;text;document_ids\r\nq1;Öffnet das Lager um sieben?;d1\r\n"
    assert "docs.csv has the single column 'id;text' (is the separator ';'?)" in refused(
        check(documents, questions, ending="csv")
    )
    set_once = 'document_columns = { separator = ";" }'
    assert "questions.csv has the single column 'id;text;document_ids' (is the separator ';'?)" in refused(
        check(documents, questions, set_once, ending="csv")
    )
    set_twice = f'{set_once}\nquestion_columns = {{ separator = ";" }}'
    assert is_sound(check(documents, questions, set_twice, ending="csv"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_byte_order_mark_is_read_in_tables_and_experiments(check, encoding, ending):
    documents, questions = (DOCS, QUESTION) if ending == "jsonl" else (DOCS_CSV, QUESTION_CSV)
    assert is_sound(check(documents, questions, encoding=encoding, ending=ending))


ANSWERED = "".join(
    json.dumps({"id": f"q{number}", "text": "Does it?", "document_ids": "d1", "answer": answer}) + "\n"
    for number, answer in enumerate([True, False, 0])
)
MAPPED = 'question_columns = { reference = "answer"'


def test_a_truth_value_or_number_is_a_label_of_that_name(check):
    assert is_sound(check(DOCS, ANSWERED, f'labels = ["true", "false", "0"]\n{MAPPED} }}'))


def test_a_truth_value_or_number_is_the_label_that_it_is_mapped_to(check):
    values = 'reference_values = { true = "yes", false = "no", 0 = "no" }'
    assert is_sound(check(DOCS, ANSWERED, f'labels = ["yes", "no"]\n{MAPPED}, {values} }}'))


def test_any_other_truth_value_is_refused_with_the_mapping(check):
    code, lines = check(DOCS, ANSWERED, f'labels = ["yes", "no"]\n{MAPPED} }}')
    assert (code, len(lines)) == (2, 3)
    assert lines[0] == (
        "tercet: questions.jsonl, row 1, field 'answer': the truth value true: expected a text that is one of the "
        "labels; say in question_columns what each value means, such as reference_values = { true = ONE OF THE LABELS "
        "}."
    )


def test_a_value_that_is_mapped_to_no_label_is_refused(check):
    values = 'reference_values = { true = "yep" }'
    assert "reference_values maps 'true' to 'yep': expected one of the labels yes, no" in refused(
        check(DOCS, ANSWERED, f'labels = ["yes", "no"]\n{MAPPED}, {values} }}')
    )


def test_truth_values_as_labels_are_refused_by_name(check):
    assert refused(check(DOCS, ANSWERED, "labels = [true, false]")) == (
        "tercet: e.toml: corpus.labels.0 is the truth value true: expected a text; write the value in quotes (1 more "
        "mistake: `tercet check e.toml` lists all)."
    )


@pytest.mark.parametrize("name", ["{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", "[PMID:1023]", "[1]", '{"a"}', "2019.0"])
def test_an_id_is_an_id_whatever_it_begins_with(check, name):
    cell = '"' + name.replace('"', '""') + '"'
    documents, questions = f"id,text\n{cell},A text.\n", f"id,text,document_ids\nq1,Is it?,{cell}\n"
    assert is_sound(check(documents, questions, ending="csv"))
    documents, questions = ({"id": name, "text": "A text."}, {"id": "q1", "text": "Is it?", "document_ids": name})
    assert is_sound(check(json.dumps(documents), json.dumps(questions)))


def test_a_list_of_ids_in_csv_is_declared(check):
    questions = 'id,text,document_ids\nq1,Is it?,"[""d1"", ""d2""]"\n'
    documents = "id,text\nd1,A.\nd2,B.\n"
    assert 'set `document_ids_as = "list"` in question_columns' in refused(check(documents, questions, ending="csv"))
    assert is_sound(check(documents, questions, 'question_columns = { document_ids_as = "list" }', ending="csv"))


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 50_000 + "]" * 50_000])
def test_a_field_that_is_too_large_is_refused_in_one_line(check, value):
    assert "docs.jsonl, line 1" in refused(check(f'{{"id":"d1","text":"x","unused":{value}}}\n', QUESTION))


def test_a_key_that_is_given_twice_is_refused(check):
    documents = '{"id":"d1","text":"The depot opens at seven.","text":"n/a"}\n'
    assert "docs.jsonl, line 1 has the key 'text' twice in one object" in refused(check(documents, QUESTION))


def test_an_array_in_a_jsonl_file_is_refused_by_name(check):
    documents = json.dumps([json.loads(line) for line in DOCS.splitlines()], indent=2)
    assert "docs.jsonl, line 1 begins a JSON array" in refused(check(documents, QUESTION))


def test_ids_that_look_the_same_are_told_apart_by_their_code_points(check):
    documents = json.dumps({"id": "cafe\N{COMBINING ACUTE ACCENT}", "text": "A text."})
    questions = json.dumps({"id": "q1", "text": "Is it?", "document_ids": "caf\N{LATIN SMALL LETTER E WITH ACUTE}"})
    said = refused(check(documents, questions))
    assert r"but 'cafe\u0301' is, which looks the same as 'caf\xe9'" in said


def test_a_folder_with_two_tables_of_documents_is_refused(check, tmp_path):
    for name, text in (("documents.jsonl", DOCS), ("documents.csv", DOCS_CSV), ("questions.jsonl", QUESTION)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert refused(check.run(".")) == (
        "tercet: . holds documents.jsonl and documents.csv: expected a single file of documents; remove the others, or "
        "name the file as `documents` in an experiment's corpus section."
    )


def test_either_table_stands_for_both(check, tmp_path):
    for name, text in (("documents.jsonl", DOCS), ("questions.csv", QUESTION_CSV), ("mine.csv", DOCS_CSV)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert is_sound(check.run("documents.jsonl"))
    assert is_sound(check.run("questions.csv"))
    assert "mine.csv is one table, and a corpus has two" in refused(check.run("mine.csv"))


def test_documents_without_a_source_are_refused(check, tmp_path):
    (tmp_path / "mine.toml").write_text('[corpus]\ndocuments = "docs.jsonl"\n', encoding="utf-8")
    assert refused(check.run("mine.toml")) == (
        "tercet: `documents` is set for source 'sample' (the default): expected `documents` only with source 'tables'; "
        "set `source`, or remove `documents`."
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sample = true", "corpus.sample is the truth value true: expected a number"),
        ('sample = "5"', "corpus.sample is '5': expected a number; remove the quotes"),
        ("seed = 1.5", "corpus.seed is 1.5: expected a whole number"),
        ('sample = "many"', "corpus.sample is 'many': expected a whole number; correct the value"),
        ('name = "/"', "corpus.name is '/': expected a name of letters, digits"),
        ("held_out_fraction = nan", "corpus.held_out_fraction = nan: expected a finite number"),
        ("name = 5", "corpus.name is 5: expected a text; write the value in quotes"),
        (f"seed = {'9' * 30}", f"corpus.seed = {'9' * 30}: expected a finite number of 64 bits"),
    ],
)
def test_a_setting_of_another_type_is_refused_not_converted(check, line, said):
    assert said in refused(check(DOCS, QUESTION, line))


def test_a_text_in_another_encoding_is_named_with_its_line(check):
    assert "docs.jsonl, line 2 is not UTF-8 (byte 0xe9" in refused(
        check(b'{"id":"d1","text":"A."}\n{"id":"d2","text":"caf\xe9"}\n', QUESTION)
    )
    assert "like UTF-16 without a byte order mark" in refused(check(DOCS.encode("utf-16-le"), QUESTION))


def test_all_bad_rows_are_listed_and_not_only_the_first(check):
    documents = DOCS + '{"id":"d3","text":""}\n{"id":"d4","text":5}\n'
    questions = QUESTION + "".join(
        f'{{"id":"q{number}","text":"{text}","document_ids":["{document}"]}}\n'
        for number, text, document in ((2, "", "d1"), (3, "Is it?", "d9"), (4, "Is it?", "d3"))
    )
    code, lines = check(documents, questions)
    assert code == 2
    assert [line.split(": ")[1] for line in lines] == [
        "docs.jsonl, row 3, field 'text'",
        "docs.jsonl, row 4, field 'text'",
        "questions.jsonl, row 2, field 'text'",
        lines[3].split(": ")[1],  # the question about d9; that about d3 is not judged before d3 can be read
    ]
    assert "document 'd9' is not in the corpus" in lines[3]
