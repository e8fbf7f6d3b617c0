"""Chunks: slices of documents; `document.text[start:end] == chunk.text` always holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from corpora.errors import InputError
from corpora.storage import sha256_text
from retrieval.chunking.blocks import Slice, count_all
from retrieval.chunking.splitters import Chunking, Embed, split_texts
from retrieval.tokens import EmbedderTokenizer

CHUNKS = pl.Schema(
    {
        "chunking": pl.String(),
        "chunk_id": pl.String(),
        "document_id": pl.String(),
        "start": pl.Int64(),
        "end": pl.Int64(),
        "n_tokens": pl.Int32(),
        "text_sha256": pl.String(),
    }
)
_WITH_TEXT = pl.Schema({**CHUNKS, "text": pl.String()})

# Up to this many characters of documents are split together: many sentences to embed at once, in bounded memory.
_SHARD = 4_000_000


def chunk_documents(
    documents: pl.DataFrame, chunking: Chunking, tokenizer: EmbedderTokenizer, embed: Embed | None = None,
    languages: Mapping[str, str] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Split documents.

    Args:
        documents: columns document_id and text.
        chunking: how to split them.
        tokenizer: the embedder's.
        embed: embeds sentences, for the semantic splitter; called once for about four million characters.
        languages: of each document by its id, for splitters that look for sentences; None for English.

    Returns:
        Frame of schema `CHUNKS` with an extra column `text`; `n_tokens` does not count special tokens.

    Raises:
        InputError: a document yields no chunk (it has no token), or a chunk is longer than the size.
        ValueError: the semantic splitter was given no `embed`.
    """
    frames = []
    for shard in _shards(documents):
        spoken = [languages[document_id] for document_id, _ in shard] if languages else None
        found = split_texts([text for _, text in shard], chunking, tokenizer, embed, spoken)
        frames.append(_frame(shard, found, chunking, tokenizer))
    return pl.concat([_WITH_TEXT.to_frame(), *frames])


def _shards(documents: pl.DataFrame) -> Iterator[list[tuple[str, str]]]:
    """Documents (id, text) in order, in shards of at most `_SHARD` characters, or of one longer document."""
    shard: list[tuple[str, str]] = []
    size = 0
    for document_id, text in documents.select("document_id", "text").iter_rows():
        if shard and size + len(text) > _SHARD:
            yield shard
            shard, size = [], 0
        shard.append((document_id, text))
        size += len(text)
    if shard:
        yield shard


def _frame(
    shard: list[tuple[str, str]], found: list[list[Slice]], chunking: Chunking, tokenizer: EmbedderTokenizer
) -> pl.DataFrame:
    slices = [
        (document_id, start, end, text[start:end])
        for (document_id, text), places in zip(shard, found, strict=True)
        for start, end in places
    ]
    texts = [text for *_, text in slices]
    frame = pl.DataFrame(
        {
            "chunking": [chunking.name] * len(slices),
            "chunk_id": [f"{document_id}:{start}-{end}" for document_id, start, end, _ in slices],
            "document_id": [document_id for document_id, *_ in slices],
            "start": [start for _, start, *_ in slices],
            "end": [end for _, _, end, _ in slices],
            "n_tokens": count_all(texts, tokenizer),
            "text_sha256": [sha256_text(text) for text in texts],
            "text": texts,
        },
        schema=_WITH_TEXT,
    ).filter(pl.col("n_tokens") > 0)
    _check(frame, shard, chunking, tokenizer)
    return frame


def _check(frame: pl.DataFrame, shard: list[tuple[str, str]], chunking: Chunking, tokenizer: EmbedderTokenizer) -> None:
    chunked = set(frame["document_id"])
    for document_id, _ in shard:
        if document_id not in chunked:
            raise InputError(
                f"document {document_id!r} has no token for this embedder",
                "a document with some text",
                "remove this document",
            )
    longest = int(frame["n_tokens"].to_numpy().max()) + tokenizer.n_special
    if longest > chunking.size:
        raise InputError(
            f"{chunking.name} made a chunk of {longest} tokens",
            f"chunks of at most {chunking.size} tokens",
            "choose another splitter, as this one cannot cut this text small enough",
        )
