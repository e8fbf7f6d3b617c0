"""The documents that questions are drafted from: those of an experiment, a published corpus, a table or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError
from corpora.loading.config import OWN, CorpusConfig
from corpora.loading.load import documents_of
from corpora.loading.recognised import guess_config
from corpora.published.registry import data_folder, published
from corpora.reading.text import is_file
from corpora.shaping.validate import validate_documents
from corpora.sources.folder.conversions import Conversions
from corpora.sources.rows import FORMATS, find_table
from flows.session.experiment import EXPERIMENTS, Experiment, load_experiment

DOCUMENTS, QUESTIONS = "documents", "questions"


class Source(NamedTuple):
    """Documents, and how they are read again.

    Attributes:
        name: of the corpus.
        documents: frame of schema `DOCUMENTS`.
        own: the section that reads the user's own documents; None for those of a published format.
        experiment: the experiment that they are from; None if they are not from one.
    """

    name: str
    documents: pl.DataFrame
    own: CorpusConfig | None = None
    experiment: Experiment | None = None


def open_source(path: Path, data: Path | None = None, conversions: Conversions | None = None) -> Source:
    """The documents that a PATH stands for; questions that are there are not read.

    Args:
        path: an experiment, a table of documents, a folder, or the name of a published corpus.
        data: folder of the user's own copies of published corpora.
        conversions: as in `load_corpus`.

    Raises:
        InputError: there is nothing that can be read, or a document is not sound.
    """
    experiment = _experiment(path)
    if experiment is not None:
        config = experiment.corpus.resolved(path.parent)
    elif str(path) in published() and not path.exists():
        config = CorpusConfig.model_validate({"published": str(path)})
    else:
        config = _config_of(path)
    config = config.located(data or data_folder())
    documents = documents_of(config, conversions)
    name = config.name or config.published or _name(config)
    return Source(name, validate_documents(name, documents), _alone(config), experiment)


def _experiment(path: Path) -> Experiment | None:
    """The experiment that a path names, bundled ones included."""
    named = not path.exists() and is_file(EXPERIMENTS / f"{path}.toml")
    return load_experiment(path) if path.suffix == ".toml" or named else None


def _config_of(path: Path) -> CorpusConfig:
    """The section for a file or folder: a table of documents, a published format, or a folder of one's own files."""
    if path.suffix.lower() in FORMATS and is_file(path):
        table = find_table(path.parent, DOCUMENTS) if path.stem == QUESTIONS else path
        if table is not None and not _is_published(path):
            return CorpusConfig(source="tables", documents=table)
    if path.is_dir():
        table = find_table(path, DOCUMENTS)
        if table is not None:
            return CorpusConfig(source="tables", documents=table)
    return guess_config(path)


def _is_published(file: Path) -> bool:
    """Whether a table is a file of a published format."""
    try:
        return guess_config(file).source not in OWN
    except InputError:
        return False


def _alone(config: CorpusConfig) -> CorpusConfig | None:
    """The section that reads the documents, without anything that was said of questions."""
    if config.source not in OWN:
        return None
    if config.source == "folder":
        return CorpusConfig(source="folder", path=config.path, on_defect=config.on_defect)
    file = config.documents or (find_table(config.path, DOCUMENTS) if config.path else None)
    return CorpusConfig(source="tables", documents=file, document_columns=config.document_columns)


def _name(config: CorpusConfig) -> str:
    """The folder that documents are in, or their source."""
    path = config.path or (config.documents.parent if config.documents else None)
    return (path.resolve().name if path else "") or config.source
