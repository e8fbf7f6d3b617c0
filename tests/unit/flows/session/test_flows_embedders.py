"""An embedder is found by registry name, folder or hub id; its weights have one digest."""

import os

import pytest

from corpora.errors import InputError
from corpora.storage import sha256_file, sha256_text
from flows.session.embedders import find_embedder, verify_weights, weights_digest, with_prompts
from retrieval.embedding.embedder_config import EmbedderConfig


def test_a_folder_is_found_with_the_digest_of_its_weights(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    found = find_embedder(EmbedderConfig(model=str(tmp_path), backend="torch"))
    assert found == (tmp_path, sha256_file(tmp_path / "model.safetensors"))


def test_weights_in_several_files_have_the_digest_of_their_digests(tmp_path):
    files = [tmp_path / f"model-0000{at}-of-00002.safetensors" for at in (1, 2)]
    for file in files:
        file.write_bytes(file.name.encode())
    assert weights_digest(tmp_path) == sha256_text(" ".join(map(sha256_file, files)))


def test_a_folder_without_weights_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"model\.safetensors"):
        weights_digest(tmp_path)


@pytest.mark.parametrize(
    ("name", "told"), [("qwen2.5-coder-0.5b", "is a reader"), ("all-minilm-l6", "all-minilm-l6-v2")]
)
def test_what_is_no_embedder_is_one_line(name, told):
    with pytest.raises(InputError, match=told):
        find_embedder(EmbedderConfig(model=name))


def test_prompts_of_the_registry_count_where_the_user_gives_none():
    known = EmbedderConfig(model="multilingual-e5-small")
    assert with_prompts(known) == known.model_copy(update={"query_prompt": "query: ", "passage_prompt": "passage: "})
    assert with_prompts(known).model == known.label == "multilingual-e5-small"
    mine = EmbedderConfig(model="multilingual-e5-small", query_prompt="")
    assert (with_prompts(mine).query_prompt, with_prompts(mine).passage_prompt) == ("", "passage: ")
    plain = EmbedderConfig()
    assert with_prompts(plain) is plain


@pytest.mark.parametrize("n_files", [1, 2])
def test_a_bit_that_flips_in_the_weights_is_noticed_before_they_are_used(tmp_path, monkeypatch, n_files):
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "cache"))
    files = [tmp_path / f"model-{at}.safetensors" for at in range(n_files)]
    for file in files:
        file.write_bytes(b"weights of " + file.name.encode())
    digest = weights_digest(tmp_path)
    verify_weights(tmp_path, digest)
    before = files[-1].stat()
    files[-1].write_bytes(b"Weights of " + files[-1].name.encode())
    os.utime(files[-1], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert weights_digest(tmp_path) == digest, "the digest is remembered: nothing else has changed"
    with pytest.raises(InputError, match=rf"model-{n_files - 1}\.safetensors is damaged"):
        verify_weights(tmp_path, digest)
