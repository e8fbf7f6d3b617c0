"""Documents that no question is about: they are indexed only to make retrieval harder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from corpora.errors import InputError
from corpora.schema import Corpus
from corpora.shaping.selection import id_hash
from corpora.sources.pubmedqa import read_pubmedqa
from corpora.sources.tables import DocumentColumns, read_documents
from corpora.storage import sha256_file

PREFIX = "distractor:"  # keeps their ids apart from those of the corpus


def add_distractors(corpus: Corpus, file: Path, n: int | None, columns: DocumentColumns, seed: int) -> Corpus:
    """Append documents of another file to those of a corpus.

    A document whose text is already in the corpus is left out: it would answer a question and yet count as wrong.

    Args:
        corpus: a corpus that has passed `validate`.
        file: documents as a table (JSONL, CSV, Parquet), or a PubMedQA file (.json).
        n: how many to draw, by id and seed; None for all.
        columns: the table's column names.
        seed: seed of the draw.

    Raises:
        InputError: the file cannot be read as documents, or has fewer than `n` that the corpus does not have.
        RowError: a row is bad.
    """
    found = read_pubmedqa(file).documents if file.suffix == ".json" else read_documents(file, columns)
    others = found.filter(pl.col("text").is_in(corpus.documents["text"].implode()).not_()).unique(
        "text", keep="first", maintain_order=True
    )
    if n is not None and len(others) < n:
        raise InputError(
            f"{file} has {len(others)} documents that the corpus does not have",
            f"at least {n} distractors (n_distractors)",
            "lower n_distractors or give another file",
        )
    drawn = others if n is None else others[sorted(_smallest(others["document_id"].to_list(), n, seed))]
    named = drawn.with_columns(document_id=pl.concat_str(pl.lit(PREFIX), "document_id"))
    inputs = {**corpus.inputs, f"distractors/{file.name}": sha256_file(file)}
    return replace(corpus, documents=pl.concat([corpus.documents, named]), inputs=inputs)


def _smallest(ids: Sequence[str], n: int, seed: int) -> list[int]:
    """Rows of the `n` smallest seeded hashes."""
    return sorted(range(len(ids)), key=lambda row: (id_hash(seed, "distractor", ids[row]), ids[row]))[:n]
