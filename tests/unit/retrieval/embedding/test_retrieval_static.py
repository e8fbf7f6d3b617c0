"""Static embedders: the mean of a table's rows, in the two formats in which such tables come."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from corpora.errors import InputError
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.embedder_config import EmbedderConfig

TABLE = np.array([[9, 9], [7, 7], [8, 8], [3, 0], [0, 4], [1, 1]], dtype=np.float32)
TEXTS = ["one two", "one one two", "three", "?"]


def folder_with(folder, *types, **tensors):
    tokenizer = Tokenizer(
        models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "one": 3, "two": 4, "three": 5}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    modules = [{"path": ".", "type": f"sentence_transformers.models.{one}"} for one in types]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors")
    return folder


def embedder_in(folder, cache, **config):
    return Embedder(EmbedderConfig(model=str(folder), **config), folder, "a" * 64, cache)


@pytest.mark.parametrize("form", ["sentence-transformers", "model2vec", "model2vec with shared rows and weights"])
def test_a_text_is_the_mean_of_its_tokens(tmp_path, form):
    weights = np.array([1, 1, 1, 2, 1, 1], dtype=np.float64)
    tensors = {
        "sentence-transformers": {"embedding.weight": TABLE},
        "model2vec": {"embeddings": TABLE},
        "model2vec with shared rows and weights": {
            "embeddings": TABLE[::-1].copy() / weights[::-1, None].astype(np.float32),
            "mapping": np.arange(6)[::-1].copy(), "weights": weights,
        },
    }[form]  # fmt: skip
    folder = folder_with(tmp_path / "model", "StaticEmbedding", "Normalize", **tensors)
    vectors = embedder_in(folder, tmp_path / "cache").embed(TEXTS, "passage")
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        vectors, [[0.6, 0.8], [6 / np.sqrt(52), 4 / np.sqrt(52)], [half, half], [half, half]], atol=1e-6
    )


def test_it_reads_texts_of_any_length(tmp_path):
    folder = folder_with(tmp_path / "model", "StaticEmbedding", embeddings=TABLE)
    embedder = embedder_in(folder, tmp_path / "cache")
    assert embedder.limit is None
    assert embedder.embed(["one " * 5000], "passage").tolist() == [[1.0, 0.0]]


def test_a_precision_is_refused(tmp_path):
    folder = folder_with(tmp_path / "model", "StaticEmbedding", embeddings=TABLE)
    with pytest.raises(InputError, match="no arithmetic to speed up"):
        embedder_in(folder, tmp_path / "cache", precision="bfloat16")
    assert embedder_in(folder, tmp_path / "cache", precision="auto").is_static


@pytest.mark.parametrize(
    ("tensors", "said"),
    [({"embeddings": TABLE[:4]}, "4 rows for 6 tokens"), ({"other": TABLE}, "it holds other")],
    ids=["too short", "another model"],
)
def test_a_file_without_the_table_is_refused(tmp_path, tensors, said):
    folder = folder_with(tmp_path / "model", "StaticEmbedding", **tensors)
    with pytest.raises(InputError, match=said):
        embedder_in(folder, tmp_path / "cache").embed(["one"], "passage")
