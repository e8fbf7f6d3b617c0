"""Late chunking with a model whose token vectors can be added up by hand, and with the real one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import retrieval.embedding.embedder
from retrieval.embedding.embedder import Embedder, Place
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.late_chunking import (
    OVERLAP,
    place_key,
    pool_chunks,
    read_document,
    spread_windows,
    token_range,
)

LATE = EmbedderConfig(late=True, backend="torch")
# Window 40 with [CLS] and [SEP]: a document of more than 38 words is read in several windows.
SHORT, LONG = "the cat sat on the mat", "one two three four five six seven eight nine ten " * 9


class CountingEncoder:
    """A token's vector is its id, its place in the row and the row's length: the last two tell what read it."""

    def __init__(self):
        self.passes = []

    def encode_tokens(self, rows):
        self.passes.append([len(row) for row in rows])
        return [np.array([[token, at, len(row)] for at, token in enumerate(row)], dtype=np.float32) for row in rows]

    def finish(self, means):
        return means.astype(np.float32)

    def pools_prompt(self, prompt):
        return True


@pytest.fixture
def counting(monkeypatch):
    encoder = CountingEncoder()
    monkeypatch.setattr(retrieval.embedding.embedder, "_load", lambda *_: encoder)
    return encoder


def whole(document_id, documents):
    return Place(document_id, 0, len(documents[document_id]))


@given(st.integers(1, 2000), st.integers(1, 300))
def test_every_token_is_taken_once_from_the_window_where_it_stands_farthest_from_an_edge(n_tokens, room):
    windows = spread_windows(n_tokens, room)
    taken = [token for window in windows for token in range(window.first, window.last)]
    assert taken == list(range(n_tokens))
    assert all(window.end - window.start == min(room, n_tokens) for window in windows)
    for window in windows:
        for token in range(window.first, window.last):
            readers = [one for one in windows if one.start <= token < one.end]
            depths = {one: min(token - one.start, one.end - 1 - token) for one in readers}
            assert depths[window] == max(depths.values())


@given(st.integers(1, 2000), st.integers(1, 300))
def test_neighbouring_windows_share_a_quarter_and_there_are_no_more_of_them_than_that_takes(n_tokens, room):
    windows = spread_windows(n_tokens, room)
    shared = [left.end - right.start for left, right in pairwise(windows)]
    assert all(one >= int(room * OVERLAP) for one in shared)
    if len(windows) > 1:
        step = room - int(room * OVERLAP)
        assert room + (len(windows) - 2) * step < n_tokens


def test_windows_of_a_small_example():
    # 10 tokens, 4 a window, so a step of 3: starts 0, 3, 6; borders halfway through 3-4 and 6-7.
    assert spread_windows(10, 4) == [(0, 4, 0, 3), (3, 7, 3, 6), (6, 10, 6, 10)]
    assert spread_windows(4, 4) == [(0, 4, 0, 4)]


def test_a_chunk_has_the_tokens_whose_last_character_it_holds():
    ends = np.array([3, 7, 7, 12])  # "the", then one character of two tokens, then a word with the space before it
    assert token_range(ends, 0, 3) == (0, 1)
    assert token_range(ends, 0, 4) == (0, 1)
    assert token_range(ends, 4, 7) == (1, 3)
    assert token_range(ends, 8, 12) == (3, 4)
    # Within the last token: that token all the same, for a chunk has a vector.
    assert token_range(ends, 8, 10) == (3, 4)


def test_a_chunks_vector_is_the_mean_of_its_tokens_and_the_outer_ones_have_the_special_tokens(tiny):
    document = read_document(SHORT, "", tiny, limit=40)
    (row,) = document.rows()
    assert [tiny.raw.id_to_token(token) for token in row] == ["[CLS]", *SHORT.split(), "[SEP]"]
    vectors = np.eye(8, dtype=np.float32)
    places = [(0, 7), (8, 14), (15, 22), (0, 22)]  # the cat | sat on | the mat | all
    means = pool_chunks(document, [vectors], places, pools_prompt=True)
    expected = [[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 1], [1] * 8]
    np.testing.assert_allclose(means, [np.array(row) / sum(row) for row in expected])


def test_a_prompt_stands_before_every_window_and_counts_only_to_the_first_chunk_if_the_model_pools_it(tiny):
    document = read_document(LONG, "the cat: ", tiny, limit=40)
    rows = document.rows()
    assert all([tiny.raw.id_to_token(token) for token in row[:4]] == ["[CLS]", "the", "cat", ":"] for row in rows)
    assert all(len(row) == 40 for row in rows)
    embeddings = [np.array([[float(at < 4), 1.0] for at in range(40)], dtype=np.float32) for _ in rows]
    places = [(0, 7), (8, 13)]  # "one two" behind four tokens of prompt, and "three"
    pooled = pool_chunks(document, embeddings, places, pools_prompt=True)
    np.testing.assert_allclose(pooled, [[4 / 6, 1], [0, 1]])
    np.testing.assert_allclose(pool_chunks(document, embeddings, places, pools_prompt=False), [[0, 1], [0, 1]])


def test_tokens_of_a_long_document_are_read_where_they_stand_inside(counting, tiny_folder, tmp_path):
    embedder = Embedder(LATE, tiny_folder, "a" * 64, tmp_path)
    words = LONG.split()
    bounds = [(sum(len(word) + 1 for word in words[:at]), len(word)) for at, word in enumerate(words)]
    vectors = embedder.embed_chunks({"a": LONG}, [Place("a", start, start + n) for start, n in bounds])
    ids = [embedder.tokenizer.raw.token_to_id(word) for word in words]
    np.testing.assert_array_equal(vectors[1:-1, 0], ids[1:-1])
    windows = spread_windows(len(words), 38)
    read_at = [token - window.start + 1 for window in windows for token in range(window.first, window.last)]
    np.testing.assert_array_equal(vectors[1:-1, 1], read_at[1:-1])


def test_a_document_is_read_once_for_all_chunkings_and_not_again_later(counting, tiny_folder, tmp_path):
    documents = {"short": SHORT, "same": SHORT, "long": LONG}
    places = [Place(one, start, start + 7) for one in documents for start in (0, 8, 15)]
    places += [whole(one, documents) for one in documents]
    embedder = Embedder(LATE, tiny_folder, "a" * 64, tmp_path)
    vectors = embedder.embed_chunks(documents, places)
    # 90 words in three windows of 40, and one row for the two equal documents.
    assert sorted(length for lengths in counting.passes for length in lengths) == [8, 40, 40, 40]
    assert embedder.n_embedded == 8
    later = Embedder(LATE, tiny_folder, "a" * 64, tmp_path)
    np.testing.assert_array_equal(later.embed_chunks(documents, places), vectors)
    later.fill_chunks(documents, places)
    assert later.n_embedded == 0


def test_a_forward_pass_holds_no_more_than_its_budget(counting, monkeypatch, tiny_folder, tmp_path):
    monkeypatch.setattr(retrieval.embedding.embedder, "_BATCH_TOKENS", 80)
    documents = {"long": LONG} | {f"short {n}": f"{SHORT} {n}" for n in range(12)}
    embedder = Embedder(LATE, tiny_folder, "a" * 64, tmp_path)
    embedder.embed_chunks(documents, [whole(one, documents) for one in documents])
    assert counting.passes[:2] == [[40, 40], [40]]
    assert all(max(lengths) * len(lengths) <= 80 for lengths in counting.passes)
    assert sum(len(lengths) for lengths in counting.passes[2:]) == 12
    assert len(counting.passes) == 4


def test_chunkings_embedded_together_or_apart_have_the_same_vectors(counting, tiny_folder, tmp_path):
    documents = {"a": LONG, "b": SHORT}
    fine = [Place("a", start, start + 20) for start in range(0, 400, 20)] + [Place("b", 0, 7)]
    coarse = [Place("a", start, start + 100) for start in range(0, 400, 100)] + [whole("b", documents)]
    together = Embedder(LATE, tiny_folder, "a" * 64, tmp_path / "one").embed_chunks(documents, fine + coarse)
    apart = Embedder(LATE, tiny_folder, "a" * 64, tmp_path / "two")
    np.testing.assert_array_equal(apart.embed_chunks(documents, coarse), together[len(fine) :])
    np.testing.assert_array_equal(apart.embed_chunks(documents, fine), together[: len(fine)])


def test_filling_chunks_embeds_what_is_missing_and_a_second_time_nothing(counting, tiny_folder, tmp_path):
    documents = {"a": LONG, "b": SHORT}
    embedder = Embedder(LATE, tiny_folder, "a" * 64, tmp_path)
    embedder.fill_chunks(documents, [whole("a", documents)])
    embedder.fill_chunks(documents, [whole("a", documents), whole("b", documents)])
    assert [lengths for lengths in counting.passes] == [[40, 40, 40], [8]]
    embedder.fill_chunks(documents, [whole("a", documents), whole("b", documents)])
    assert len(counting.passes) == 2


def test_a_late_chunk_may_be_longer_than_the_window_and_a_question_may_not(counting, tiny_folder, tmp_path):
    embedder = Embedder(LATE, tiny_folder, "a" * 64, tmp_path)
    assert embedder.limit is None
    steps = []
    embedder.embed_chunks({"a": LONG}, [Place("a", 0, len(LONG))], steps.append)
    assert steps == [1]
    with pytest.raises(retrieval.embedding.embedder.InputError, match=r"92 tokens.*at most 40"):
        embedder.embed([LONG], "query")


def test_equal_places_of_equal_documents_have_one_key_and_no_others(tiny_folder, tmp_path):
    documents = {"a": SHORT, "same": SHORT, "b": LONG}
    embedder = Embedder(LATE, tiny_folder, "a" * 64, tmp_path)
    # "the" twice in one document: the same text, other neighbours.
    places = [Place("a", 0, 3), Place("same", 0, 3), Place("a", 15, 18), Place("b", 0, 3), Place("a", 0, 7)]
    keys = embedder.chunk_keys(documents, places)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert place_key("d", 1, 23) != place_key("d", 12, 3)


@pytest.mark.model
def test_a_document_that_is_one_chunk_has_the_vector_of_plain_embedding(embedder_folder, tmp_path):
    documents = {
        "a": "Aspirin lowers the risk of stroke in patients with atrial fibrillation. So does warfarin.",
        "b": "naïve café, 強い雨, 3.14 %",
        "c": "  Leading space, and a trailing line break.\n",
    }
    places = [whole(one, documents) for one in documents]
    for prompts in ({}, {"passage_prompt": "passage: "}):
        late = Embedder(EmbedderConfig(late=True, backend="torch", **prompts), embedder_folder, "c" * 64, tmp_path)
        plain = Embedder(EmbedderConfig(backend="torch", **prompts), embedder_folder, "c" * 64, tmp_path)
        vectors = late.embed_chunks(documents, places)
        cosines = (vectors * plain.embed_chunks(documents, places)).sum(axis=1)
        assert cosines.min() >= 0.999999


@pytest.mark.model
def test_a_late_chunk_knows_its_document_and_is_the_mean_of_sentence_transformers_own_token_vectors(
    embedder_folder, tmp_path
):
    from sentence_transformers import SentenceTransformer

    first, second = "Berlin is the capital of Germany.", "The city has many inhabitants."
    text = f"{first} {second}"
    places = [Place("a", 0, len(first)), Place("a", len(first) + 1, len(text))]
    late = Embedder(LATE, embedder_folder, "c" * 64, tmp_path)
    vectors = late.embed_chunks({"a": text}, places)
    model = SentenceTransformer(str(embedder_folder), local_files_only=True)
    tokens = model.encode(text, output_value="token_embeddings").numpy()
    n_first = late.tokenizer.count(first) + 1  # with [CLS]
    for vector, stretch in zip(vectors, (tokens[:n_first], tokens[n_first:]), strict=True):
        mean = stretch.mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    alone = late.embed([second, "Berlin"], "query")
    assert vectors[1] @ alone[1] > alone[0] @ alone[1] + 0.1  # "the city" is Berlin now


@pytest.mark.model
def test_a_long_document_is_embedded_alike_in_any_company(embedder_folder, tmp_path):
    sentences = [f"Sentence {n} says that trial {n * 7} had {n * 13} patients." for n in range(60)]
    documents = {"long": " ".join(sentences), "short": sentences[0]}
    starts = [documents["long"].index(sentence) for sentence in sentences]
    places = [Place("long", start, start + len(one)) for start, one in zip(starts, sentences, strict=True)]
    alone = Embedder(LATE, embedder_folder, "c" * 64, tmp_path / "one").embed_chunks(documents, places)
    beside = Embedder(LATE, embedder_folder, "c" * 64, tmp_path / "two")
    with_others = beside.embed_chunks(documents, [whole("short", documents), *places, whole("long", documents)])
    np.testing.assert_allclose(with_others[1:-1], alone, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
