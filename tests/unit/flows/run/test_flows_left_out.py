"""What a run says of rows that it left out, and of text that its embedder does not know."""

import json

import polars as pl
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from corpora.errors import InputError
from flows.planning.checking.input_check import check_input
from flows.planning.plan import plan
from flows.run import pipeline
from flows.run.pipeline import execute, render_again
from flows.session.experiment import parse_experiment
from flows.session.session import Session
from flows.stages.runner import Runner
from retrieval.embedding.embedder import Embedder
from tests.doubles.scripted import open_word_embedder, scripted_session

BODY = "The {name} ferry leaves at {hour} o'clock from the northern pier and returns before noon on every working day."
THAI = "ทุกวันทำการ"
NAMES = ("red", "blue", "green", "white", "black", "brown")


def write_beir(folder, absent=1, text=BODY):
    """Six documents and queries, and judgements that name an absent document for the last queries."""
    rows = [{"_id": f"d{n}", "title": name, "text": text.format(name=name, hour=n)} for n, name in enumerate(NAMES)]
    asked = [{"_id": f"q{n}", "text": f"When does the {name} ferry leave?"} for n, name in enumerate(NAMES)]
    judged = [f"q{n}\t{'gone' if n >= len(NAMES) - absent else f'd{n}'}\t1" for n in range(len(NAMES))]
    (folder / "qrels").mkdir(parents=True)
    for name, lines in (("corpus", rows), ("queries", asked)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]), encoding="utf-8")
    return folder


def experiment_on(folder, **rest):
    return parse_experiment(
        {
            "name": "ferries",
            "corpus": {"source": "beir", "path": str(folder), "split": "all"},
            "retrieval": {"sizes": [8, 16], "k": [1], "budgets": []},
            "scoring": {"n_resamples": 100},
            "readers": [],
            **rest,
        },
        "the test",
    )


@pytest.fixture
def scripted(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "draw_plots", lambda _: [])
    return scripted_session(tmp_path / "runs", lambda *_: (0.4, 0.3, 0.3))


@pytest.fixture
def session(scripted):
    with scripted.session as opened:
        yield opened


def test_what_was_left_out_is_in_the_manifest_the_tables_and_both_reports(session, tmp_path):
    outcome = execute(experiment_on(write_beir(tmp_path / "ferries")), "sweep", session, Runner())
    manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["corpus"]["left_out"] == {
        "judgement": {"left_out": 1, "read": 6},
        "question": {"left_out": 1, "read": 6},
    }
    line = "ferries: 1 of 6 judgements and 1 of 6 questions cannot be used, and are left out."
    assert line in manifest["warnings"]
    table = pl.read_parquet(outcome.folder / "left_out.parquet")
    assert table.select("row", "kind", "id").rows() == [("6", "judgement", "q5 gone"), ("id 'q5'", "question", "q5")]
    assert set(table["file"]) == {str(tmp_path / "ferries/qrels/test.tsv"), str(tmp_path / "ferries/queries.jsonl")}
    for name in ("report.md", "report.html", "left_out.md"):
        text = (outcome.folder / name).read_text(encoding="utf-8")
        assert "hat was left out of the corpus" in text, name
        assert "q5 gone" in text, name
    assert line in outcome.report
    assert render_again(outcome.folder).report == outcome.report


def test_nothing_is_said_where_nothing_was_left_out(session, tmp_path):
    outcome = execute(experiment_on(write_beir(tmp_path / "ferries", absent=0)), "sweep", session, Runner())
    assert "left out" not in outcome.report
    assert not list(outcome.folder.glob("left_out*"))


def test_a_corpus_that_lost_more_than_half_is_not_run(session, tmp_path):
    experiment = experiment_on(write_beir(tmp_path / "ferries", absent=4))
    with pytest.raises(InputError, match="4 of 6 judgements cannot be used"):
        execute(experiment, "sweep", session, Runner())
    assert not list((tmp_path / "runs").glob("ferries-*"))


def test_the_plan_says_what_is_left_out_and_nothing_of_an_embedder_that_knows_the_text(session, tmp_path):
    planned = plan(experiment_on(write_beir(tmp_path / "ferries")), "sweep", session)
    assert planned.readers == []
    assert planned.notes == [
        "ferries: 1 of 6 judgements and 1 of 6 questions cannot be used, and are left out.",
    ]


# An embedder for another language


@pytest.fixture
def narrow(scripted, session, tiny_words):
    """The same session, with an embedder that knows the words of the texts above and no others."""

    def open_narrow(config, workspace) -> Embedder:
        embedder = open_word_embedder(config, workspace)
        (embedder.folder / "tokenizer.json").write_text(tiny_words, encoding="utf-8")
        return type(embedder)(embedder.config, embedder.folder, embedder.sha256, workspace.embeddings)

    return Session(session.workspace, scripted.readers, open_narrow)


@pytest.fixture
def tiny_words():

    words = f"{BODY} When does the ferry leave? {' '.join(NAMES)} 0 1 2 3 4 5 ' ? ."
    pieces = [piece for piece, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(words)]
    tokenizer = Tokenizer(
        models.WordLevel({word: at for at, word in enumerate(["[UNK]", *dict.fromkeys(pieces)])}, "[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer.to_str()


def test_an_embedder_that_does_not_know_the_language_is_refused_before_anything_is_asked(narrow, scripted, tmp_path):
    text = "เรือ {name} ออกจากท่าเรือทางเหนือเวลา {hour} นาฬิกาและกลับก่อนเที่ยงทุกวันทำการ"
    experiment = experiment_on(write_beir(tmp_path / "thai", text=text), readers=[{"model": "clever"}])
    for run in (lambda: execute(experiment, "run", narrow, Runner()), lambda: plan(experiment, "run", narrow)):
        with pytest.raises(InputError, match=r"does not know \d\d\.\d% .*Thai 100%.*multilingual-e5-small"):
            run()
    assert scripted.readers.asked == []


@pytest.mark.parametrize(("text", "is_refused"), [(THAI, True), (f"{BODY} {THAI}", False)])
def test_check_says_what_the_embedder_cannot_read(narrow, tmp_path, text, is_refused):
    folder = write_beir(tmp_path / "thai", text=text)
    file = tmp_path / "mine.toml"
    file.write_text(
        f"""readers = []\n[corpus]\nsource = "beir"\npath = "{folder}"\n[retrieval]\nsizes = [8]\nbudgets = [8]\n"""
    )
    checked = check_input(file, lambda *_: narrow)
    said = [str(one) for one in checked.mistakes] if is_refused else checked.notes
    (line,) = [one for one in said if "does not know" in one]
    assert "choose a multilingual embedder" in line if is_refused else "Consider a multilingual embedder" in line
    assert bool(checked.mistakes) == is_refused


def test_text_that_is_partly_unknown_is_warned_about_and_its_share_is_in_the_report(narrow, tmp_path):
    experiment = experiment_on(write_beir(tmp_path / "mixed", text=f"{BODY} {THAI}"))
    outcome = execute(experiment, "sweep", narrow, Runner())
    manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
    measured = manifest["unknown_tokens"]["all-minilm-l6-v2"]
    assert (measured["documents"]["n_unknown"], measured["questions"]["n_unknown"]) == (6, 0)
    assert measured["documents"]["scripts"] == {"Thai": 6 * len(THAI)}
    assert 0.05 < measured["documents"]["share"] < 0.2
    (warning,) = [one for one in manifest["warnings"] if "does not know" in one]
    assert warning.startswith("all-minilm-l6-v2: it does not know 1")
    for name in ("report.md", "report.html"):
        assert "What the embedders cannot read" in (outcome.folder / name).read_text(encoding="utf-8")
