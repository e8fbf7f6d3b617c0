"""Whatever is wrong with the input: one clear line, exit code 2, no traceback, nothing half-written."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from labeling.models.registry import find_model, registry
from tests.conftest import needs_model

DOCUMENT = {"id": "d1", "text": "The gate is closed on Mondays."}
QUESTION = {"id": "q1", "text": "Is the gate closed on Mondays?", "document_ids": "d1", "reference": "yes"}


def write_tables(folder, documents, questions):
    for name, rows in (("documents", documents), ("questions", questions)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def assert_one_line(result, *expected):
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("tercet: ")
    assert "Traceback" not in result.output
    for part in expected:
        assert part in lines[0], lines[0]


BAD_TABLES = {
    "wrong column": ([{"id": "d1", "body": "x"}], [QUESTION], ["'text'", "'body'", "row 1"]),
    "missing document": ([DOCUMENT], [QUESTION | {"document_ids": "d9"}], ["'d9'", "'q1'", "not in the corpus"]),
    "duplicate document ids": ([DOCUMENT, DOCUMENT], [QUESTION], ["duplicate id 'd1'", "row 2"]),
    "duplicate question ids": ([DOCUMENT], [QUESTION, QUESTION], ["duplicate id 'q1'"]),
    "empty text": ([DOCUMENT, {"id": "d2", "text": "  "}], [QUESTION], ["row 2", "'text'", "empty"]),
    "label outside the set": ([DOCUMENT], [QUESTION | {"reference": "perhaps"}], ["'perhaps'", "yes, no, maybe"]),
    "span outside its document": (
        [DOCUMENT],
        [QUESTION | {"evidence": [{"document_id": "d1", "start": 3, "end": 99}]}],
        ["3:99", "'d1'", str(len(DOCUMENT["text"]))],
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
@pytest.mark.parametrize("command", ["check", "label"])
def test_a_bad_corpus_gets_one_line(name, command, tercet, tmp_path):
    documents, questions, expected = BAD_TABLES[name]
    write_tables(tmp_path, documents, questions)
    if command == "check":
        result = tercet("corpora", "check", tmp_path)
    else:
        needs_model("smollm2-135m")
        text = '[corpus]\nsource = "tables"\npath = "."\nsplit = "all"\n[[readers]]\nmodel = "smollm2-135m"\n'
        (tmp_path / "e.toml").write_text(text)
        result = tercet("label", tmp_path / "e.toml", "--quiet")
    assert_one_line(result, *expected)
    assert not list(tmp_path.glob("runs/*/manifest.json"))


def test_check_lists_every_problem(tercet, tmp_path):
    write_tables(tmp_path, [DOCUMENT], [QUESTION | {"document_ids": "d9"}, QUESTION | {"id": "q2", "reference": "x"}])
    result = tercet("corpora", "check", tmp_path)
    assert result.exit_code == 2
    assert [line.split("field ")[1].split(":")[0] for line in result.stderr.splitlines()] == [
        "'document_ids'",
        "'reference'",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "nowhere.toml"], ["nowhere.toml"]),
        (["run", "no-such-name"], ["no-such-name", "demo"]),
        (["corpora", "check", "nowhere"], ["nowhere"]),
        (["report", "nowhere"], ["nowhere", "does not exist"]),
        (["models", "fetch", "qwen2.5-coder-0.5"], ["qwen2.5-coder-0.5b"]),
    ],
)
def test_a_missing_file_or_name_gets_one_line(arguments, expected, tercet):
    assert_one_line(tercet(*arguments), *expected)


BAD_EXPERIMENTS = {
    "not TOML": ("name = ", ["is not valid TOML"]),
    "unknown key": ("[retrieval]\nchunk_sizes = [32]\n", ["'retrieval.chunk_sizes'", "unknown key"]),
    "unknown section": ("[retreival]\nsizes = [32]\n", ["'retreival'"]),
    "wrong kind": ('[retrieval]\nsizes = ["big"]\n', ["retrieval.sizes", "'big'"]),
    "overlap not below size": ("[retrieval]\nsizes = [32]\noverlaps = [32]\n", ["overlap 32", "size 32"]),
    "negative overlap": ("[retrieval]\noverlaps = [-1]\n", ["-1"]),
    "budget below size": ("[retrieval]\nsizes = [256]\nbudgets = [128]\n", ["128", "256"]),
    "no cut": ("[retrieval]\nk = []\nbudgets = []\n", ["k", "budgets"]),
    "three copies of one vote": ("[[readers]]\ntemperature = 0\n", ["resample", "temperature 0"]),
    "two readers of one name": ("[[readers]]\n[[readers]]\n", ["qwen2.5-coder-0.5b"]),
    "unknown prompt": ('[[readers]]\nprompts = ["nice"]\n', ["'nice'", "one_word"]),
}


@pytest.mark.parametrize("name", BAD_EXPERIMENTS)
def test_a_bad_experiment_gets_one_line_before_any_work(name, tercet, tmp_path):
    text, expected = BAD_EXPERIMENTS[name]
    (tmp_path / "e.toml").write_text(text, encoding="utf-8")
    assert_one_line(tercet("run", "e.toml"), *expected)
    assert not (tmp_path / "runs").exists()


def test_a_question_beyond_the_embedder_is_refused_before_any_vote(tercet, tmp_path):
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    write_tables(tmp_path, [DOCUMENT], [QUESTION | {"text": "Is the gate closed " + "on Mondays " * 300 + "?"}])
    text = '[corpus]\nsource = "tables"\npath = "."\nsplit = "all"\n[[readers]]\nmodel = "smollm2-135m"\n'
    (tmp_path / "e.toml").write_text(text)
    result = tercet("sweep", tmp_path / "e.toml", "--quiet")
    assert_one_line(result, "a text of 6", "Is the gate closed", "at most 256", "shorten the text")
    assert not list((tmp_path / "runs").glob("ledger/*/*"))


def test_a_size_beyond_the_embedder_is_refused_before_any_vote(tercet, tmp_path):
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    text = "[retrieval]\nsizes = [512]\nbudgets = [512]\n[[readers]]\nmodel = 'smollm2-135m'\n"
    (tmp_path / "e.toml").write_text(text, encoding="utf-8")
    assert_one_line(tercet("run", "e.toml", "--quiet"), "512", "256")
    assert not list(tmp_path.glob("runs/ledger/*/*.parquet"))


@pytest.fixture
def planted_model(tmp_path, monkeypatch):
    """A registry entry whose file a test may spoil: a copy of the smallest model in a cache of its own."""
    needs_model("smollm2-135m")
    original = find_model("smollm2-135m")
    source = original.path
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "cache"))
    target = original.path
    target.parent.mkdir(parents=True)
    shutil.copy(source, target)
    assert registry()["smollm2-135m"] is original
    return target


def label_with(model, tercet, tmp_path):
    text = f'[corpus]\nsource = "sample"\nsample = 1\n[[readers]]\nmodel = "{model}"\n'
    (tmp_path / "e.toml").write_text(text, encoding="utf-8")
    return tercet("label", "e.toml", "--quiet")


def test_a_model_with_the_wrong_digest_is_refused(planted_model, tercet, tmp_path):
    with planted_model.open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"spoilt")
    assert_one_line(label_with("smollm2-135m", tercet, tmp_path), "sha256", "tercet models fetch smollm2-135m")


def test_a_registry_model_cut_short_is_refused(planted_model, tercet, tmp_path):
    with planted_model.open("r+b") as file:
        file.truncate(60_000_000)
    assert_one_line(label_with("smollm2-135m", tercet, tmp_path), "60000000 bytes", "98362432")


def test_a_gguf_by_path_cut_short_is_refused(planted_model, tercet, tmp_path):
    with planted_model.open("r+b") as file:
        file.truncate(60_000_000)
    assert_one_line(label_with(planted_model, tercet, tmp_path), "cannot load", "60000000 bytes")


def test_a_file_that_is_no_gguf_is_refused(tercet, tmp_path):
    (tmp_path / "poem.gguf").write_text("roses are red")
    assert_one_line(label_with(tmp_path / "poem.gguf", tercet, tmp_path), "poem.gguf", "GGUF")


@pytest.fixture
def full_disk(tmp_path):
    """A mounted file system with almost no room; only root can make one."""
    folder = tmp_path / "full"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root; the unit tests fake a full disk")
    (folder / "filler").write_bytes(b"x" * 60_000)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_gets_one_line_and_leaves_nothing_half_written(full_disk, small_experiment, tmp_path):
    command = [sys.executable, "-m", "flows.cli", "label", str(small_experiment), "--store", str(full_disk), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "disk is full" in lines[0] or "No space left" in lines[0]
    assert not list(full_disk.rglob("*.partial"))
    assert not list(full_disk.rglob("manifest.json"))
    (full_disk / "filler").unlink()
    assert [path for path in full_disk.rglob("*.parquet") if path.stat().st_size == 0] == []


@pytest.mark.parametrize("amount", ["nan", "inf", "-1", "much"])
def test_a_limit_that_is_no_finite_amount_is_refused(tercet, tmp_path, amount):
    (tmp_path / "mine.toml").write_text("readers = []\n", encoding="utf-8")
    refused = tercet("sweep", "mine.toml", "--max-cost", amount)
    assert refused.exit_code == 2
    assert "--max-cost" in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_a_chunk_size_of_nothing_is_said_to_be_one(tercet, tmp_path):
    (tmp_path / "mine.toml").write_text("readers = []\n[retrieval]\nsizes = [0, 16]\n", encoding="utf-8")
    refused = tercet("sweep", "mine.toml")
    assert refused.exit_code == 2
    assert "chunk sizes [0, 16]: expected sizes above 0; correct the sizes." in refused.stderr
