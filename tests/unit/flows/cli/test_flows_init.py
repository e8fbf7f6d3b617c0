"""`tercet init`: what it writes on a folder is an experiment that is sound and runs."""

import json
import shlex
import tomllib

import polars as pl
import pytest

from corpora.loading.load import load_corpus
from corpora.schema import DRAFT_TAGS
from flows.cli.experiments import columns
from flows.cli.experiments.writing import say_context, suggest_reader, suggest_sizes
from flows.planning.checking.input_check import check_input
from flows.planning.lengths import Lengths
from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import load_experiment
from flows.session.session import Session
from flows.session.workspace import workspace_of
from flows.stages.runner import Runner
from labeling.models.registry import registry
from tests.doubles.scripted import ScriptedReaders, open_word_embedder

WORDS = "The gate of yard {n} is closed on every Monday, and the keeper of yard {n} sweeps the road behind the gate. "
TEXTS = {f"yard-{n}": WORDS.format(n=n) * 3 for n in range(6)}
ASKED = [
    (f"q{n}", f"Is the gate of yard {n} closed on Mondays?", f"yard-{n}", "yes" if n % 2 else "no") for n in range(6)
]


@pytest.fixture(autouse=True)
def bare_cache(monkeypatch, tmp_path):
    """No model is on this machine, whatever is on it."""
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "my yards"
    made.mkdir()
    return made


def write_rows(file, rows):
    if file.suffix == ".parquet":
        with file.open("wb") as target:
            pl.DataFrame(rows).write_parquet(target)
    elif file.suffix == ".csv":
        file.write_text(pl.DataFrame(rows).write_csv(), encoding="utf-8")
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def questions(names=("id", "text", "document_ids", "reference")):
    return [dict(zip(names, row, strict=False)) for row in ASKED]


def sessions(tmp_path):
    readers = ScriptedReaders(lambda *_: (0.9, 0.1))
    return lambda experiment, base: Session(
        workspace_of(experiment, tmp_path / "runs", base), readers, open_word_embedder
    )


def is_sound(file, tmp_path):
    checked = check_input(file, sessions(tmp_path))
    assert checked.mistakes == [], checked.mistakes
    return load_experiment(file)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_tables_of_any_name_and_columns_become_an_experiment_that_runs(tercet, folder, tmp_path, ending, monkeypatch):
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])
    documents = [{"nr": name, "title": "A yard", "body": text} for name, text in TEXTS.items()]
    write_rows(folder / f"pages.{ending}", documents)
    write_rows(folder / f"asked.{ending}", questions(("qid", "question", "page", "answer")))
    result = tercet("init", folder, "--out", "mine.toml")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[2:] == [
        "Found 6 documents, 6 questions, 6 with a reference label.",
        "Next: tercet check mine.toml",
    ]
    experiment = is_sound(tmp_path / "mine.toml", tmp_path)
    corpus = experiment.corpus
    assert (corpus.document_columns.id, corpus.document_columns.text) == ("nr", "body")
    columns = corpus.question_columns
    assert (columns.id, columns.text, columns.document_ids, columns.reference) == ("qid", "question", "page", "answer")
    assert corpus.labels == ("yes", "no")
    assert experiment.consensus.rule == "unanimous_and_correct"
    if ending == "jsonl":
        with sessions(tmp_path)(experiment, tmp_path) as session:
            assert execute(experiment, "label", session, Runner()).folder.is_dir()


def numbered_pages(folder, n, first=1):
    write_rows(folder / "pages.csv", [{"id": k, "text": WORDS.format(n=k) * 3} for k in range(first, first + n)])


@pytest.mark.parametrize("names", [("id", "question", "page", "answer"), ("page", "question", "id", "answer")])
def test_the_number_of_a_question_is_not_taken_for_that_of_its_document(tercet, folder, tmp_path, names):
    numbered_pages(folder, 40)
    rows = [{"id": n, "question": f"Is {n} open?", "page": 41 - n, "answer": "yn"[n % 2]} for n in range(1, 31)]
    write_rows(folder / "asked.csv", [{name: row[name] for name in names} for row in rows])
    result = tercet("init", folder, "--out", "mine.toml")
    note = "Note: column page of asked.csv is taken for document_ids; id would fit too."
    assert result.stdout.splitlines()[3:] == [note, "Next: tercet check mine.toml"]
    assert f"# {note}" in (tmp_path / "mine.toml").read_text(encoding="utf-8").splitlines()
    section = tomllib.loads((tmp_path / "mine.toml").read_text("utf-8"))["corpus"]["question_columns"]
    assert section == {"text": "question", "document_ids": "page", "reference": "answer"}


def test_labels_that_are_numbers_are_not_taken_for_documents(tercet, folder, tmp_path):
    numbered_pages(folder, 12, first=0)
    rows = [{"qid": n, "question": f"Is {n} open?", "label": n % 2, "page": n % 12} for n in range(100, 140)]
    write_rows(folder / "asked.csv", rows)
    assert tercet("init", folder, "--out", "mine.toml").exit_code == 0
    corpus = tomllib.loads((tmp_path / "mine.toml").read_text("utf-8"))["corpus"]
    expected = {"id": "qid", "text": "question", "document_ids": "page", "reference": "label"}
    assert corpus["question_columns"] == expected
    assert corpus["labels"] == ["0", "1"]


def test_of_two_columns_that_fit_the_one_that_names_more_documents_is_the_link(tercet, folder, tmp_path):
    numbered_pages(folder, 20)
    rows = [{"id": f"q{n}", "level": 1 + n % 5, "about": 1 + n % 20, "question": f"Is {n} open?"} for n in range(40)]
    write_rows(folder / "asked.jsonl", rows)
    result = tercet("init", folder, "--out", "mine.toml")
    assert "Note: column about of asked.jsonl is taken for document_ids; level would fit too." in result.stdout


@pytest.mark.parametrize(("own", "text"), [("id", "question"), ("nr", "frage")])
def test_an_id_that_also_names_the_document_is_the_link_where_no_other_column_is(tercet, folder, tmp_path, own, text):
    write_rows(folder / "a.csv", [{own: name, "body": text} for name, text in TEXTS.items()])
    write_rows(folder / "b.csv", [{"id": row[2], text: row[1], "answer": row[3]} for row in ASKED])
    result = tercet("init", folder, "--out", "mine.toml")
    assert "Note:" not in result.stdout
    section = tomllib.loads((tmp_path / "mine.toml").read_text("utf-8"))["corpus"]
    assert section["documents"].endswith("a.csv")
    assert section["question_columns"] == {"text": text, "document_ids": "id", "reference": "answer"}


def test_a_text_beside_a_question_is_its_passage(tercet, folder, tmp_path):
    write_rows(folder / "pages.csv", [{"doc_id": name, "text": text} for name, text in TEXTS.items()])
    rows = [{"id": f"q{n}", "question": row[1], "text": TEXTS[row[2]], "doc_id": row[2]} for n, row in enumerate(ASKED)]
    write_rows(folder / "asked.csv", rows)
    assert tercet("init", folder, "--out", "mine.toml").exit_code == 0
    section = tomllib.loads((tmp_path / "mine.toml").read_text("utf-8"))["corpus"]["question_columns"]
    assert section == {"text": "question", "document_ids": "doc_id"}


@pytest.mark.parametrize("n_asked", [30, 900], ids=["few questions", "many questions"])
def test_documents_that_are_too_many_to_keep_all_ids_are_found(folder, monkeypatch, n_asked):
    monkeypatch.setattr(columns, "MOST_VALUES", 100)
    write_rows(folder / "pages.jsonl", [{"nr": f"p{n}", "body": f"Yard {n} is shut. " * 9} for n in range(1000)])
    rows = [{"qid": f"q{n}", "frage": f"Is {n} shut?", "about": f"p{999 - n}"} for n in range(n_asked)]
    write_rows(folder / "asked.jsonl", rows)
    tables = [columns.read_table(folder / f"{name}.jsonl") for name in ("asked", "pages")]
    found = columns.match(tables)
    assert (found.document_columns.id, found.question_columns.document_ids) == ("nr", "about")
    assert tables[1].columns["nr"].halvings > 2
    assert len(tables[1].columns["nr"].values) <= 100
    # Ids that only begin alike are still none.
    write_rows(folder / "asked.jsonl", [row | {"about": f"p{5000 + n}"} for n, row in enumerate(rows)])
    assert columns.match([columns.read_table(folder / "asked.jsonl"), tables[1]]) is None


@pytest.mark.parametrize("link", ["doc", "belongs_to"])
def test_documents_shorter_than_their_one_question_are_told_from_it(tercet, folder, tmp_path, link):
    write_rows(folder / "a.csv", [{"id": name, "text": "Shut."} for name in TEXTS])
    write_rows(folder / "b.csv", questions(("id", "question", link, "answer")))
    assert tercet("init", folder, "--out", tmp_path / "my.toml").exit_code == 0
    section = tomllib.loads((tmp_path / "my.toml").read_text("utf-8"))["corpus"]
    assert section["documents"].endswith("a.csv")
    assert section["question_columns"] == {"text": "question", "document_ids": link, "reference": "answer"}


def test_the_first_line_names_a_schema_that_is_there(tercet, folder, tmp_path):
    write_rows(folder / "documents.jsonl", [{"id": name, "text": text} for name, text in TEXTS.items()])
    write_rows(folder / "questions.jsonl", questions())
    assert tercet("init", folder).exit_code == 0
    first, *_ = (tmp_path / "my-yards.toml").read_text(encoding="utf-8").splitlines()
    assert first == "#:schema ./tercet.schema.json"
    assert load_experiment(tmp_path / "my-yards.toml").corpus.name == "my-yards", "as reports will call it"
    schema = json.loads((tmp_path / "tercet.schema.json").read_text(encoding="utf-8"))
    assert tercet("schema").stdout == (tmp_path / "tercet.schema.json").read_text(encoding="utf-8")
    assert "corpus" in schema["properties"]


@pytest.mark.parametrize("named", ["yard-{n}", "yard-{n}.txt"])
def test_text_files_become_a_table_of_documents(tercet, folder, tmp_path, named):
    (folder / "pages").mkdir()
    for name, text in TEXTS.items():
        (folder / "pages" / f"{name}.txt").write_text(text, encoding="utf-8")
    (folder / "pages" / "empty.txt").write_text(" \n", encoding="utf-8")
    rows = [row | {"document_ids": named.format(n=n)} for n, row in enumerate(questions())]
    write_rows(folder / "asked.csv", rows)
    result = tercet("init", folder, "--out", "mine.toml")
    assert result.exit_code == 0, result.output
    assert "Wrote my-yards-documents.jsonl" in result.stdout
    assert "# Note: text files that are empty and left out: 1." in (tmp_path / "mine.toml").read_text(encoding="utf-8")
    corpus = load_corpus(is_sound(tmp_path / "mine.toml", tmp_path).corpus.resolved(tmp_path))
    assert corpus.texts[named.format(n=3)] == TEXTS["yard-3"]


def test_another_separator_is_found_and_declared(tercet, folder, tmp_path):
    for name, rows in (("documents", [{"id": k, "text": v} for k, v in TEXTS.items()]), ("questions", questions())):
        (folder / f"{name}.csv").write_text(pl.DataFrame(rows).write_csv(separator=";"), encoding="utf-8")
    assert tercet("init", folder, "--out", "mine.toml").exit_code == 0
    corpus = is_sound(tmp_path / "mine.toml", tmp_path).corpus
    assert (corpus.document_columns.separator, corpus.question_columns.separator) == (";", ";")


def test_a_published_corpus_is_recognised(tercet, folder, tmp_path):
    item = {"QUESTION": "So?", "CONTEXTS": ["A text. " * 30], "LABELS": ["AIM"], "final_decision": "maybe"}
    (folder / "ori_pqal.json").write_text(json.dumps({"1": item, "2": item}), encoding="utf-8")
    assert tercet("init", folder, "--out", "mine.toml").exit_code == 0
    written = tomllib.loads((tmp_path / "mine.toml").read_text(encoding="utf-8"))
    assert written["corpus"] == {"source": "pubmedqa", "path": "my yards"}
    is_sound(tmp_path / "mine.toml", tmp_path)


@pytest.mark.parametrize("answer", ["text", "number", "letter"])
def test_choices_of_each_question_are_found_with_what_says_which_is_right(tercet, folder, tmp_path, answer):
    write_rows(folder / "documents.jsonl", [{"id": name, "text": text} for name, text in TEXTS.items()])
    right = {"text": ("Monday", "Sunday"), "number": (0, 1), "letter": ("A", "B")}[answer]
    rows = [
        {"id": one, "question": question, "document_id": document, "options": ["Monday", "Sunday", f"Day {at}"],
         "answer": right[at % 2]}
        for at, (one, question, document, _) in enumerate(ASKED)
    ]  # fmt: skip
    write_rows(folder / "asked.jsonl", rows)
    result = tercet("init", folder, "--out", tmp_path / "mine.toml")
    assert "Found 6 documents, 6 questions with choices of their own, 6 with a reference label." in result.stdout
    text = (tmp_path / "mine.toml").read_text(encoding="utf-8")
    assert "# Each question is asked with its own answers, of the column 'options'." in text
    assert "labels =" not in text
    corpus = load_corpus(is_sound(tmp_path / "mine.toml", tmp_path).corpus.resolved(tmp_path))
    meant = [row["choices"]["ABC".index(row["reference"])] for row in corpus.questions.iter_rows(named=True)]
    assert meant == ["Monday", "Sunday"] * 3


def test_choices_of_only_some_questions_are_said(tercet, folder, tmp_path):
    write_rows(folder / "documents.jsonl", [{"id": name, "text": text} for name, text in TEXTS.items()])
    rows = questions()
    rows[4]["choices"] = ["yes", "no"]
    write_rows(folder / "asked.jsonl", rows)
    result = tercet("init", folder, "--out", tmp_path / "mine.toml")
    assert "Note: column choices has choices for 1 of 6 questions, and a corpus needs them for every" in result.stdout


def test_a_corpus_without_labels_is_for_retrieval_alone(tercet, folder, tmp_path):
    write_rows(folder / "corpus.jsonl", [{"_id": name, "title": "", "text": text} for name, text in TEXTS.items()])
    write_rows(folder / "queries.jsonl", [{"_id": f"q{n}", "text": f"Which gate {n}?"} for n in range(3)])
    (folder / "qrels").mkdir()
    lines = "".join(f"q{n}\tyard-{n}\t1\n" for n in range(3))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines, encoding="utf-8")
    assert tercet("init", folder, "--out", "mine.toml").exit_code == 0
    assert is_sound(tmp_path / "mine.toml", tmp_path).readers == ()


def test_nothing_is_overwritten_unless_forced(tercet, folder, tmp_path):
    write_rows(folder / "documents.jsonl", [{"id": name, "text": text} for name, text in TEXTS.items()])
    write_rows(folder / "questions.jsonl", questions())
    (tmp_path / "mine.toml").write_text("# my own", encoding="utf-8")
    refused = tercet("init", folder, "--out", "mine.toml")
    assert refused.exit_code == 2
    assert refused.stderr == (
        "tercet: mine.toml is there already: expected a name that is free; give another --out, or --force to replace "
        "the file.\n"
    )
    assert not (tmp_path / "tercet.schema.json").exists()
    (tmp_path / "tercet.schema.json").write_text("{}", encoding="utf-8")  # of somebody else
    assert "tercet.schema.json is there already" in tercet("init", folder, "--out", "other.toml").stderr
    assert not (tmp_path / "other.toml").exists()
    assert tercet("init", folder, "--out", "mine.toml", "--force").exit_code == 0
    assert tercet("init", folder, "--out", "other.toml").exit_code == 0  # the schema is Tercet's own now
    is_sound(tmp_path / "other.toml", tmp_path)


def test_mistakes_in_the_data_are_left_to_the_check(tercet, folder, tmp_path):
    write_rows(folder / "documents.jsonl", [{"id": name, "text": text} for name, text in TEXTS.items()])
    write_rows(folder / "questions.jsonl", [*questions(), {"id": "q9", "text": "So?", "document_ids": "gone"}])
    result = tercet("init", folder, "--out", "mine.toml")
    assert "Not all of it can be used as it is: `tercet check mine.toml` says" in result.stdout
    (mistake,) = check_input(tmp_path / "mine.toml", sessions(tmp_path)).mistakes
    assert "row 7 (id 'q9')" in str(mistake)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no table and no document"),
        ({"documents.csv": "id,text\n1,x\n", "a.txt": "Words."}, "documents.csv with id, text: expected documents in"),
        ({"a.csv": "id,text\n1,x\n"}, "a.csv with id, text: expected"),
        ({"a.csv": "id,text\n1,x\n", "b.csv": "id,text\n7,y\n"}, "add the ids of the documents to the questions"),
        ({"a.csv": 'id,text\n1,"x\n'}, "a.csv, line"),
    ],
)
def test_a_folder_without_a_corpus_is_told_what_it_lacks(tercet, folder, tmp_path, files, said):
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    refused = tercet("init", folder)
    assert refused.exit_code == 2
    assert len(refused.stderr.splitlines()) == 1
    assert said in refused.stderr
    assert list(tmp_path.glob("*.toml")) == []


def test_a_reference_that_cannot_be_labels_is_said_to_be_none(tercet, folder, tmp_path):
    write_rows(folder / "documents.jsonl", [{"id": name, "text": text} for name, text in TEXTS.items()])
    rows = [row | {"reference": f"answer {n}"} for n, row in enumerate(questions() * 2)]
    write_rows(folder / "questions.jsonl", [row | {"id": f"q{n}"} for n, row in enumerate(rows)])
    tercet("init", folder, "--out", "mine.toml")
    text = (tmp_path / "mine.toml").read_text(encoding="utf-8")
    assert "# Note: column reference has 12 different values, and labels are 2 to 8; rename it, because" in text


def test_truth_values_as_references_are_labels_by_their_names(tercet, folder, tmp_path):
    write_rows(folder / "documents.jsonl", [{"id": name, "text": text} for name, text in TEXTS.items()])
    write_rows(folder / "questions.jsonl", [row | {"reference": n > 2} for n, row in enumerate(questions())])
    tercet("init", folder, "--out", "mine.toml")
    assert is_sound(tmp_path / "mine.toml", tmp_path).corpus.labels == ("false", "true")


@pytest.mark.parametrize(
    ("middle", "sizes"),
    [(5, [8]), (12, [8]), (16, [8, 16]), (106, [8, 16, 32, 64]), (302, [16, 32, 64, 128]), (9999, [32, 64, 128, 256])],
)
def test_sizes_cut_the_middle_document(middle, sizes):
    assert suggest_sizes(middle) == sizes


@pytest.mark.parametrize(
    ("longest", "said"),
    [
        (2000, ""),
        (5000, "the longest document has 5,000 tokens, so num_ctx of the reader is 8,192, which takes more memory"),
        (50_000, "the longest document has 50,000 tokens, and num_ctx of the reader is 32,768, which takes more "
         "memory; questions on documents that do not fit are left out and listed"),
    ],
)  # fmt: skip
def test_documents_longer_than_a_reader_reads_are_told(longest, said):
    assert say_context(Lengths(100, longest, True, 9)) == said


@pytest.mark.parametrize(
    ("n_documents", "remedy"),
    [(80, "set `stitch = 16` in [corpus], which joins every 16 documents into one"), (7, "use longer documents")],
)
def test_documents_too_short_for_any_comparison_are_told_with_what_to_do(tercet, folder, tmp_path, n_documents, remedy):
    write_rows(folder / "documents.jsonl", [{"id": n, "text": f"Yard {n} is shut."} for n in range(n_documents)])
    rows = [{"id": f"q{n}", "text": f"Is {n} shut?", "document_ids": n} for n in range(n_documents)]
    write_rows(folder / "questions.jsonl", rows)
    result = tercet("init", folder, "--out", "mine.toml")
    note = "the documents are too short to compare chunk sizes, as half of them have at most about 6 tokens"
    assert result.stdout.splitlines()[3:] == [f"Note: {note}: {remedy}.", "Next: tercet check mine.toml"]
    text = (tmp_path / "mine.toml").read_text(encoding="utf-8")
    assert text.count(f"# Note: {note}: {remedy}.") == 1
    assert tomllib.loads(text)["retrieval"]["sizes"] == [8]


@pytest.mark.parametrize(("letters", "line"), [
    (9_000, ""), (40_000, "num_ctx = 16384  # tokens: the longest document must fit; more takes more memory"),
    (400_000, "num_ctx = 32768  # tokens: what is longer cannot be read whole"),
])  # fmt: skip
def test_a_reader_gets_room_for_the_longest_document(folder, tercet, letters, line):
    for name in TEXTS:
        (folder / f"{name}.txt").write_text("The gate of the yard is closed. " * (letters // 32), encoding="utf-8")
        letters = 500
    assert tercet("init", folder).exit_code == 0
    text = " ".join((folder / "tercet.toml").read_text(encoding="utf-8").split())
    assert " ".join(line.split()) in text
    assert ("num_ctx" in text) is bool(line)


def test_the_reader_is_one_that_is_here_or_the_smallest_that_is_any_good(tmp_path):
    absent, is_here = suggest_reader()
    assert (absent.name, absent.mirror is not None, is_here) == ("qwen2.5-coder-1.5b", True, False)
    for name, expected in (("smollm2-135m", "smollm2-135m"), ("qwen2.5-coder-1.5b", "qwen2.5-coder-1.5b")):
        file = registry()[name].path
        file.parent.mkdir(parents=True)
        file.touch()
        found, is_here = suggest_reader()
        assert (found.name, is_here) == (expected, True)


def test_names_of_folders_and_columns_do_not_break_the_file(tercet, tmp_path):
    folder = tmp_path / 'a "quoted" \N{SNOWMAN} name'
    folder.mkdir()
    write_rows(folder / "documents.jsonl", [{"id": name, 'the "text"': text} for name, text in TEXTS.items()])
    write_rows(folder / "questions.jsonl", questions())
    assert tercet("init", folder, "--out", "mine.toml").exit_code == 0
    assert is_sound(tmp_path / "mine.toml", tmp_path).corpus.document_columns.text == 'the "text"'


def write_pages(folder):
    (folder / "pages").mkdir()
    for name, text in TEXTS.items():
        (folder / "pages" / f"{name}.md").write_text(f"# Yard\n\n{text}", encoding="utf-8")
    (folder / "pages" / "old.txt").write_bytes(b"caf\xe9")
    (folder / "map.png").write_bytes(b"")


def test_documents_in_files_whose_questions_give_their_paths_are_read_as_they_are(tercet, folder, tmp_path):
    write_pages(folder)
    rows = [row | {"document_ids": f"pages/yard-{n}.md"} for n, row in enumerate(questions())]
    write_rows(folder / "asked.csv", rows)
    result = tercet("init", folder, "--out", "mine.toml")
    assert result.exit_code == 0, result.output
    assert "documents cannot be used, and are left out: pages/old.txt is not UTF-8 in line 1" in result.stdout
    assert "1 file of other kinds not read: 1 .png" in result.stdout
    assert result.stdout.splitlines()[-1] == "Next: tercet check mine.toml"
    experiment = load_experiment(tmp_path / "mine.toml")
    assert (experiment.corpus.source, list(tmp_path.glob("*.jsonl"))) == ("folder", [])
    corpus = load_corpus(experiment.corpus.resolved(tmp_path))
    assert corpus.texts["pages/yard-3.md"] == f"# Yard\n\n{TEXTS['yard-3']}"
    assert len(corpus.documents) == len(TEXTS)


@pytest.mark.parametrize(("n_documents", "margin"), [(35, 0.1), (400, None)])
def test_few_documents_have_a_wider_margin(tercet, tmp_path, n_documents, margin):
    folder = tmp_path / "notes"
    folder.mkdir()
    for n in range(n_documents):
        (folder / f"{n}.txt").write_text("It is open to all guests from six to nine. " * 50, encoding="utf-8")
    result = tercet("init", folder)
    assert result.exit_code == 0, result.output
    text = (folder / "tercet.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text).get("scoring", {}).get("margin") == margin
    assert ("35 documents cannot tell whether two sizes are within 0.05 of each other" in text) == (margin is not None)
    assert "\n\n\n" not in text


def test_documents_in_files_without_questions_have_an_experiment_and_a_next_command(tercet, folder, tmp_path):
    write_pages(folder)
    result = tercet("init", folder)
    assert result.exit_code == 0, result.output
    file = folder / "tercet.toml"
    assert f"Found {len(TEXTS)} documents, no questions yet." in result.stdout
    table = folder / "questions.jsonl"
    drafting = f"tercet questions draft {shlex.quote(str(folder))} --reader "
    assert f"tercet run {shlex.quote(str(file))}  # drafts questions first" in result.stdout.splitlines()[-1]
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text[: text.index("# The first run drafts")].replace(
            'question_columns = { tags = ["kind", "drafted_by", "confirmed_by"] }', ""
        )
    )
    for command in ("check", "label", "sweep", "run"):
        refused = tercet(command, file)
        assert refused.exit_code == 2
        assert f"{table} is not there, and without questions" in refused.stderr
        assert drafting in refused.stderr
    rows = [row | {"document_ids": f"pages/yard-{n}.md"} for n, row in enumerate(questions())]
    write_rows(table, rows)
    checked = tercet("corpora", "check", file)
    assert checked.exit_code == 0
    assert checked.stdout.startswith(
        f"my-yards: {len(TEXTS)} documents, 6 questions, no other problems; left out: 1 of"
    )
    assert tercet("corpora", "check", folder).exit_code == 0


def test_a_link_that_leads_nowhere_is_left_out_by_name(tercet, folder, tmp_path):
    write_pages(folder)
    (folder / "gone.md").symlink_to("nowhere.md")
    done = tercet("init", folder, "--out", tmp_path / "new.toml")
    assert done.exit_code == 0, done.output
    assert "gone.md is not a file, or a link that leads nowhere" in done.output


def test_drafts_that_are_there_already_keep_what_says_who_drafted_them(tercet, folder, tmp_path):
    write_pages(folder)
    page = next(one.relative_to(folder) for one in sorted(folder.rglob("*.md")))
    rows = [{"id": f"draft-{n}", "text": f"Is step {n} of the page done at noon?", "document_ids": [str(page)],
             "reference": answer, "kind": "fact", "origin": "drafted", "drafted_by": "one"}
            for n, answer in enumerate(["yes", "no"] * 2)]  # fmt: skip
    write_rows(folder / "questions.jsonl", rows)
    file = tmp_path / "new.toml"
    assert tercet("init", folder, "--out", file).exit_code == 0
    corpus = load_experiment(file).corpus
    assert (corpus.question_columns.tags, corpus.labels) == (DRAFT_TAGS, ("yes", "no"))
    assert tercet("corpora", "check", file).exit_code == 0
