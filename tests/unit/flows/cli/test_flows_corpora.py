"""Published corpora from the command line, and in a run: fetched, named, read, and asked about only once."""

import json

import pytest

from corpora.published import fetch, registry
from corpora.published.registry import Download, PublishedCorpus
from corpora.storage import sha256_bytes
from flows.label import label, load
from flows.session.experiment import parse_experiment
from flows.session.session import Session
from flows.session.workspace import workspace_of
from flows.stages.runner import Runner
from tests.doubles.publisher import Publisher
from tests.doubles.scripted import scripted_session

ITEMS = {
    str(n): {"QUESTION": f"Does {n} work?", "CONTEXTS": [f"We tried {n}."], "LABELS": ["AIM"], "final_decision": "yes"}
    for n in range(6)
}
CONTENT = json.dumps(ITEMS).encode()


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No corpus of this machine is found."""
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TERCET_DATA", raising=False)


@pytest.fixture
def own(tmp_path):
    """A folder of one's own corpora, which holds a small PubMedQA."""
    folder = tmp_path / "own" / "pubmedqa"
    folder.mkdir(parents=True)
    (folder / "ori_pqal.json").write_bytes(CONTENT)
    return folder.parent


def test_the_list_says_licence_size_and_what_is_here(tercet, own):
    listed = tercet("corpora", "list", "--data", own)
    assert listed.exit_code == 0, listed.output
    lines = {line.split()[0]: line for line in listed.stdout.splitlines() if not line.startswith(" ")}
    assert list(lines) == ["pubmedqa", "pubmedqa-artificial", "boolq", "evidence-inference", "scifact"]
    assert "MIT" in lines["pubmedqa"]
    assert " own " in lines["pubmedqa"]
    assert " - " in lines["boolq"]
    assert "CC BY-SA 3.0" in lines["boolq"]
    assert "2.2 MB" in lines["boolq"]
    assert lines["pubmedqa-artificial"].endswith("MIT; the first fetch records its digest")
    assert lines["scifact"].endswith("abstracts ODC-By 1.0")
    assert max(map(len, listed.stdout.splitlines())) <= 100


def test_the_licence_is_told_before_anything_is_asked_for(tercet, monkeypatch):
    with Publisher() as publisher:
        publisher.files["ori_pqal.json"] = CONTENT
        one = Download(path="ori_pqal.json", keep="ori_pqal.json", sha256=sha256_bytes(CONTENT), bytes=len(CONTENT))
        small = PublishedCorpus(
            name="pubmedqa", source="pubmedqa", folder="pubmedqa", what="Six abstracts", licence="MIT",
            at=(publisher.address,), downloads=(one,),
        )  # fmt: skip
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(registry, "published", lambda: {"pubmedqa": small})
        asked_when_told = []
        monkeypatch.setattr(
            fetch,
            "opened_client",
            lambda real=fetch.opened_client: (asked_when_told.append(publisher.asked[:]), real())[1],
        )
        fetched = tercet("corpora", "fetch", "pubmedqa", "--quiet")
        assert (fetched.exit_code, fetched.stdout) == (0, "")
        assert fetched.stderr.splitlines() == [
            "pubmedqa: Six abstracts",
            f"pubmedqa: licence MIT; 0.0 MB from {publisher.address.split('/')[2]}",
        ]
        assert publisher.asked == [("ori_pqal.json", None)]
    checked = tercet("corpora", "check", "pubmedqa")
    assert checked.stdout == "pubmedqa: 6 documents, 6 questions, no problems.\n"


def test_a_corpus_that_is_not_known_is_one_line(tercet):
    refused = tercet("corpora", "fetch", "bolq")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert "did you mean 'boolq'?" in refused.stderr


@pytest.mark.parametrize(
    "command", [("run",), ("label",), ("sweep",), ("compare",), ("plan",), ("batches", "submit"), ("corpora", "check")],
    ids=" ".join,
)  # fmt: skip
def test_every_command_says_what_fetches_a_corpus_that_is_not_here(tercet, tmp_path, command):
    file = tmp_path / "e.toml"
    readers = '[[readers]]\nmodel = "smollm2-135m"\n[[readers]]\nmodel = "gemma-3-270m"\n'
    if command[0] == "batches":
        readers = '[[readers]]\nmodel = "m"\n[readers.remote]\nprovider = "groq"\n'
    file.write_text(f'[corpus]\npublished = "pubmedqa"\n{readers}', encoding="utf-8")
    refused = tercet(*command, file, *(() if command == ("corpora", "check") else ("--store", tmp_path / "runs")))
    assert refused.exit_code == 2, refused.output
    assert len(refused.stderr.splitlines()) == 1
    assert "corpus 'pubmedqa' is not on this machine" in refused.stderr
    assert "`tercet corpora fetch pubmedqa`" in refused.stderr


def test_a_folder_of_ones_own_is_read_by_the_option_and_by_the_environment(tercet, own, tmp_path, monkeypatch):
    file = tmp_path / "e.toml"
    file.write_text('readers = []\n[corpus]\npublished = "pubmedqa"\n', encoding="utf-8")
    by_option = tercet("corpora", "check", file, "--data", own)
    assert by_option.stdout == "pubmedqa: 6 documents, 6 questions, no problems.\n"
    monkeypatch.setenv("TERCET_DATA", str(own))
    assert tercet("corpora", "check", file).stdout == by_option.stdout


def test_votes_on_a_corpus_by_path_are_found_when_it_is_named(tmp_path, own):
    def votes(corpus):
        sections = {"corpus": corpus, "readers": [{"model": "one"}], "calibration": {"per_label": 0}}
        experiment = parse_experiment(sections, "the test")
        scripted = scripted_session(tmp_path / "runs", lambda *_: (0.6, 0.3, 0.1))
        workspace = workspace_of(experiment, tmp_path / "runs", tmp_path, own)
        with Session(workspace, scripted.readers) as session:
            runner = Runner()
            labeled = label(experiment, load(experiment, session, runner), session, runner)
        return labeled, len(scripted.readers.asked)

    by_path, n_asked = votes({"source": "pubmedqa", "path": "own/pubmedqa", "sample": 4})
    by_name, n_asked_again = votes({"published": "pubmedqa", "sample": 4})
    assert (n_asked, n_asked_again) == (12, 0)
    assert by_name.votes["one"].equals(by_path.votes["one"])
    assert (by_name.corpus.name, by_name.corpus.inputs) == (by_path.corpus.name, by_path.corpus.inputs)
