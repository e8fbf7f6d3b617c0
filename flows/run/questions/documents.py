"""The documents that questions are drafted from: those of an experiment, a published corpus, a table or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from corpora.loading.folder import folder_of
from corpora.loading.load import documents_of, read_source
from corpora.loading.recognised import guess_config
from corpora.published.registry import data_folder, published
from corpora.reading.text import is_file
from corpora.shaping.validate import validate_documents
from corpora.sources.rows import FORMATS, find_table
from corpora.sources.tables import read_documents
from flows.session.experiment import EXPERIMENTS, Experiment, load_experiment


class Source(NamedTuple):
    """Documents, and how they are read again.

    Attributes:
        name: of the corpus.
        documents: frame of schema `DOCUMENTS`.
        table: the section that reads them as a table of one's own; None where they are no table yet.
        experiment: the experiment that they are from; None if they are not from one.
    """

    name: str
    documents: pl.DataFrame
    table: CorpusConfig | None = None
    experiment: Experiment | None = None


def open_source(path: Path, data: Path | None = None) -> Source:
    """The documents that a PATH stands for; questions that are there are not read.

    Args:
        path: an experiment, a table of documents, a folder, or the name of a published corpus.
        data: folder of the user's own copies of published corpora.

    Raises:
        InputError: there is nothing that can be read, or a document is not sound.
    """
    found = _open(path, data or data_folder())
    validate_documents(found.name, found.documents)
    return found


def _open(path: Path, data: Path | None) -> Source:
    if path.suffix == ".toml" or (not path.exists() and is_file(EXPERIMENTS / f"{path}.toml")):
        experiment = load_experiment(path)
        source = _of_config(experiment.corpus.resolved(path.parent).located(data))
        return source._replace(name=experiment.corpus.name or source.name, experiment=experiment)
    if str(path) in published() and not path.exists():
        return _of_config(CorpusConfig.model_validate({"published": str(path)}).located(data))
    table = _table_of(path)
    if table is not None:
        return _of_config(CorpusConfig(source="tables", documents=table))
    return _of_config(guess_config(path))


def _table_of(path: Path) -> Path | None:
    """The table of documents at a path: the file itself, or the one of that name in a folder."""
    if path.is_dir():
        return find_table(path, "documents")
    if path.suffix.lower() not in FORMATS or not is_file(path):
        return None
    return find_table(path.parent, "documents") if path.stem == "questions" else path


def _of_config(config: CorpusConfig) -> Source:
    """The documents of a corpus section; a table of documents needs no table of questions beside it."""
    if config.source == "folder":
        folder = CorpusConfig(source="folder", path=config.path, on_defect=config.on_defect)
        return Source(config.name or folder_of(folder).resolve().name, documents_of(folder), folder)
    if config.source != "tables":
        corpus = read_source(config)
        return Source(config.name or config.published or corpus.name, corpus.documents)
    file = config.documents or (find_table(config.path, "documents") if config.path else None)
    if file is None:
        raise InputError(
            f"source 'tables' without documents (path {config.path})", "a file of documents", "set `documents`"
        )
    name = config.name or file.resolve().parent.name
    table = CorpusConfig(source="tables", documents=file, document_columns=config.document_columns)
    return Source(name, read_documents(file, config.document_columns), table)
