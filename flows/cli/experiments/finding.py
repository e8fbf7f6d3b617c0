"""What a folder holds: a published corpus, two tables that belong together, or texts with a table of questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpora.errors import InputError, counted
from corpora.loading.config import CorpusConfig
from corpora.loading.recognised import guess_config
from corpora.reading.text import read_text
from corpora.sources.rows import FORMATS
from flows.cli.experiments.columns import Column, Table, Tables, match, read_table

TEXTS = (".txt", ".md")
MOST_TABLES = 20


class Found(NamedTuple):
    """What a folder holds.

    Attributes:
        config: the corpus section that reads it, with paths as they were given.
        notes: what a person should know about it.
        documents: the table of documents that must be written first, as JSON Lines; empty if there is one.
    """

    config: CorpusConfig
    notes: tuple[str, ...] = ()
    documents: str = ""


def find_corpus(folder: Path, new_table: Path) -> Found:
    """Look at a folder, or at a file of a published corpus.

    Args:
        folder: the folder.
        new_table: where a table of documents would be written, if the folder has its documents in text files.

    Raises:
        InputError: there is no corpus in it; the message says what is missing.
    """
    try:
        known = guess_config(folder)
    except InputError:
        if not folder.is_dir():
            raise
        return _find_tables(folder, new_table)
    if known.source != "tables":
        return Found(known.model_copy(update={"split": "auto"}))
    return _find_tables(known.path or folder, new_table)


def _find_tables(folder: Path, new_table: Path) -> Found:
    written = new_table.resolve()  # perhaps by an earlier `tercet init`
    files = sorted(one for one in _files(folder) if one.suffix.lower() in FORMATS and one.resolve() != written)
    tables = [read_table(file) for file in files[:MOST_TABLES]]
    skipped = [f"only the first {MOST_TABLES} of {len(files)} tables were looked at"] * (len(files) > MOST_TABLES)
    matched = match(tables)
    if matched is not None:
        return Found(_section(matched), (*matched.notes, *skipped))
    texts = {one: read_text(one) for one in sorted(_files(folder)) if one.suffix.lower() in TEXTS}
    for named in _names(folder, list(texts)):
        full = {name: texts[file] for name, file in named.items() if texts[file].strip()}
        column = Column(len(full), sum(map(len, full.values())), set(), is_text=True)
        ids = Column(len(full), 0, set(full), is_text=True)
        matched = match([Table(new_table, len(full), {"id": ids, "text": column}), *tables])
        if matched is not None and matched.documents == new_table:
            rows = (json.dumps({"id": name, "text": text}, ensure_ascii=False) for name, text in full.items())
            n_empty = len(texts) - len(full)
            notes = [f"text files that are empty and left out: {n_empty}"] if n_empty else []
            return Found(_section(matched), (*matched.notes, *notes), "\n".join(rows) + "\n")
    raise _nothing(folder, tables, len(texts))


def _section(matched: Tables) -> CorpusConfig:
    labels = {"labels": matched.labels} if matched.labels else {}
    return CorpusConfig(
        source="tables", documents=matched.documents, questions=matched.questions,
        document_columns=matched.document_columns, question_columns=matched.question_columns, **labels,
    )  # fmt: skip


def _files(folder: Path) -> Iterator[Path]:
    """The files in a folder and in its folders, hidden ones left out."""
    for one in folder.iterdir():
        if one.name.startswith("."):
            continue
        if one.is_dir():
            yield from (file for file in one.iterdir() if file.is_file() and not file.name.startswith("."))
        elif one.is_file():
            yield one


def _names(folder: Path, files: list[Path]) -> Iterator[dict[str, Path]]:
    """Ways in which questions may name the files; a way in which two have one name is none."""
    for names in (
        [one.stem for one in files],
        [one.name for one in files],
        [one.relative_to(folder).as_posix() for one in files],
    ):
        if files and len(set(names)) == len(files):
            yield dict(zip(names, files, strict=True))


def _nothing(folder: Path, tables: list[Table], n_texts: int) -> InputError:
    """What is missing in a folder without a corpus."""
    found = [f"{one.file.name} with {', '.join(one.columns)}" for one in tables]
    found += [counted(n_texts, "text file")] if n_texts else []
    expected = "a table of documents (or text files) and a table of questions with a column that names their documents"
    if not found:
        return InputError(f"{folder} holds no table and no text", expected, "give the folder that holds them")
    n_tables = len(tables)
    remedy = (
        "write a table of questions with the columns id, text and document_ids"
        if n_tables < 2
        else "add the ids of the documents to the questions, or write the corpus section yourself (docs/corpus.md)"
    )
    return InputError(f"{folder} holds {'; '.join(found)[:400]}", expected, remedy)
