"""What an embedder cannot do is said before any work: read so many tokens, tokenize at all, or read the language."""

import json
import re
import shutil

import pytest

THAI = "ทางใต้ประตูบริการใช้นับเหนือบัญชีเช่าประตู เจ็ดโมงเหนือร้านบัญชีเมืองรถบรรทุกอยู่คลังบัญชี "
WEIGHTS = "model.safetensors"


@pytest.fixture
def copied(embedder_folder, tmp_path):
    """Copies the embedder's folder, with a link in place of the weights."""

    def copy(name, without=()):
        folder = tmp_path / name
        shutil.copytree(embedder_folder, folder, ignore=shutil.ignore_patterns(WEIGHTS, "*.onnx", *without))
        (folder / WEIGHTS).symlink_to(embedder_folder / WEIGHTS)
        return folder

    return copy


def experiment(folder, text="The depot opens at seven. ", question="When does it open?", **retrieval):
    documents = [{"id": f"d{n}", "text": text * 20} for n in range(2)]
    questions = [{"id": f"q{n}", "text": question, "document_ids": f"d{n}"} for n in range(2)]
    for stem, rows in (("documents", documents), ("questions", questions)):
        (folder / f"{stem}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = {"sizes": [32], "k": [1], "budgets": []} | retrieval
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    text = '\n'.join(['name = "t"', "readers = []", '[corpus]', 'source = "tables"', 'path = "."', 'split = "all"',
                      "[retrieval]", *lines])  # fmt: skip
    (folder / "e.toml").write_text(text, encoding="utf-8")
    return folder / "e.toml"


def refused(done):
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("tercet: ")]
    return line


@pytest.mark.model
def test_a_window_beyond_the_models_positions_does_not_count(tercet, tmp_path, copied):
    folder = copied("minilm-1024")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 1024}', encoding="utf-8")
    file = experiment(tmp_path, sizes=[128, 800], embedders=[str(folder)])
    assert "chunk size 800: expected at most 512 tokens" in refused(tercet("sweep", file, "--quiet"))


@pytest.mark.model
def test_a_folder_without_a_fast_tokenizer_is_told_how_to_make_one(tercet, tmp_path, copied):
    folder = copied("vocab-only", without=["tokenizer.json"])
    line = refused(tercet("sweep", experiment(tmp_path, embedders=[str(folder)]), "--quiet"))
    assert "has no tokenizer.json: expected a fast tokenizer" in line
    assert "AutoTokenizer" in line


@pytest.mark.model
@pytest.mark.parametrize("command", ["sweep", "plan"])
def test_a_language_that_the_embedder_does_not_know_is_refused(tercet, tmp_path, embedder_folder, command):
    file = experiment(tmp_path, THAI, "ประตูบริการใช้นับหรือไม่", embedders=[str(embedder_folder)], retrievers=["bm25"])
    done = tercet(command, file, *(["--quiet"] if command == "sweep" else []))
    line = refused(done)
    assert re.search(r"does not know 9\d\.\d% of the text of the documents \(Thai 100%\)", line)
    assert "choose a multilingual embedder, such as multilingual-e5-small" in line
    assert not (tmp_path / "runs").is_dir() or not list((tmp_path / "runs").glob("t-*"))
