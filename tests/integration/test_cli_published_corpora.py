"""Published corpora with a few rows that cannot be used, from the command line: read, and the rows listed."""

import json

import polars as pl
import pytest


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def beir(folder, corpus, queries, qrels):
    for name, rows in (("corpus", corpus), ("queries", queries)):
        write(folder / f"{name}.jsonl", "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    write(folder / "qrels" / "test.tsv", "\n".join(["query-id\tcorpus-id\tscore", *qrels]) + "\n")
    return folder


def an_absent_document(folder):
    documents = [{"_id": f"doc{n}", "title": f"Point {n}", "text": "Trams reduce traffic."} for n in range(4)]
    queries = [{"_id": f"q{n}", "text": f"Argument {n}"} for n in range(4)]
    return beir(folder / "b", documents, queries, ["q0\tdoc0\t1", "q1\tdoc1-con03b\t1", "q2\tdoc2\t1", "q3\tdoc3\t1"])


def empty_documents(folder):
    documents = [{"_id": str(n), "title": "", "text": "" if n in (2, 4) else f"Save {n}."} for n in range(6)]
    return beir(folder / "b", documents, [{"_id": str(n), "text": "Where?"} for n in (0, 1)], ["0\t0\t1", "1\t1\t1"])


def null_beside_a_title(folder):
    rows = ['{"_id":"a","title":"Deep nets","text":NaN}', '{"_id":"b","title":"Title only","text":null}',
            '{"_id":"c","title":null,"text":"Some text."}']  # fmt: skip
    return beir(folder / "b", rows, [{"_id": "q", "text": "deep nets"}], ["q\ta\t2", "q\tb\t0"])


def squad(folder, context, *asked):
    file = folder / "dev.json"
    write(file, json.dumps({"data": [{"paragraphs": [{"context": context, "qas": list(asked)}]}]}))
    return file


def an_answer_without_position(folder):
    asked = {"id": "Q0", "question": "由谁开发", "answers": [
        {"text": "光荣公司", "answer_start": 9}, {"text": "光荣和ω-force", "answer_start": -1}]}  # fmt: skip
    return squad(folder, "《战国无双3》是由光荣公司开发的游戏。", asked)


def an_impossible_question(folder):
    answers = ([{"text": "", "answer_start": -1}], [{"text": "seven", "answer_start": 19}])
    asked = [
        {"id": 77 + n, "question": "When?", "is_impossible": n == 0, "answers": one} for n, one in enumerate(answers)
    ]
    return squad(folder, "The depot opens at seven.", *asked)


def squad_parquet(folder):
    rows = {"id": ["a"], "title": ["Depot"], "context": ["It opens at seven."], "question": ["When?"],
            "answers": [{"text": ["seven"], "answer_start": [12]}]}  # fmt: skip
    pl.DataFrame(rows).write_parquet(folder / "train-00000-of-00001.parquet")
    return folder / "train-00000-of-00001.parquet"


PUBMED = [
    {"pubid": n, "question": "Does tea help?", "long_answer": "Yes.", "final_decision": "yes",
     "context": {"contexts": ["We studied tea.", "Sleep rose."], "labels": ["AIMS", "RESULTS"], "meshes": ["Tea"],
                 "reasoning_required_pred": ["y"], "reasoning_free_pred": ["y", "e", "s"]}}
    for n in (21645374, 16418930)
]  # fmt: skip


def pubmedqa_parquet(folder):
    pl.DataFrame(PUBMED).write_parquet(folder / "train-00000-of-00001.parquet")
    return folder / "train-00000-of-00001.parquet"


def pubmedqa_lines(folder):
    write(folder / "train.json", "\n".join(map(json.dumps, PUBMED)))
    return folder / "train.json"


@pytest.mark.parametrize(
    ("make", "said", "n_listed"),
    [
        (an_absent_document, "4 documents, 3 questions, no other problems; left out: 1 of 4 judgements and 1 of 4 "
         "questions.", 2),
        (empty_documents, "4 documents, 2 questions, no other problems; left out: 2 of 6 documents.", 2),
        (null_beside_a_title, "3 documents, 1 question, no other problems; left out: 2 of 3 texts.", 2),
        (an_answer_without_position, "1 document, 1 question, no other problems; left out: 1 of 2 answers.", 1),
        (an_impossible_question, "1 document, 2 questions, no problems.", 0),
        (squad_parquet, "1 document, 1 question, no problems.", 0),
        (pubmedqa_parquet, "2 documents, 2 questions, no other problems; left out: 2 of 4 annotators.", 2),
        (pubmedqa_lines, "2 documents, 2 questions, no other problems; left out: 2 of 4 annotators.", 2),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)  # fmt: skip
def test_check_reads_it_and_lists_what_is_left_out(make, said, n_listed, tercet, tmp_path):
    done = tercet("corpora", "check", make(tmp_path))
    assert done.exit_code == 0, done.output
    assert said in done.stdout
    assert sum(line.startswith("left out: ") for line in done.stderr.splitlines()) == n_listed


def test_check_lists_at_most_as_many_as_asked_for(tercet, tmp_path):
    done = tercet("corpora", "check", empty_documents(tmp_path), "--limit", "1")
    assert "row 3: document '2': text: an empty text without a title" in done.stderr
    assert "left out: 1 more; raise --limit to see more of them." in done.stderr


def test_refuse_stops_at_the_first_of_them(tercet, tmp_path):
    folder = an_absent_document(tmp_path)
    file = tmp_path / "e.toml"
    file.write_text(f'[corpus]\nsource = "beir"\npath = "{folder}"\non_defect = "refuse"\n', encoding="utf-8")
    done = tercet("corpora", "check", file)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "test.tsv, row 2, field 'corpus-id': unknown document 'doc1-con03b'" in done.stderr
