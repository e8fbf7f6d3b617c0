"""`check_input` tells everything that is wrong with an experiment at once, and nothing that only follows from it."""

import json
from pathlib import Path

import pytest

from corpora.errors import InputError
from flows.planning.checking.input_check import check_input
from flows.session.session import Session
from flows.session.workspace import workspace_of
from tests.doubles.scripted import ScriptedReaders, open_word_embedder

DOCUMENTS = [{"id": f"d{n}", "text": f"Gate {n} is closed on Mondays."} for n in range(4)]
QUESTIONS = [
    {"id": f"q{n}", "text": f"Is gate {n} closed?", "document_ids": f"d{n}", "reference": "yes"} for n in range(4)
]
SOUND = """
[corpus]
source = "tables"
path = "."
[retrieval]
sizes = [8, 16]
budgets = [16]
[[readers]]
model = "one"
"""


class SomeReaders(ScriptedReaders):
    """Of the models, all but `absent` are on this machine."""

    def sha256(self, model):
        if model == "absent":
            raise InputError("model 'absent' is not on this machine", "the model's file", "fetch it")
        return super().sha256(model)


@pytest.fixture
def check(tmp_path, monkeypatch):
    monkeypatch.delenv("GROQ_API_KEY", raising=False)

    def run(text=SOUND, documents=DOCUMENTS, questions=QUESTIONS):
        for name, rows in (("documents", documents), ("questions", questions)):
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
        readers = SomeReaders(lambda *_: (1.0, 0.0, 0.0))

        def open_session(experiment, base):
            return Session(workspace_of(experiment, tmp_path / "runs", base), readers, open_word_embedder)

        checked = check_input(tmp_path / "mine.toml", open_session)
        assert readers.asked == []
        return checked

    return run


def test_a_sound_experiment_is_described_in_one_line(check):
    checked = check()
    assert checked.mistakes == []
    assert checked.line.endswith(
        "mine.toml: nothing is wrong. 4 documents, 4 questions, labels yes, no and maybe; 1 reader: one; "
        "chunk sizes 8, 16."
    )


def test_it_is_told_how_questions_are_split_only_where_a_hash_chooses_those_that_are_asked(check):
    assert not any("split" in one for one in check().notes)
    chosen = SOUND.replace("[corpus]", '[corpus]\nsplit = "tune"')
    said = "the source gives no split for 4 questions, so"
    assert [said in one for one in check(chosen).notes].count(True) == 1
    notes = check(chosen, questions=[row | {"split": "tune"} for row in QUESTIONS]).notes
    assert not any("split" in one for one in notes)


def test_documents_that_do_not_fit_into_what_a_reader_reads_are_told(check):
    text = SOUND + "num_ctx = 256\n"
    long = [{"id": f"d{n}", "text": "Gate is closed. " * 100} if n < 2 else DOCUMENTS[n] for n in range(4)]
    (note,) = [one for one in check(text, long).notes if "num_ctx" in one]
    assert "one reads 3" in note
    assert "num_ctx is 256; about 2 of 4 questions will fail as prompt_too_long. Raise num_ctx" in note
    assert not any("num_ctx" in one for one in check(SOUND, long).notes + check(text).notes)


def test_documents_of_another_corpus_that_do_not_fit_are_told_too(check, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    long = {"id": "d0", "text": "Gate is closed. " * 100}
    (other / "documents.jsonl").write_text(json.dumps(long) + "\n", encoding="utf-8")
    (other / "questions.jsonl").write_text(json.dumps(QUESTIONS[0]) + "\n", encoding="utf-8")
    corpus = f'[[other_corpora]]\nname = "far"\nsource = "tables"\npath = "{other}"\n'
    (note,) = [one for one in check(f"{SOUND}num_ctx = 256\n{corpus}").notes if "num_ctx" in one]
    assert note.startswith("far: one reads 3")
    assert "about 1 of 1 question will fail" in note


def test_a_reader_that_writes_more_than_it_has_room_for_is_told(check):
    text = SOUND + 'num_ctx = 256\nmode = "generate"\nnum_predict = 250\n'
    (note,) = [one for one in check(text).notes if "num_ctx" in one]
    assert "and writes up to 250, and num_ctx is 256; about 4 of 4 questions will fail as prompt_too_long" in note
    assert not any("num_ctx" in one for one in check(text.replace("250", "100")).notes)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ("[4, 16, 32]", "so chunk sizes 16 and 32 leave them whole, and the size cannot matter there: use smaller "
         "sizes, or use longer documents."),
        ("[16]", "so chunk size 16 leaves them whole"),
        ("[4, 16]", ""),
    ],
)  # fmt: skip
def test_sizes_that_leave_the_documents_whole_are_told(check, sizes, said):
    text = SOUND.replace("[8, 16]", sizes).replace("[16]\n[[", "[32]\n[[")
    notes = [one for one in check(text).notes if "whole" in one]
    assert len(notes) == bool(said)
    assert all("half of the documents have at most 7 tokens, " + said in one for one in notes)


def test_a_rule_that_goes_by_the_store_is_not_refused_without_one(check):
    checked = check(SOUND + '[consensus]\nrule = "reviewed"\n')
    assert checked.mistakes == []
    assert checked.notes[0].endswith(": whether people have reviewed it is looked up in the store when it is run.")


def test_everything_is_told_at_once(check):
    text = SOUND.replace("[8, 16]", "[8, 300]").replace("[16]", "[300]") + (
        'sede = 3\n[[readers]]\nmodel = "absent"\n[[readers]]\nmodel = "far"\nremote = { provider = "groq" }\n'
        '[scoring]\nmargin = 3\n[consensus]\nrule = "confident"\ncoverage = 0.5\n'
    )
    questions = [*QUESTIONS, {"id": "q9", "text": "So?", "document_ids": "d9", "reference": "Yes"}]
    checked = check(text, questions=questions)
    expected = [
        "unknown key 'readers.0.sede' (did you mean 'seed'?)",
        "scoring.margin is 3: expected a number below 1",
        "reader 'far' at groq",
        "questions.jsonl, row 5 (id 'q9'), field 'document_ids': document 'd9' is not in the corpus",
        "questions.jsonl, row 5 (id 'q9'), field 'reference': label 'Yes' (did you mean 'yes'?)",
        "model 'absent' is not on this machine",
        "no key for groq",
        "chunk size 300: expected at most 256 tokens",
    ]
    assert len(checked.mistakes) == len(expected)
    for mistake, part in zip(checked.mistakes, expected, strict=True):
        assert all(one in str(mistake) for one in part.split(" at ")), mistake


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("source = ", "soruce = "), ["unknown key 'corpus.soruce' (did you mean 'source'?)"]),
        (('model = "one"', 'model = "all-minilm-l6-v2"'), ["is an embedder: expected a reader"]),
        (("sizes = [8, 16]", "sizes = [300, 400]"), ["token budget 16", "chunk size 300", "chunk size 400"]),
        (("sizes = [8, 16]", 'sizes = ["big"]'), ["retrieval.sizes.0 is 'big': expected a whole number"]),
        (("[corpus]", "prices = 'none.toml'\n[corpus]"), ["none.toml"]),
        (('path = "."', 'path = "."\nsplit = "tune"'), []),
    ],
)
def test_nothing_is_told_that_only_follows(check, change, said):
    checked = check(SOUND.replace(*change))
    assert len(checked.mistakes) == len(said), checked.mistakes
    for mistake, part in zip(checked.mistakes, said, strict=True):
        assert part in str(mistake)


def test_a_rule_that_needs_references_is_refused_without_them(check):
    questions = [{name: value for name, value in row.items() if name != "reference"} for row in QUESTIONS]
    (mistake,) = check(SOUND + '[consensus]\nrule = "unanimous_and_correct"\n', questions=questions).mistakes
    assert "without reference labels" in str(mistake)


def test_one_mistake_in_many_rows_is_told_once_with_their_number(check):
    questions = [row | {"reference": True} for row in QUESTIONS] + [QUESTIONS[0] | {"id": f"p{n}", "reference": True}
                                                                   for n in range(4)]  # fmt: skip
    (mistake,) = check(questions=questions).mistakes
    assert "rows 1, 2, 3, 4, 5 and 3 more, field 'reference': the truth value true" in str(mistake)


def test_many_different_problems_are_counted(check):
    questions = [QUESTIONS[0] | {"id": f"q{n}", "document_ids": f"x{n}"} for n in range(14)]
    checked = check(questions=questions)
    assert len(checked.mistakes) == 10
    assert checked.notes[0].endswith(": 4 more problems; `tercet corpora check` lists all.")


def test_an_embedder_of_the_hub_is_not_fetched(check):
    text = SOUND.replace("sizes = ", 'embedders = ["nobody/knows-this"]\nsizes = ')
    checked = check(text)
    assert checked.mistakes == []
    assert checked.notes == ["nobody/knows-this is fetched from the hub at its first use; sizes were not checked."]


def test_a_file_that_does_not_parse_is_one_mistake(tmp_path):
    (tmp_path / "mine.toml").write_text("name = ", encoding="utf-8")
    for path, said in ((tmp_path / "mine.toml", "is not valid TOML"), (Path("dmo"), "did you mean 'demo'")):
        (mistake,) = check_input(path, lambda *_: pytest.fail("nothing can be looked at")).mistakes
        assert said in str(mistake)
