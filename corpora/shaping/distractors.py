"""Documents that no question is about: they are indexed only to make retrieval harder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from corpora.defects import Defects, OnDefect
from corpora.errors import InputError
from corpora.schema import Corpus, questions_frame
from corpora.shaping.defective import leave_out_defective
from corpora.shaping.selection import id_hash
from corpora.sources.formats.pubmedqa import read_pubmedqa
from corpora.sources.tables.columns import DocumentColumns
from corpora.sources.tables.documents import read_documents
from corpora.storage import sha256_file

PREFIX = "distractor:"  # keeps their ids apart from those of the corpus


def add_distractors(
    corpus: Corpus, file: Path, n: int | None, columns: DocumentColumns, seed: int, on_defect: OnDefect | None = None
) -> Corpus:
    """Append documents of another file to those of a corpus.

    A document whose text is already in the corpus is left out: it would answer a question and yet count as wrong.

    Args:
        corpus: a corpus that has passed `validate`.
        file: documents as a table (JSONL, CSV, Parquet), or a PubMedQA file (.json).
        n: how many to draw, by id and seed; None for all.
        columns: the table's column names.
        seed: seed of the draw.
        on_defect: what to do with a row that cannot be used; None for the default of the file's format.

    Raises:
        InputError: the file cannot be read as documents, or has fewer than `n` that the corpus does not have.
        RowError: a row is bad, and nothing may be left out.
    """
    found = _read(file, columns, corpus, on_defect)
    others = found.documents.filter(pl.col("text").is_in(corpus.documents["text"].implode()).not_()).unique(
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
    left_out = corpus.left_out.with_more(found.left_out)
    return replace(corpus, documents=pl.concat([corpus.documents, named]), inputs=inputs, left_out=left_out)


def _read(file: Path, columns: DocumentColumns, corpus: Corpus, on_defect: OnDefect | None) -> Corpus:
    """The documents of a file; its questions, if it has any, are not used."""
    is_published = file.suffix == ".json"
    defects = Defects(on_defect or ("skip" if is_published else "refuse"))
    if is_published:
        read = read_pubmedqa(file, defects)
    else:
        read = Corpus(file.name, read_documents(file, columns, defects), questions_frame(()), corpus.labels)
    sound = leave_out_defective(read, defects) if defects.skips else read
    return replace(sound, left_out=defects.left_out(len(sound.documents), len(sound.questions)))


def _smallest(ids: Sequence[str], n: int, seed: int) -> list[int]:
    """Rows of the `n` smallest seeded hashes."""
    return sorted(range(len(ids)), key=lambda row: (id_hash(seed, "distractor", ids[row]), ids[row]))[:n]
