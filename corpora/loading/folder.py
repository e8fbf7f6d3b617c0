"""A folder of the user's own documents, with or without a table of questions."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from corpora.choices import labels_for
from corpora.defects import Defects
from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from corpora.loading.table_places import TablePlaces
from corpora.reading.text import is_file
from corpora.schema import Corpus, questions_frame
from corpora.sources.folder.conversions import Conversions
from corpora.sources.folder.documents import read_folder, without_left_out
from corpora.sources.rows import FORMATS, find_table
from corpora.sources.tables.questions import read_questions
from corpora.storage import sha256_file

QUESTIONS = "questions"


class NoQuestionsError(InputError):
    """A folder of documents has no table of questions yet; its line says how to get one."""

    def __init__(self, folder: Path, file: Path | None) -> None:
        target = (file or folder / QUESTIONS).with_suffix(".jsonl")  # which is how they are drafted
        found = f"{file} is not there" if file else f"{folder} has no questions (no file {QUESTIONS}.*)"
        draft = f"tercet questions draft {shlex.quote(str(folder))} --reader NAME --n 200"
        super().__init__(
            f"{found}, and without questions nothing can be compared",
            f"a table of questions ({', '.join(FORMATS)})",
            f"let a reader draft them with `{draft} --out {shlex.quote(str(target))}`, or write some: `id`, `text` "
            "and `document_ids` with the path of the file that answers the question, seen from the folder",
        )


def folder_of(config: CorpusConfig) -> Path:
    """The folder of documents.

    Raises:
        InputError: the section names none.
    """
    if config.path is None:
        raise InputError("source 'folder' without `path`", "the folder of your documents", "set `path`")
    return config.path


def questions_file(config: CorpusConfig) -> Path:
    """The table of questions.

    Raises:
        NoQuestionsError: there is none.
        InputError: the section names no folder, or the folder has several such tables.
    """
    folder = folder_of(config)
    file = config.questions or find_table(folder, QUESTIONS)
    if file is None or not is_file(file):
        raise NoQuestionsError(folder, config.questions)
    return file


def documents_in(config: CorpusConfig, files: Defects, conversions: Conversions | None) -> Corpus:
    """The documents of a folder, as a corpus without questions.

    Args:
        config: the corpus section.
        files: what to do with files that cannot be read; what is left out is in the corpus too.
        conversions: as in `load_corpus`.

    Raises:
        InputError: as in `read_folder`.
    """
    folder = folder_of(config)
    questions = config.questions or find_table(folder, QUESTIONS)
    read = read_folder(folder, files, conversions or Conversions(), questions)
    name = folder.resolve().name or "folder"
    labels = config.label_set
    left_out = files.left_out(len(read.frame), 0)
    return Corpus(name, read.frame, questions_frame(()), labels, read.inputs, left_out=left_out, notes=read.notes)


def read_corpus(config: CorpusConfig, rows: Defects, files: Defects, conversions: Conversions | None) -> Corpus:
    """The documents of a folder and the questions on them.

    Args:
        config: the corpus section.
        rows: what to do with a row of questions that cannot be used.
        files: what to do with a file that cannot be read; questions on nothing else are left out with it.
        conversions: as in `load_corpus`.

    Raises:
        InputError: as in `documents_in` and `questions_file`, or the questions cannot be read.
    """
    table = questions_file(config)  # looked for first: converting may take long
    corpus = documents_in(config, files, conversions)
    ids = frozenset(corpus.documents["document_id"])
    asked = read_questions(table, config.question_columns, corpus.labels, ids, rows, config.not_stated)
    kept = without_left_out(asked, files, str(table))
    inputs = {**corpus.inputs, table.name: sha256_file(table)}
    return replace(corpus, questions=kept, labels=labels_for(kept, corpus.labels, config.not_stated), inputs=inputs)


def places(config: CorpusConfig) -> TablePlaces:
    """How messages name the rows of the questions."""
    return TablePlaces(None, questions_file(config), config.document_columns, config.question_columns)
