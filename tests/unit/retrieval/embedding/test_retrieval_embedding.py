import errno
import hashlib
import os
from contextlib import contextmanager

import numpy as np
import polars as pl
import pytest

import retrieval.embedding.embedder
from corpora.errors import InputError
from corpora.reading import damage
from retrieval.embedding.embedder import Embedder, Place
from retrieval.embedding.embedder_config import EmbedderConfig
from tests.doubles.chunk_frames import peak_bytes

TEXTS = ["the cat sat", "a dog ran home", "one", "the cat sat", "two three four five six seven", "one"]
N_DISTINCT = 4
PLAIN = EmbedderConfig(backend="torch")


class FakeEncoder:
    """Gives each text a vector of its own and remembers what it was asked, prompt and all."""

    def __init__(self):
        self.batches = []

    def encode(self, batch, prompt):
        self.batches.append([prompt + text for text in batch])
        return np.stack([vector_of(prompt + text) for text in batch])

    @property
    def asked(self):
        return [text for batch in self.batches for text in batch]


def vector_of(text):
    drawn = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], dtype=np.uint8).astype(np.float64) + 1
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


@pytest.fixture
def fake(monkeypatch):
    encoder = FakeEncoder()
    monkeypatch.setattr(retrieval.embedding.embedder, "_load", lambda *_: encoder)
    return encoder


@pytest.fixture
def no_model(monkeypatch):
    """From here on, loading a model is a failure."""

    def refuse():
        def load(*_):
            pytest.fail("a model was loaded though every text was cached")

        monkeypatch.setattr(retrieval.embedding.embedder, "_load", load)

    return refuse


def test_distinct_texts_are_embedded_once_and_come_back_in_the_given_order(fake, tiny_folder, tmp_path):
    embedder = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    vectors = embedder.embed(TEXTS, "passage")
    np.testing.assert_array_equal(vectors, [vector_of(text) for text in TEXTS])
    assert vectors.dtype == np.float32
    assert sorted(fake.asked) == sorted(set(TEXTS))
    assert embedder.n_embedded == N_DISTINCT


def test_a_second_call_asks_only_for_what_is_new(fake, tiny_folder, tmp_path):
    embedder = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    embedder.embed(["one", "two"], "passage")
    vectors = embedder.embed(["three", "two", "one"], "passage")
    assert sorted(fake.asked) == ["one", "three", "two"]
    assert embedder.n_embedded == 3
    np.testing.assert_array_equal(vectors, [vector_of(text) for text in ("three", "two", "one")])


def test_another_process_reads_the_cache_without_loading_the_model(fake, no_model, tiny_folder, tmp_path):
    first = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path).embed(TEXTS, "passage")
    no_model()
    later = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    np.testing.assert_array_equal(later.embed(TEXTS, "passage"), first)
    assert later.n_embedded == 0


def test_a_column_whose_vectors_are_known_is_not_made_a_list_of_texts(fake, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(retrieval.embedding.embedder, "_LISTED", 10)
    embedder = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    texts = [f"{n}x" * 5_000 for n in range(100, 200)]  # two million bytes
    known = embedder.embed(texts, "passage")
    column = pl.Series(texts)
    del texts
    np.testing.assert_array_equal(embedder.embed(column, "passage"), known)
    assert peak_bytes(lambda: embedder.embed(column, "passage")) < 500_000


def test_another_model_does_not_read_this_ones_vectors(fake, tiny_folder, tmp_path):
    Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path).embed(["one"], "passage")
    other = Embedder(PLAIN, tiny_folder, "b" * 64, tmp_path)
    other.embed(["one"], "passage")
    assert other.n_embedded == 1


def test_texts_of_like_length_share_a_batch_of_so_many_tokens_longest_first(fake, monkeypatch, tiny_folder, tmp_path):
    monkeypatch.setattr(retrieval.embedding.embedder, "_BATCH_TOKENS", 22)
    texts = ["cat " * n for n in (1, 9, 5, 3, 7, 2)]
    Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path).embed(texts, "passage")
    # With [CLS] and [SEP] two rows of 11 tokens, three of 7, and the rest.
    assert [[len(text) for text in batch] for batch in fake.batches] == [[36, 28], [20, 12, 8], [4]]


def test_batches_do_not_depend_on_the_order_in_which_texts_were_given(fake, monkeypatch, tiny_folder, tmp_path):
    monkeypatch.setattr(retrieval.embedding.embedder, "_BATCH_TOKENS", 12)
    texts = [f"cat {number}" for number in range(10)]
    Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path / "one").embed(texts, "passage")
    Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path / "two").embed(texts[::-1], "passage")
    assert len(fake.batches) == 8
    assert fake.batches[:4] == fake.batches[4:]


def test_what_was_embedded_before_a_crash_is_not_embedded_again(fake, monkeypatch, tiny_folder, tmp_path):
    monkeypatch.setattr(retrieval.embedding.embedder, "_SHARD", 2)
    monkeypatch.setattr(retrieval.embedding.embedder, "_BATCH_TOKENS", 6)  # two of these texts
    encode = fake.encode

    def crash_at_the_third(batch, prompt):
        if len(fake.batches) == 2:
            raise KeyboardInterrupt
        return encode(batch, prompt)

    monkeypatch.setattr(fake, "encode", crash_at_the_third)
    texts = ["one", "two", "three", "four", "five", "six"]
    with pytest.raises(KeyboardInterrupt):
        Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path).embed(texts, "passage")
    monkeypatch.setattr(fake, "encode", encode)
    again = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    np.testing.assert_array_equal(again.embed(texts, "passage"), [vector_of(text) for text in texts])
    assert again.n_embedded == 2
    assert sorted(fake.asked) == sorted(texts)


def test_progress_adds_up_to_the_distinct_texts_whether_cached_or_not(fake, tiny_folder, tmp_path):
    embedder = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    embedder.embed(["one"], "passage")
    steps = []
    embedder.embed(TEXTS, "passage", steps.append)
    assert sum(steps) == N_DISTINCT


def test_a_text_beyond_the_window_is_refused_with_the_numbers_before_anything_is_embedded(fake, tiny_folder, tmp_path):
    embedder = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    assert embedder.limit == 40
    embedder.embed(["cat " * 38], "passage")  # 40 with [CLS] and [SEP]
    with pytest.raises(InputError, match=r"41 tokens.*at most 40") as refusal:
        embedder.embed(["one", "cat\n" * 39], "passage")
    assert "\n" not in str(refusal.value)
    assert embedder.n_embedded == 1


def test_the_window_is_the_one_that_sentence_transformers_applies(tiny_folder, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("tokenizer.json", "config.json"):
        (folder / name).write_bytes((tiny_folder / name).read_bytes())
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24}', encoding="utf-8")
    assert Embedder(PLAIN, folder, "a" * 64, tmp_path).limit == 24


def test_a_cache_folder_that_cannot_be_made_is_an_input_error(fake, tiny_folder, tmp_path):
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(InputError, match="cannot write embeddings"):
        Embedder(PLAIN, tiny_folder, "a" * 64, in_the_way).embed(["one"], "passage")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache_is_an_input_error(fake, tiny_folder, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot write embeddings"):
            Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path).embed(["one"], "passage")
    finally:
        tmp_path.chmod(0o700)


# Polars reports a full disk as a ComputeError, most else as an OSError without errno (seen with polars 2.1).
def test_a_full_disk_is_an_input_error_that_leaves_no_partial_file(fake, monkeypatch, tiny_folder, tmp_path):
    whole = damage.written_whole

    class Full:
        def __init__(self, file):
            self._file = file

        def write(self, data):
            self._file.write(data[:4])
            raise OSError(errno.ENOSPC, "No space left on device")

    @contextmanager
    def on_a_full_disk(target):
        with whole(target) as file:
            yield Full(file)

    monkeypatch.setattr(damage, "written_whole", on_a_full_disk)
    with pytest.raises(InputError, match="No space left"):
        Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path).embed(["one"], "passage")
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_filling_embeds_what_is_missing_and_a_second_time_nothing(fake, no_model, tiny_folder, tmp_path):
    embedder = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    embedder.embed(["one", "two"], "passage")
    embedder.fill(TEXTS, "passage")
    assert sorted(fake.asked) == sorted({*TEXTS, "two"})
    assert embedder.n_embedded == N_DISTINCT + 1
    no_model()
    embedder.fill([*TEXTS, "two"], "passage")
    embedder.fill([], "passage")
    assert embedder.n_embedded == N_DISTINCT + 1
    np.testing.assert_array_equal(embedder.embed(TEXTS, "passage"), [vector_of(text) for text in TEXTS])


def test_filling_reads_no_shard_twice(fake, monkeypatch, tiny_folder, tmp_path):
    embedder = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    for text in ("one", "two", "three"):
        embedder.fill([text], "passage")
    read, read_parquet = [], pl.read_parquet

    def remember(file, **options):
        read.append((file, options))
        return read_parquet(file, **options)

    monkeypatch.setattr(pl, "read_parquet", remember)
    embedder.fill(["one", "two", "three"], "passage")
    embedder.fill(["three", "two"], "passage")
    assert len(read) == 1  # the shard of "three", written since the last look
    assert read[0][1] == {"columns": ["key"]}  # and no vector of it
    assert len(fake.asked) == 3


def test_another_process_fills_only_what_this_one_left(fake, no_model, tiny_folder, tmp_path):
    one, other = (Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path) for _ in range(2))
    other.fill([], "passage")
    one.fill(["one", "two"], "passage")
    no_model()
    other.fill(["one", "two"], "passage")
    assert other.n_embedded == 0


def test_filling_refuses_a_text_beyond_the_window(fake, tiny_folder, tmp_path):
    embedder = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    with pytest.raises(InputError, match=r"41 tokens.*at most 40"):
        embedder.fill(["one", "cat " * 39], "passage")
    assert embedder.n_embedded == 0


PROMPTED = EmbedderConfig(backend="torch", query_prompt="three: ", passage_prompt="one two: ")


def test_each_role_has_its_prompt_put_before_and_its_own_vectors(fake, tiny_folder, tmp_path):
    embedder = Embedder(PROMPTED, tiny_folder, "a" * 64, tmp_path)
    np.testing.assert_array_equal(embedder.embed(["cat"], "query"), [vector_of("three: cat")])
    np.testing.assert_array_equal(embedder.embed(["cat"], "passage"), [vector_of("one two: cat")])
    embedder.fill(["cat"], "query")
    assert fake.asked == ["three: cat", "one two: cat"]
    Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path).embed(["cat"], "query")
    assert fake.asked[2:] == ["cat"]  # another prompt's vector is not read


def test_roles_with_one_prompt_share_their_vectors(fake, tiny_folder, tmp_path):
    embedder = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    embedder.embed(["cat"], "query")
    embedder.embed(["cat"], "passage")
    assert fake.asked == ["cat"]


def test_the_limit_leaves_room_for_the_prompt_of_a_passage(fake, tiny_folder, tmp_path):
    embedder = Embedder(PROMPTED, tiny_folder, "a" * 64, tmp_path)
    assert embedder.limit == 40 - 3  # one, two and the colon
    embedder.embed(["cat " * (37 - 2)], "passage")
    with pytest.raises(InputError, match=r"41 tokens.*at most 40"):
        embedder.embed(["cat " * (38 - 2)], "passage")
    embedder.embed(["cat " * (38 - 2)], "query")  # whose prompt is a token shorter


def test_a_prompt_that_leaves_no_room_is_refused(tiny_folder, tmp_path):
    with pytest.raises(InputError, match=r"query prompt .* of 38 tokens"):
        Embedder(EmbedderConfig(query_prompt="cat " * 38), tiny_folder, "a" * 64, tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"precision": "bfloat16"}, {"query_prompt": "one"}, {"passage_prompt": "one"}, {"late": True}],
    ids=lambda change: next(iter(change)),
)
def test_the_digest_tells_configs_apart_and_their_vectors_do_not_mix(fake, tiny_folder, tmp_path, change):
    plain = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    other = Embedder(EmbedderConfig(backend="torch", **change), tiny_folder, "a" * 64, tmp_path)
    assert other.digest != plain.digest
    # A name is no part of what makes a vector.
    assert (
        Embedder(EmbedderConfig(backend="torch", name="mine"), tiny_folder, "a" * 64, tmp_path).digest == plain.digest
    )


def test_another_precision_does_not_read_these_vectors(fake, tiny_folder, tmp_path):
    Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path).embed(["one"], "passage")
    other = Embedder(EmbedderConfig(backend="torch", precision="bfloat16"), tiny_folder, "a" * 64, tmp_path)
    other.embed(["one"], "passage")
    assert other.n_embedded == 1


def test_chunks_that_are_not_late_are_embedded_and_named_by_their_text(fake, tiny_folder, tmp_path):
    embedder = Embedder(PROMPTED, tiny_folder, "a" * 64, tmp_path)
    documents = {"a": "the cat sat", "b": "a cat ran"}
    places = [Place("a", 4, 7), Place("b", 2, 5), Place("b", 0, 9)]
    vectors = embedder.embed_chunks(documents, places)
    expected = [vector_of(f"one two: {text}") for text in ("cat", "cat", "a cat ran")]
    np.testing.assert_array_equal(vectors, expected)
    embedder.fill_chunks(documents, places)
    assert embedder.n_embedded == 2
    keys = embedder.chunk_keys(documents, places)
    assert keys == [hashlib.sha256(text).hexdigest() for text in (b"cat", b"cat", b"a cat ran")]


def copy_of(folder, target):
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_the_same_model_in_another_folder_has_the_same_digest(tiny_folder, tmp_path):
    one = Embedder(PLAIN, tiny_folder, "a" * 64, tmp_path)
    assert Embedder(PLAIN, copy_of(tiny_folder, tmp_path / "copy"), "a" * 64, tmp_path).digest == one.digest
    assert Embedder(PLAIN, tiny_folder, "b" * 64, tmp_path).digest != one.digest
    assert len(one.digest) == 64


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"])
def test_the_same_weights_beside_another_file_are_another_model(fake, tiny_folder, tmp_path, name):
    folder = copy_of(tiny_folder, tmp_path / "copy")
    (folder / "modules.json").write_text('[{"type": "Pooling", "path": "1_Pooling"}]', encoding="utf-8")
    before = Embedder(PLAIN, folder, "a" * 64, tmp_path / "cache")
    before.embed(["one"], "passage")
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text((file.read_text(encoding="utf-8") if file.exists() else "{}") + "\n", encoding="utf-8")
    after = Embedder(PLAIN, folder, "a" * 64, tmp_path / "cache")
    assert after.digest != before.digest
    after.embed(["one"], "passage")
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

    embedder = Embedder(PLAIN, embedder_folder, "c" * 64, tmp_path)
    vectors = embedder.embed(SENTENCES, "passage")
    assert embedder.n_embedded == len(SENTENCES) - 1
    assert vectors.shape == (len(SENTENCES), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors[1], vectors[5])

    plain = SentenceTransformer(str(embedder_folder), local_files_only=True)
    for sentence, vector in zip(SENTENCES, vectors, strict=True):
        alone = plain.encode(sentence)
        assert vector @ alone / np.linalg.norm(alone) >= 0.9999

    no_model()
    later = Embedder(PLAIN, embedder_folder, "c" * 64, tmp_path)
    np.testing.assert_array_equal(later.embed(SENTENCES, "passage"), vectors)
    assert later.n_embedded == 0


@pytest.mark.model
def test_the_real_embedder_refuses_what_it_would_cut_short(embedder_folder, no_model, tmp_path):
    no_model()
    embedder = Embedder(PLAIN, embedder_folder, "c" * 64, tmp_path)
    assert embedder.limit == 256
    with pytest.raises(InputError, match=r"257 tokens.*at most 256"):
        embedder.embed(["a " * 255], "passage")
