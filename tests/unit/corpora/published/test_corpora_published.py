"""Corpora by name: what the registry says is true of real files, and where the files of a name are looked for."""

import json
import shutil
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import corpora
from corpora.errors import InputError
from corpora.loading.config import CorpusConfig, check_published
from corpora.loading.load import load_corpus
from corpora.published.making import make_files
from corpora.published.registry import REGISTRY, data_folder, find_published, locate, published, verify
from corpora.storage import sha256_file
from flows.session.experiment import EXPERIMENTS, load_experiment
from tests.conftest import needs_data, own_data

EACH = pytest.mark.parametrize("corpus", published().values(), ids=lambda corpus: corpus.name)
ITEM = {"QUESTION": "Does it work?", "CONTEXTS": ["We tried it."], "LABELS": ["METHODS"], "final_decision": "yes"}


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "corpora"


def write_pubmedqa(parent, **items):
    """A small PubMedQA in a folder of one's own corpora."""
    folder = parent / "pubmedqa"
    folder.mkdir(parents=True)
    content = items or {str(n): ITEM | {"QUESTION": f"Does {n} work?"} for n in range(9)}
    (folder / "ori_pqal.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_the_registry_travels_with_the_package():
    root = Path(corpora.__file__).parents[1]
    packaged = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = packaged["tool"]["setuptools"]["package-data"]["corpora"]
    data = [REGISTRY, *(one for one in REGISTRY.parent.iterdir() if one.suffix == ".txt")]
    assert {one.listing for one in published().values() if one.listing} < {one.name for one in data}
    for file in data:
        assert any(file.relative_to(root / "corpora").match(pattern) for pattern in patterns)


@EACH
def test_every_corpus_says_what_it_is_and_is_read_by_a_source(corpus):
    assert corpus.what
    assert corpus.licence
    assert CorpusConfig(published=corpus.name).source == corpus.source
    assert corpus.n_bytes > 1_000_000


@EACH
def test_every_address_is_fixed_to_a_commit_or_to_a_digest(corpus):
    for one in corpus.all_downloads:
        for each in filter(None, (one, one.otherwise)):
            for at in each.at or corpus.at:
                parts = urlsplit(at)
                assert parts.scheme == "https"
                assert at.endswith("/")
                is_commit = any(len(name.rpartition("@")[2]) == 40 for name in parts.path.split("/"))
                assert is_commit or each.sha256


@EACH
def test_every_digest_is_one(corpus):
    digests = [pin.sha256 for pins in corpus.pins.values() for pin in pins] + [one.sha256 for one in corpus.downloads]
    assert all(set(digest) <= set("0123456789abcdef") and len(digest) in (0, 64) for digest in digests)
    assert corpus.is_pinned == (corpus.name != "pubmedqa-artificial")


@pytest.mark.parametrize("name", ["pubmedqa", "boolq", "evidence-inference"])
def test_the_pins_are_those_of_the_real_files(name):
    corpus = find_published(name)
    folder = own_data(corpus.folder)
    if not folder.is_dir():
        pytest.skip(f"no corpus at {folder}: set TERCET_DATA")
    verify(corpus, folder)


BOOLQ = own_data("boolq")


@needs_data(BOOLQ)
def test_boolq_is_made_as_it_is_in_the_real_folder(tmp_path):
    texts = {one["id"]: one for one in map(json.loads, (BOOLQ / "documents.jsonl").open(encoding="utf-8"))}
    asked = [json.loads(line) for line in (BOOLQ / "questions.jsonl").open(encoding="utf-8")]
    rows = [
        {
            "question": one["text"],
            "title": texts[one["document_ids"][0]]["title"],
            "answer": one["reference"] == "yes",
            "passage": texts[one["document_ids"][0]]["text"],
        }
        for one in reversed(asked)
    ]
    (tmp_path / "dev.jsonl").write_text("\n".join(map(json.dumps, [*rows, rows[0] | {"question": "new"}])))
    make_files(find_published("boolq"), tmp_path, tmp_path / "made")
    for file in ("documents.jsonl", "questions.jsonl"):
        assert sha256_file(tmp_path / "made" / file) == sha256_file(BOOLQ / file)


EVIDENCE = own_data("evidence_inference")


@needs_data(EVIDENCE)
def test_evidence_inference_is_made_as_it_is_in_the_real_folder(tmp_path):
    corpus = find_published("evidence-inference")
    more = {"prompts_merged.csv": b"1,2,a,b,c\r\n", "v2_annotations.csv": b"0,1,2,True,True,x,y,0,UNK,1,2\r\n"}
    before = {"ev2_train_article_ids.txt": b"2\n", "ev2_validation_article_ids.txt": b"2\n"}
    for one in corpus.all_downloads:
        name, file = Path(one.path).name, tmp_path / one.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(before.get(name, b"") + (EVIDENCE / (one.keep or name)).read_bytes() + more.get(name, b""))
    make_files(corpus, tmp_path, tmp_path / "made")
    verify(corpus, tmp_path / "made")


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(
        InputError, match=r"'evidence_inference' \(did you mean 'evidence-inference'\?\): expected one of"
    ):
        find_published("evidence_inference")


def test_what_is_not_here_is_one_line_that_says_what_fetches_it(cache, tmp_path):
    with pytest.raises(
        InputError, match=r"'boolq' is not on this machine \(.*\): .*`tercet corpora fetch boolq`"
    ) as told:
        locate("boolq", None)
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match=f"{tmp_path}/boolq or {cache}/boolq"):
        locate("boolq", tmp_path)


def test_a_folder_of_ones_own_comes_before_what_was_fetched(cache, tmp_path):
    write_pubmedqa(cache)
    own = write_pubmedqa(tmp_path / "own")
    assert locate("pubmedqa", tmp_path / "own") == own
    with pytest.raises(InputError, match=r"test_ground_truth\.json is missing: .*`tercet corpora fetch pubmedqa`"):
        locate("pubmedqa", tmp_path)  # it holds none, so the fetched one is meant, and that is not complete


def test_a_folder_of_ones_own_that_does_not_exist_is_refused(cache, tmp_path):
    with pytest.raises(InputError, match=r"no folder .*/nowhere \(from --data or \$TERCET_DATA\)"):
        locate("pubmedqa", tmp_path / "nowhere")


def test_the_environment_names_a_folder_of_ones_own(monkeypatch, tmp_path):
    monkeypatch.setenv("TERCET_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("TERCET_DATA")
    assert data_folder() is None


def test_the_first_look_at_a_fetched_corpus_checks_sizes_and_reads_nothing(cache):
    pins = {path: pins[-1] for path, pins in find_published("boolq").pins.items()}
    (cache / "boolq").mkdir(parents=True)
    for path, pin in pins.items():
        (cache / "boolq" / path).write_bytes(bytes(pin.bytes))
    assert locate("boolq", None, digests=False) == cache / "boolq"
    with pytest.raises(InputError, match="has sha256"):
        locate("boolq", None)
    (cache / "boolq" / path).write_bytes(bytes(pin.bytes - 1))
    with pytest.raises(InputError, match=f"has {pin.bytes - 1} bytes: expected {pin.bytes} bytes for boolq"):
        locate("boolq", None, digests=False)


PUBMEDQA = own_data("pubmedqa")


@needs_data(PUBMEDQA)
def test_a_fetched_file_that_has_changed_is_refused(cache):
    shutil.copytree(PUBMEDQA, cache / "pubmedqa")
    assert locate("pubmedqa", None) == cache / "pubmedqa"
    file = cache / "pubmedqa" / "ori_pqal.json"
    file.chmod(0o644)
    content = file.read_bytes()
    file.write_bytes(content[:-2] + b" }")
    with pytest.raises(
        InputError, match=r"ori_pqal\.json has sha256 .* for pubmedqa; .*`tercet corpora fetch pubmedqa`"
    ):
        locate("pubmedqa", None)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (CorpusConfig(published="boolq", source="squad"), "the source 'tables' for that corpus"),
        (CorpusConfig(published="boolq", path="b"), "`path` and `published` are both set"),
        (CorpusConfig(published="boolq", questions="q.csv"), "`questions` and `published` are both set"),
        (CorpusConfig(published="bolq", source="tables"), "did you mean 'boolq'"),
    ],
)
def test_a_name_beside_something_else_is_refused(config, told):
    with pytest.raises(InputError, match=told):
        check_published(config)


def test_the_same_corpus_comes_by_name_and_by_path(tmp_path):
    folder = write_pubmedqa(tmp_path)
    by_path = CorpusConfig(source="pubmedqa", path=folder, sample=4, stitch=2)
    by_name = CorpusConfig(published="pubmedqa", sample=4, stitch=2).located(tmp_path)
    one, other = load_corpus(by_path, tmp_path / "pins"), load_corpus(by_name, tmp_path / "pins")
    assert (one.name, one.inputs, one.labels) == (other.name, other.inputs, other.labels)
    assert one.documents.equals(other.documents)
    assert one.questions.equals(other.questions)


def test_the_sample_of_a_published_corpus_is_the_same_wherever_its_files_are(tmp_path):
    config = CorpusConfig(published="pubmedqa", sample=4)
    write_pubmedqa(tmp_path / "one")
    first = load_corpus(config.located(tmp_path / "one"), tmp_path / "pins")
    write_pubmedqa(tmp_path / "two", **{str(n): ITEM | {"QUESTION": f"Does {n} work?"} for n in range(30)})
    again = load_corpus(config.located(tmp_path / "two"), tmp_path / "pins")
    assert set(again.questions["question_id"]) == set(first.questions["question_id"])
    assert len(list((tmp_path / "pins").iterdir())) == 1


def test_what_is_kept_of_a_section_without_a_name_is_what_it_was():
    assert "published" not in CorpusConfig(source="squad", path="q.json").model_dump(mode="json")


def test_two_parts_of_one_corpus_have_names_of_their_own(tmp_path):
    write_pubmedqa(tmp_path).rename(tmp_path / "pubmedqa_artificial")
    config = CorpusConfig(published="pubmedqa-artificial").located(tmp_path)
    assert load_corpus(config).name == "pubmedqa-artificial"


@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.toml")), ids=lambda file: file.stem)
def test_bundled_experiments_name_no_path(file):
    experiment = load_experiment(file)
    for one in (experiment.corpus, *experiment.other_corpora):
        assert (one.path, one.documents, one.questions, one.distractors) == (None, None, None, None)
