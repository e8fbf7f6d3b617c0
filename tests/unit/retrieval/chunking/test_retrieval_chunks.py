import numpy as np
import polars as pl
import pytest

from corpora.errors import InputError
from corpora.storage import sha256_text
from retrieval.chunking.chunks import CHUNKS, chunk_documents
from retrieval.chunking.splitters import Chunking

SPLITTERS = ("tokens", "sentences", "recursive", "semantic")


def embed(texts):
    """Vectors that depend on the text alone."""
    return np.stack([np.frombuffer(bytes.fromhex(sha256_text(text)), np.int8)[:4] + 0.5 for text in texts]).astype("f4")


def documents(**texts):
    return pl.DataFrame({"document_id": list(texts), "text": list(texts.values())})


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_every_chunk_is_the_slice_that_its_offsets_name(splitter, tiny):
    given = documents(d1="The cat sat. 👩‍👩‍👧 ran home. " * 9, d2="A dog.\r\n\r\nOne two three. " * 9)
    chunks = chunk_documents(given, Chunking(splitter, 12, 3), tiny, embed)
    texts = dict(given.iter_rows())
    assert set(chunks["document_id"]) == {"d1", "d2"}
    for row in chunks.iter_rows(named=True):
        assert row["text"] == texts[row["document_id"]][row["start"] : row["end"]]
        assert row["text_sha256"] == sha256_text(row["text"])
        assert row["n_tokens"] == tiny.count(row["text"])
        assert row["chunk_id"] == f"{row['document_id']}:{row['start']}-{row['end']}"


def test_the_frame_has_the_declared_schema_and_the_text(tiny):
    chunks = chunk_documents(documents(d="The cat sat."), Chunking("tokens", 16, 0), tiny, embed)
    assert chunks.schema == pl.Schema({**CHUNKS, "text": pl.String()})
    assert chunks["chunking"].to_list() == ["tokens(size=16,overlap=0)"]


def test_documents_keep_their_order_and_their_chunks_stand_in_text_order(tiny):
    given = documents(z="the cat sat on the mat " * 4, a="one two three four five six seven " * 3)
    chunks = chunk_documents(given, Chunking("tokens", 8, 0), tiny, embed)
    assert chunks["document_id"].unique(maintain_order=True).to_list() == ["z", "a"]
    for _, rows in chunks.group_by("document_id"):
        assert rows["start"].is_sorted()


@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize("text", ["", " \n ", "\u200b\u200b", "\u0301", "\x01 \x02"])
def test_a_document_without_a_token_is_refused_by_its_id(splitter, text, tiny):
    given = documents(fine="The cat sat.", empty=text)
    with pytest.raises(InputError, match="'empty'") as refusal:
        chunk_documents(given, Chunking(splitter, 16, 0), tiny, embed)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_no_chunk_is_without_a_token(splitter, tiny):
    given = documents(d="The cat sat.\n\n\u200b\u200b\n\n\u0301\n\nA dog ran home. One two three four five.")
    chunks = chunk_documents(given, Chunking(splitter, 8, 0), tiny, embed)
    assert chunks["n_tokens"].min() > 0


@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize(("size", "overlap"), [(6, 2), (10, 3), (16, 0)])
def test_chunk_ids_are_distinct(splitter, size, overlap, tiny):
    given = documents(korean="강남스타일" * 5, same="The cat sat. " * 20, again="The cat sat. " * 20)
    chunks = chunk_documents(given, Chunking(splitter, size, overlap), tiny, embed)
    assert chunks["chunk_id"].is_unique().all()


def test_a_text_that_cannot_be_cut_small_enough_is_refused_with_the_numbers(tiny):
    # One syllable is three tokens, and no slice is shorter than a character.
    with pytest.raises(InputError, match=r"chunk of 5 tokens: expected chunks of at most 3"):
        chunk_documents(documents(d="강남 강남"), Chunking("tokens", 3, 0), tiny, embed)


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_documents_split_in_shards_come_out_as_those_split_together(splitter, tiny, monkeypatch):
    given = documents(**{f"d{n}": f"The cat sat {n}. A dog ran home. One two three four. " * (n + 1) for n in range(9)})
    chunking = Chunking(splitter, 12, 3)
    together = chunk_documents(given, chunking, tiny, embed)
    monkeypatch.setattr("retrieval.chunking.chunks._SHARD", 300)
    assert chunk_documents(given, chunking, tiny, embed).equals(together)


def test_the_sentences_of_a_shard_are_embedded_together_and_each_once(tiny):
    asked = []

    def listen(texts):
        asked.append(list(texts))
        return embed(texts)

    text = "The cat sat. A dog ran home. One two three four five."
    chunk_documents(
        documents(a=text, b=f"{text} Six seven.", short="Nine ten."), Chunking("semantic", 12, 0), tiny, listen
    )
    assert asked == [["The cat sat.", "A dog ran home.", "One two three four five.", "Six seven."]]


def test_no_documents_make_an_empty_frame_with_the_schema(tiny):
    empty = pl.DataFrame(schema={"document_id": pl.String, "text": pl.String})
    chunks = chunk_documents(empty, Chunking("tokens", 16, 0), tiny)
    assert chunks.is_empty()
    assert chunks.schema == pl.Schema({**CHUNKS, "text": pl.String()})


@pytest.mark.model
@pytest.mark.parametrize("splitter", SPLITTERS)
def test_no_chunk_is_longer_than_the_real_embedder_reads(splitter, minilm):
    given = documents(d="Internationalization of antidisestablishmentarianism, 強い雨, naïve café: 3.14 %. " * 60)
    chunks = chunk_documents(given, Chunking(splitter, 256, 32), minilm, embed)
    assert len(chunks) > 3
    assert chunks["n_tokens"].max() + minilm.n_special <= 256
