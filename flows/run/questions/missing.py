"""Questions that a run drafts first, because its folder of documents has none yet."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from corpora.loading.folder import QUESTIONS, NoQuestionsError, folder_of, questions_file
from corpora.schema import DRAFTED
from corpora.sources.folder.conversions import Conversions
from corpora.sources.rows import read_rows
from corpora.sources.tables.columns import ORIGIN
from flows.run.questions.documents import Source, open_source
from flows.run.questions.drafting import LABELS, Wish, check_reader
from flows.run.questions.files import Places, drafting_report, places_beside
from flows.run.questions.fitting import fitting
from flows.run.questions.readers import find_reader, reader_for
from flows.session.experiment import Experiment, ReaderConfig
from flows.session.session import Session

# Questions with which a reader could tell chunk sizes apart at the very least: no population of readers and sizes that
# results/published/questions-needed.md simulates was told with fewer.
FEWEST = 40


class Missing(NamedTuple):
    """What is to be drafted.

    Attributes:
        source: the documents.
        reader: who drafts.
        wish: how many questions.
        places: where they go.
        folder: where the documents are.
    """

    source: Source
    reader: ReaderConfig
    wish: Wish
    places: Places
    folder: Path


def missing_questions(
    experiment: Experiment, file: Path, data: Path | None, conversions: Conversions
) -> Missing | None:  # fmt: skip
    """What is to be drafted before a run; None if the experiment does not say so, or its questions are there.

    Args:
        experiment: as loaded.
        file: where it was loaded from.
        data: folder of the user's own copies of published corpora.
        conversions: as in `load_corpus`.

    Raises:
        InputError: the documents cannot be read, there is no such reader, or the table cannot be written.
    """
    drafting = experiment.drafting
    corpus = experiment.corpus.resolved(file.parent)
    if drafting is None or _has_questions(corpus):
        return None
    drafter(experiment)  # refused before anything is read
    table = table_of(corpus)
    if table.suffix != ".jsonl":
        raise InputError(
            f"`questions` names {table}, which is not there",
            "a file that ends in .jsonl, which is how questions are drafted",
            "change its ending, or remove [drafting] and write the table",
        )
    # As it is given: the threads of a command are in no file.
    source = open_source(file, data, conversions)._replace(experiment=experiment)
    reader = reader_for(_name_of(experiment), source)
    return Missing(source, reader, Wish(drafting.n, votes=drafting.votes), places_beside(table), folder_of(corpus))


class Made(NamedTuple):
    """The questions that a drafting has made.

    Attributes:
        folder: where the documents are.
        table: where the questions are.
        question_ids: of the questions, as the table is now.
        by_votes: whether three votes confirmed each; otherwise the text alone decided.
    """

    folder: Path
    table: Path
    question_ids: tuple[str, ...]
    by_votes: bool


def made_questions(experiment: Experiment, file: Path) -> Made | None:
    """The questions that a drafting made for an experiment that says `[drafting]`; None if it has none, or its own.

    Args:
        experiment: as loaded.
        file: where it was loaded from.

    Raises:
        InputError: the table is damaged.
    """
    corpus = experiment.corpus.resolved(file.parent)
    table = table_of(corpus)
    if experiment.drafting is None or table.suffix != ".jsonl" or not table.is_file():
        return None
    report = drafting_report(places_beside(table).report)
    if report is None:
        return None
    rows = [row for _, row in read_rows(table, ())]
    if DRAFTED not in [row.get(ORIGIN) for row in rows]:  # written in place of drafts
        return None
    ids = tuple(str(row.get(corpus.question_columns.id)) for row in rows)
    return Made(folder_of(corpus), table, ids, bool(report["wish"].get("votes", True)))


def table_of(corpus: CorpusConfig) -> Path:
    """Where the questions of a folder are, or would be."""
    return corpus.questions or folder_of(corpus) / f"{QUESTIONS}.jsonl"


def drafter(experiment: Experiment) -> ReaderConfig:
    """The reader that drafts: the one that `[drafting]` names, or the first.

    Raises:
        InputError: there is no such reader, or it cannot write on this machine.
    """
    reader = find_reader(_name_of(experiment), experiment)
    check_reader(reader)
    return reader


def too_long_to_draft(experiment: Experiment, documents: pl.DataFrame, session: Session) -> str:
    """That the reader that drafts cannot read some documents whole, in a sentence; empty if it can read all.

    Args:
        experiment: says who drafts.
        documents: frame of schema `DOCUMENTS`.
        session: opens the reader's tokenizer.

    Raises:
        InputError: it can read none of them, or there is no such reader.
    """
    reader = reader_for(_name_of(experiment), Source("", documents, experiment=experiment))
    return fitting(documents, reader, LABELS, session).line


def _name_of(experiment: Experiment) -> str:
    """The name of the reader that drafts."""
    named = experiment.drafting.reader if experiment.drafting else None
    return named or experiment.readers[0].label


def _has_questions(corpus: CorpusConfig) -> bool:
    try:
        questions_file(corpus)
    except NoQuestionsError:
        return False
    return True
