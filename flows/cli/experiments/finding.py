"""What a folder holds: a published corpus, two tables that belong together, or texts with a table of questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from corpora.loading.recognised import guess_config
from corpora.reading.folders import files_below
from corpora.reading.text import read_text
from corpora.schema import DRAFT_TAGS, DRAFTED_BY
from corpora.sources.folder.converters import ENDINGS
from corpora.sources.rows import FORMATS, find_table
from corpora.sources.tables.columns import ORIGIN
from flows.cli.experiments.columns import Column, Table, Tables, match, read_table

TEXTS = (".txt", ".md")
MOST_TABLES = 20
DRAFTED_LABELS = ("yes", "no")  # of questions that a reader drafts
_OF_DRAFTS = {ORIGIN, "kind", DRAFTED_BY}  # columns that a table of them has


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
    if known.source == "folder":
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
    files_of_documents = files_below(folder, ENDINGS).found if not find_table(folder, "documents") else {}
    # A link that leads nowhere is named by whoever reads it.
    sizes = {name: file.stat().st_size if file.is_file() else 0 for name, file in files_of_documents.items()}
    matched = match([_table_of_texts(new_table, sizes), *tables])
    if matched is not None and matched.documents == new_table:
        section = _section(matched, folder)
        drafts = any(one.file == matched.questions and one.columns.keys() >= _OF_DRAFTS for one in tables)
        return Found(_as_drafted(section) if drafts else section, (*matched.notes, *skipped))
    found = _find_named_texts(folder, new_table, tables)
    if found is not None:
        return found
    if files_of_documents:
        strangers = [f"{one.file.name} names no document of the folder, and is not used" for one in tables]
        return Found(_as_drafted(CorpusConfig(source="folder", path=folder)), (*strangers, *skipped))
    raise _nothing(folder, tables)


def _find_named_texts(folder: Path, new_table: Path, tables: list[Table]) -> Found | None:
    """Text files whose names without their folder, or without their ending, are the ids that questions give."""
    texts = {one: read_text(one) for one in sorted(_files(folder)) if one.suffix.lower() in TEXTS} if tables else {}
    for named in _names(list(texts)):
        full = {name: texts[file] for name, file in named.items() if texts[file].strip()}
        matched = match([_table_of_texts(new_table, {name: len(text) for name, text in full.items()}), *tables])
        if matched is not None and matched.documents == new_table:
            rows = (json.dumps({"id": name, "text": text}, ensure_ascii=False) for name, text in full.items())
            n_empty = len(texts) - len(full)
            notes = [f"text files that are empty and left out: {n_empty}"] if n_empty else []
            return Found(_section(matched), (*matched.notes, *notes), "\n".join(rows) + "\n")
    return None


def _table_of_texts(file: Path, sizes: Mapping[str, int]) -> Table:
    """What a table of documents would hold, given how long each is."""
    text = Column(len(sizes), sum(sizes.values()), set(), is_text=True)
    return Table(file, len(sizes), {"id": Column(len(sizes), 0, set(sizes), is_text=True), "text": text})


def _section(matched: Tables, folder: Path | None = None) -> CorpusConfig:
    """The section that reads two tables, or a folder of documents and a table of questions."""
    labels = {"labels": matched.labels} if matched.labels else {}
    asked = {"questions": matched.questions, "question_columns": matched.question_columns, **labels}
    if folder is not None:
        return CorpusConfig(source="folder", path=folder, **asked)
    tables = {"documents": matched.documents, "document_columns": matched.document_columns}
    return CorpusConfig(source="tables", **tables, **asked)


def _as_drafted(section: CorpusConfig) -> CorpusConfig:
    """The same section for questions that a reader drafts or has drafted."""
    columns = section.question_columns.model_copy(update={"tags": DRAFT_TAGS})
    return section.model_copy(update={"labels": DRAFTED_LABELS, "question_columns": columns})


def _files(folder: Path) -> Iterator[Path]:
    """The files in a folder and in its folders, hidden ones left out."""
    for one in folder.iterdir():
        if one.name.startswith("."):
            continue
        if one.is_dir():
            yield from (file for file in one.iterdir() if file.is_file() and not file.name.startswith("."))
        elif one.is_file():
            yield one


def _names(files: list[Path]) -> Iterator[dict[str, Path]]:
    """Ways in which questions may name the files; a way in which two have one name is none."""
    for names in ([one.stem for one in files], [one.name for one in files]):
        if files and len(set(names)) == len(files):
            yield dict(zip(names, files, strict=True))


def _nothing(folder: Path, tables: list[Table]) -> InputError:
    """What is missing in a folder without a corpus."""
    found = [f"{one.file.name} with {', '.join(one.columns)}" for one in tables]
    expected = "documents in files, or a table of documents and a table of questions with a column that names them"
    if not found:
        return InputError(
            f"{folder} holds no table and no document", expected, f"give a folder with files in {', '.join(ENDINGS)}"
        )
    n_tables = len(tables)
    remedy = (
        "write a table of questions with the columns id, text and document_ids"
        if n_tables < 2
        else "add the ids of the documents to the questions, or write the corpus section yourself (docs/corpus.md)"
    )
    return InputError(f"{folder} holds {'; '.join(found)[:400]}", expected, remedy)
