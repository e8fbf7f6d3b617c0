import hashlib
import os

import numpy as np
import polars as pl
import pytest

import retrieval.embedding
from corpora.errors import InputError
from retrieval.embedding import Embedder

TEXTS = ["the cat sat", "a dog ran home", "one", "the cat sat", "two three four five six seven", "one"]
N_DISTINCT = 4


class FakeModel:
    """Gives each text a vector of its own and remembers what it was asked."""

    def __init__(self):
        self.batches = []

    def encode(self, batch, **_):
        self.batches.append(list(batch))
        return np.stack([vector_of(text) for text in batch])

    @property
    def asked(self):
        return [text for batch in self.batches for text in batch]


def vector_of(text):
    drawn = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], dtype=np.uint8).astype(np.float64) + 1
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


@pytest.fixture
def fake(monkeypatch):
    model = FakeModel()
    monkeypatch.setattr(retrieval.embedding, "_load", lambda _folder: model)
    return model


@pytest.fixture
def no_model(monkeypatch):
    """From here on, loading a model is a failure."""

    def refuse():
        def load(_folder):
            pytest.fail("a model was loaded though every text was cached")

        monkeypatch.setattr(retrieval.embedding, "_load", load)

    return refuse


def test_distinct_texts_are_embedded_once_and_come_back_in_the_given_order(fake, tiny_folder, tmp_path):
    embedder = Embedder(tiny_folder, "a" * 64, tmp_path)
    vectors = embedder.embed(TEXTS)
    np.testing.assert_array_equal(vectors, [vector_of(text) for text in TEXTS])
    assert vectors.dtype == np.float32
    assert sorted(fake.asked) == sorted(set(TEXTS))
    assert embedder.n_embedded == N_DISTINCT


def test_a_second_call_asks_only_for_what_is_new(fake, tiny_folder, tmp_path):
    embedder = Embedder(tiny_folder, "a" * 64, tmp_path)
    embedder.embed(["one", "two"])
    vectors = embedder.embed(["three", "two", "one"])
    assert sorted(fake.asked) == ["one", "three", "two"]
    assert embedder.n_embedded == 3
    np.testing.assert_array_equal(vectors, [vector_of(text) for text in ("three", "two", "one")])


def test_another_process_reads_the_cache_without_loading_the_model(fake, no_model, tiny_folder, tmp_path):
    first = Embedder(tiny_folder, "a" * 64, tmp_path).embed(TEXTS)
    no_model()
    later = Embedder(tiny_folder, "a" * 64, tmp_path)
    np.testing.assert_array_equal(later.embed(TEXTS), first)
    assert later.n_embedded == 0


def test_another_model_does_not_read_this_ones_vectors(fake, tiny_folder, tmp_path):
    Embedder(tiny_folder, "a" * 64, tmp_path).embed(["one"])
    other = Embedder(tiny_folder, "b" * 64, tmp_path)
    other.embed(["one"])
    assert other.n_embedded == 1


def test_texts_of_like_length_are_batched_together_longest_first(fake, tiny_folder, tmp_path):
    texts = ["cat " * n for n in (1, 9, 5, 3, 7, 2)]
    Embedder(tiny_folder, "a" * 64, tmp_path, batch_size=2).embed(texts)
    assert [[len(text) for text in batch] for batch in fake.batches] == [[36, 28], [20, 12], [8, 4]]


def test_batches_do_not_depend_on_the_order_in_which_texts_were_given(fake, tiny_folder, tmp_path):
    texts = [f"cat {number}" for number in range(10)]
    Embedder(tiny_folder, "a" * 64, tmp_path / "one", batch_size=3).embed(texts)
    Embedder(tiny_folder, "a" * 64, tmp_path / "two", batch_size=3).embed(texts[::-1])
    assert fake.batches[:4] == fake.batches[4:]


def test_what_was_embedded_before_a_crash_is_not_embedded_again(fake, monkeypatch, tiny_folder, tmp_path):
    monkeypatch.setattr(retrieval.embedding, "_SHARD", 2)
    encode = fake.encode

    def crash_at_the_third(batch, **options):
        if len(fake.batches) == 2:
            raise KeyboardInterrupt
        return encode(batch, **options)

    monkeypatch.setattr(fake, "encode", crash_at_the_third)
    texts = ["one", "two", "three", "four", "five", "six"]
    with pytest.raises(KeyboardInterrupt):
        Embedder(tiny_folder, "a" * 64, tmp_path).embed(texts)
    monkeypatch.setattr(fake, "encode", encode)
    again = Embedder(tiny_folder, "a" * 64, tmp_path)
    np.testing.assert_array_equal(again.embed(texts), [vector_of(text) for text in texts])
    assert again.n_embedded == 2
    assert sorted(fake.asked) == sorted(texts)


def test_progress_adds_up_to_the_distinct_texts_whether_cached_or_not(fake, tiny_folder, tmp_path):
    embedder = Embedder(tiny_folder, "a" * 64, tmp_path, batch_size=2)
    embedder.embed(["one"])
    steps = []
    embedder.embed(TEXTS, steps.append)
    assert sum(steps) == N_DISTINCT


def test_a_text_beyond_the_window_is_refused_with_the_numbers_before_anything_is_embedded(fake, tiny_folder, tmp_path):
    embedder = Embedder(tiny_folder, "a" * 64, tmp_path)
    assert embedder.limit == 40
    embedder.embed(["cat " * 38])  # 40 with [CLS] and [SEP]
    with pytest.raises(InputError, match=r"41 tokens.*at most 40") as refusal:
        embedder.embed(["one", "cat\n" * 39])
    assert "\n" not in str(refusal.value)
    assert embedder.n_embedded == 1


def test_the_window_is_the_one_that_sentence_transformers_applies(tiny_folder, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("tokenizer.json", "config.json"):
        (folder / name).write_bytes((tiny_folder / name).read_bytes())
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24}', encoding="utf-8")
    assert Embedder(folder, "a" * 64, tmp_path).limit == 24


def test_a_cache_folder_that_cannot_be_made_is_an_input_error(fake, tiny_folder, tmp_path):
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(InputError, match="cannot write embeddings"):
        Embedder(tiny_folder, "a" * 64, in_the_way).embed(["one"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache_is_an_input_error(fake, tiny_folder, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot write embeddings"):
            Embedder(tiny_folder, "a" * 64, tmp_path).embed(["one"])
    finally:
        tmp_path.chmod(0o700)


# Polars reports a full disk as a ComputeError, most else as an OSError without errno (seen with polars 2.1).
@pytest.mark.parametrize(
    "error",
    [
        OSError("No space left on device (os error 28)"),
        pl.exceptions.ComputeError("underlying IO error: No space left on device (os error 28)"),
    ],
    ids=["OSError", "ComputeError"],
)
def test_a_full_disk_is_an_input_error_that_leaves_no_partial_file(fake, monkeypatch, tiny_folder, tmp_path, error):
    def write_half(_frame, target, **_):
        target.write_bytes(b"half")
        raise error

    monkeypatch.setattr(pl.DataFrame, "write_parquet", write_half)
    with pytest.raises(InputError, match="No space left"):
        Embedder(tiny_folder, "a" * 64, tmp_path).embed(["one"])
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_filling_embeds_what_is_missing_and_a_second_time_nothing(fake, no_model, tiny_folder, tmp_path):
    embedder = Embedder(tiny_folder, "a" * 64, tmp_path)
    embedder.embed(["one", "two"])
    embedder.fill(TEXTS)
    assert sorted(fake.asked) == sorted({*TEXTS, "two"})
    assert embedder.n_embedded == N_DISTINCT + 1
    no_model()
    embedder.fill([*TEXTS, "two"])
    embedder.fill([])
    assert embedder.n_embedded == N_DISTINCT + 1
    np.testing.assert_array_equal(embedder.embed(TEXTS), [vector_of(text) for text in TEXTS])


def test_filling_reads_no_shard_twice(fake, monkeypatch, tiny_folder, tmp_path):
    embedder = Embedder(tiny_folder, "a" * 64, tmp_path)
    for text in ("one", "two", "three"):
        embedder.fill([text])
    read, read_parquet = [], pl.read_parquet

    def remember(file, **options):
        read.append((file, options))
        return read_parquet(file, **options)

    monkeypatch.setattr(pl, "read_parquet", remember)
    embedder.fill(["one", "two", "three"])
    embedder.fill(["three", "two"])
    assert len(read) == 1  # the shard of "three", written since the last look
    assert read[0][1] == {"columns": ["text_sha256"]}  # and no vector of it
    assert len(fake.asked) == 3


def test_another_process_fills_only_what_this_one_left(fake, no_model, tiny_folder, tmp_path):
    one, other = (Embedder(tiny_folder, "a" * 64, tmp_path) for _ in range(2))
    other.fill([])
    one.fill(["one", "two"])
    no_model()
    other.fill(["one", "two"])
    assert other.n_embedded == 0


def test_filling_refuses_a_text_beyond_the_window(fake, tiny_folder, tmp_path):
    embedder = Embedder(tiny_folder, "a" * 64, tmp_path)
    with pytest.raises(InputError, match=r"41 tokens.*at most 40"):
        embedder.fill(["one", "cat " * 39])
    assert embedder.n_embedded == 0


def copy_of(folder, target):
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_the_same_model_in_another_folder_has_the_same_digest(tiny_folder, tmp_path):
    one = Embedder(tiny_folder, "a" * 64, tmp_path)
    assert Embedder(copy_of(tiny_folder, tmp_path / "copy"), "a" * 64, tmp_path).digest == one.digest
    assert Embedder(tiny_folder, "b" * 64, tmp_path).digest != one.digest
    assert len(one.digest) == 64


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"])
def test_the_same_weights_beside_another_file_are_another_model(fake, tiny_folder, tmp_path, name):
    folder = copy_of(tiny_folder, tmp_path / "copy")
    before = Embedder(folder, "a" * 64, tmp_path / "cache")
    before.embed(["one"])
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text((file.read_text(encoding="utf-8") if file.exists() else "{}") + "\n", encoding="utf-8")
    after = Embedder(folder, "a" * 64, tmp_path / "cache")
    assert after.digest != before.digest
    after.embed(["one"])
    assert after.n_embedded == 1  # none of the other's vectors


SENTENCES = [
    "Aspirin lowers the risk of stroke in patients with atrial fibrillation.",
    "Is laparoscopic surgery safe?",
    "naïve café, 強い雨, 3.14 %",
    "a " * 200,
    "Short.",
    "Is laparoscopic surgery safe?",
]


@pytest.mark.model
def test_real_vectors_are_those_of_plain_sentence_transformers(embedder_folder, no_model, tmp_path):
    from sentence_transformers import SentenceTransformer

    embedder = Embedder(embedder_folder, "c" * 64, tmp_path, batch_size=4)
    vectors = embedder.embed(SENTENCES)
    assert embedder.n_embedded == len(SENTENCES) - 1
    assert vectors.shape == (len(SENTENCES), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors[1], vectors[5])

    plain = SentenceTransformer(str(embedder_folder), local_files_only=True)
    for sentence, vector in zip(SENTENCES, vectors, strict=True):
        alone = plain.encode(sentence)
        assert vector @ alone / np.linalg.norm(alone) >= 0.9999

    no_model()
    later = Embedder(embedder_folder, "c" * 64, tmp_path)
    np.testing.assert_array_equal(later.embed(SENTENCES), vectors)
    assert later.n_embedded == 0


@pytest.mark.model
def test_the_real_embedder_refuses_what_it_would_cut_short(embedder_folder, no_model, tmp_path):
    no_model()
    embedder = Embedder(embedder_folder, "c" * 64, tmp_path)
    assert embedder.limit == 256
    with pytest.raises(InputError, match=r"257 tokens.*at most 256"):
        embedder.embed(["a " * 255])
