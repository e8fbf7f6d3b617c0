"""Which source a bare path holds, by the files and columns that each source has."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from corpora.errors import InputError, one_line
from corpora.loading.config import TABLES, CorpusConfig, Source
from corpora.reading.exports import shards_in
from corpora.reading.folders import files_below
from corpora.reading.text import encoding_of, is_file
from corpora.sources.folder.converters import ENDINGS
from corpora.sources.formats.pubmedqa import EXPORTED as PUBMEDQA_COLUMNS
from corpora.sources.formats.pubmedqa import PARTS
from corpora.sources.formats.squad import EXPORTED as SQUAD_COLUMNS
from corpora.sources.rows import FORMATS, find_table
from corpora.storage import refuse_loop

# The files by which a source is recognised.
_FILES: dict[Source, tuple[str, ...]] = {
    "pubmedqa": PARTS,
    "evidence_inference": ("prompts_merged.csv",),
    "beir": ("corpus.jsonl", "corpus.parquet"),
    "chroma": ("questions_df.csv",),
}
# The columns by which an export is recognised.
_COLUMNS: dict[Source, frozenset[str]] = {"pubmedqa": PUBMEDQA_COLUMNS, "squad": SQUAD_COLUMNS}


def guess_config(path: Path) -> CorpusConfig:
    """The corpus section for a bare path, recognised by the files that each source has.

    Raises:
        InputError: the path holds nothing that a source can read, or its links lead in a circle.
    """
    refuse_loop(path)
    if not path.exists():
        raise InputError(
            f"path {path} does not exist",
            "a corpus folder or file, or a name from `tercet corpora list`",
            "check the path",
        )
    if path.suffix == ".json" and path.name not in PARTS:
        return CorpusConfig(source="squad" if _is_squad(path) else "pubmedqa", path=path, split="all")
    for source, names in _FILES.items():
        if path.name in names or any(is_file(path / name) for name in names):
            is_one_file = path.name in names and source != "pubmedqa"
            return CorpusConfig(source=source, path=path.parent if is_one_file else path, split="all")
    # One of the two tables stands for both.
    folder = path.parent if path.suffix.lower() in FORMATS and path.stem in TABLES else path
    if folder.is_dir() and all(find_table(folder, stem) for stem in TABLES):
        return CorpusConfig(source="tables", path=folder, split="all")
    exported = _exported(path)
    if exported:
        return CorpusConfig(source=exported, path=path, split="all")
    if path.suffix.lower() in FORMATS:
        raise InputError(
            f"{path} is one table, and a corpus has two",
            "documents.* and questions.* in one folder, or an experiment's .toml file that names both tables",
            "rename the two tables, or set `documents` and `questions` in a corpus section",
        )
    if path.is_dir() and not find_table(path, "documents") and files_below(path, ENDINGS).found:
        return CorpusConfig(source="folder", path=path, split="all")
    raise InputError(
        f"{path} holds no corpus that Tercet recognises",
        f"one of the files {', '.join(name for names in _FILES.values() for name in names)}, or documents.* and "
        "questions.* (JSONL, CSV, Parquet), or a SQuAD-format .json, or an experiment's .toml file, or documents "
        f"ending in {', '.join(ENDINGS)}",
        "give the path of the folder that holds the corpus",
    )


def _exported(path: Path) -> Source | None:
    """The source of a Parquet file, or of a folder of such files, by its columns."""
    files = [path] if path.suffix == ".parquet" else shards_in(path)
    if not files:
        return None
    with one_line(f"{files[0]} cannot be read as Parquet", "a Parquet file"):
        columns = pl.read_parquet_schema(files[0]).keys()
    return next((source for source, known in _COLUMNS.items() if known <= columns), None)


def _is_squad(file: Path) -> bool:
    """Whether a JSON file begins like SQuAD's, with the list `data`; PubMedQA's files begin with ids."""
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        opening = content.read(100_000)
    return re.search(r'"data"\s*:\s*\[', opening) is not None
