"""An embedder is found by registry name, folder or hub id; its weights have one digest."""

import pytest

from corpora.errors import InputError
from corpora.storage import sha256_file, sha256_text
from flows.session.embedders import find_embedder, weights_digest
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
