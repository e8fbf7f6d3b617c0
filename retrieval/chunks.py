"""Chunks: slices of documents, `document.text[start:end] == chunk.text`, always."""

from __future__ import annotations

import polars as pl

from corpora.digest import sha256_text
from corpora.errors import InputError
from retrieval.splitters import Chunking, split_text
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


def chunk_documents(documents: pl.DataFrame, chunking: Chunking, tokenizer: EmbedderTokenizer) -> pl.DataFrame:
    """Split documents.

    Args:
        documents: columns document_id and text.
        chunking: how.
        tokenizer: the embedder's.

    Returns:
        Frame of schema `CHUNKS` with an extra column `text`; `n_tokens` leaves special tokens out.

    Raises:
        InputError: a document yields no chunk (it has no token), or a chunk is longer than the size.
    """
    slices: list[tuple[str, int, int, str]] = []
    for document_id, text in documents.select("document_id", "text").iter_rows():
        found = split_text(text, chunking, tokenizer)
        counted = tokenizer.count_all([text[start:end] for start, end in found])
        found = [place for place, n in zip(found, counted, strict=True) if n]
        if not found:
            raise InputError(
                f"document {document_id!r} has no token for this embedder", "some text", "remove the document"
            )
        slices.extend((document_id, start, end, text[start:end]) for start, end in found)
    texts = [text for *_, text in slices]
    counts = tokenizer.count_all(texts)
    longest = max(counts)
    if longest + tokenizer.n_special > chunking.size:
        raise InputError(
            f"{chunking.name} made a chunk of {longest + tokenizer.n_special} tokens",
            f"at most {chunking.size}",
            "choose another splitter; this one cannot cut this text small enough",
        )
    return pl.DataFrame(
        {
            "chunking": [chunking.name] * len(slices),
            "chunk_id": [f"{document_id}:{start}-{end}" for document_id, start, end, _ in slices],
            "document_id": [document_id for document_id, *_ in slices],
            "start": [start for _, start, *_ in slices],
            "end": [end for _, _, end, _ in slices],
            "n_tokens": counts,
            "text_sha256": [sha256_text(text) for text in texts],
            "text": texts,
        },
        schema={**CHUNKS, "text": pl.String()},
    )
