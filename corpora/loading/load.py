"""Reads, checks and selects the corpus that a section describes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import polars as pl

from corpora.defects import Defects, OnDefect
from corpora.errors import InputError, RowError
from corpora.loading.config import OWN, CorpusConfig, Format, check_keys
from corpora.loading.folder import NoQuestionsError, documents_in, questions_file, read_corpus
from corpora.loading.folder import places as folder_places
from corpora.loading.table_places import TablePlaces
from corpora.schema import Corpus
from corpora.shaping.defective import leave_out_defective
from corpora.shaping.distractors import add_distractors
from corpora.shaping.drawn_choices import draw_choices
from corpora.shaping.selection import assign_split, describe_split, sample_questions
from corpora.shaping.stitch import stitch
from corpora.shaping.validate import find_problems, validate
from corpora.sources.bundled import read_sample
from corpora.sources.folder.conversions import Conversions
from corpora.sources.formats.beir import read_beir
from corpora.sources.formats.chroma import read_chroma
from corpora.sources.formats.evidence_inference import read_evidence_inference
from corpora.sources.formats.pubmedqa import read_pubmedqa
from corpora.sources.formats.squad import read_squad
from corpora.sources.generator import generate_corpus
from corpora.sources.rows import find_table
from corpora.sources.tables.corpus import read_tables
from corpora.sources.tables.documents import read_documents
from corpora.storage import StorePath, sha256_text

_FORMATS: dict[Format, Callable[[Path, Defects], Corpus]] = {
    "pubmedqa": read_pubmedqa,
    "evidence_inference": read_evidence_inference,
    "squad": read_squad,
    "beir": read_beir,
    "chroma": read_chroma,
}


def load_corpus(
    config: CorpusConfig, pins: StorePath | None = None, conversions: Conversions | None = None
) -> Corpus:  # fmt: skip
    """Read, check, split and sample a corpus: all documents stay, only questions are selected.

    Args:
        config: the corpus section.
        pins: a folder in which samples are recorded, so that a sample stays the same when its source grows.
        conversions: converts the files of a folder; by default they are converted in memory.

    Raises:
        InputError: something is wrong with the input.
    """
    corpus = validate(read_source(config, conversions), _places(config))
    split = config.split
    if split == "auto":
        split = "all" if corpus.questions["split"].is_null().all() else "held_out"
    questions = assign_split(corpus.questions, config.held_out_fraction, config.seed)
    name = _name_of(corpus, config)
    drawn = describe_split(name, corpus.questions, questions, split, _how_to_split(config))
    tune = questions.filter(pl.col("split") == "tune") if split == "held_out" else None
    if split != "all":
        questions = questions.filter(pl.col("split") == split)
    if questions.is_empty():
        raise InputError(
            f"{corpus.name}: no questions in split {split!r}", "at least one question", "choose another `split`"
        )
    if config.sample is not None:
        pin = pins / f"{corpus.name}-{config.sample}-{_draw_digest(config)}.json" if pins else None
        questions = sample_questions(questions, config.sample, config.seed, pin)
    selected = replace(corpus, name=name, questions=questions, tune=tune, split_line=drawn, language=config.language)
    # Done last, so that the same questions are asked whether the documents are short or long.
    return lengthen(selected, config)


def _name_of(corpus: Corpus, config: CorpusConfig) -> str:
    """What reports call a corpus."""
    return config.name or config.published or corpus.name


def _how_to_split(config: CorpusConfig) -> str:
    """How a user says which question is in which split, and which of them are asked."""
    keys = "set `split` and `held_out_fraction` in [corpus]"
    if config.source not in OWN:
        return keys
    return f"add a column `{config.question_columns.split}` with tune or held_out to the questions, or {keys}"


def lengthen(corpus: Corpus, config: CorpusConfig) -> Corpus:
    """The corpus with distractors added and documents joined into longer ones.

    Raises:
        InputError: as in `add_distractors`; also if `n_distractors` is set without a file.
    """
    if config.distractors is None and config.n_distractors is not None:
        raise InputError(
            f"n_distractors is {config.n_distractors}, but `distractors` is not set",
            "a file of distractors",
            "set `distractors`",
        )
    if config.distractors is not None:
        columns = config.document_columns
        more = (config.distractors, config.n_distractors, columns, config.seed, config.on_defect)
        corpus = validate(add_distractors(corpus, *more))
    return stitch(corpus, config.stitch, config.seed)


def _draw_digest(config: CorpusConfig) -> str:
    """Digest that names a pinned sample; it covers where the source is, not its content, which may grow."""
    # Nor does it cover what is made of the documents: short and long ones are asked the same questions.
    made = {"stitch", "distractors", "n_distractors", "language"}
    left_out = {"name", "document_columns", "question_columns", "labels", "on_defect"} | made
    left_out |= {"path"} if config.published else set()  # it is the same corpus wherever its files are
    drawn_from = config.model_dump(mode="json", exclude=left_out)
    return sha256_text(json.dumps(drawn_from, sort_keys=True))[:12]


def read_source(config: CorpusConfig, conversions: Conversions | None = None) -> Corpus:
    """Read a corpus as it is, without checking, splitting or sampling it.

    Args:
        config: the corpus section.
        conversions: as in `load_corpus`.

    Raises:
        InputError: as in `check_keys`, or the source cannot be read.
    """
    check_keys(config)
    defects = Defects(_on_defect(config))
    files = Defects(config.on_defect or "skip")  # a folder holds what nobody has read for years
    corpus = _read_labelled(config, defects, files, conversions)
    if defects.skips:
        corpus = leave_out_defective(corpus, defects)
    left_out = defects.left_out(len(corpus.documents), len(corpus.questions)).with_more(files.left_out(0, 0))
    return replace(corpus, left_out=left_out)


def documents_of(config: CorpusConfig, conversions: Conversions | None = None) -> pl.DataFrame:
    """The documents of a corpus, whether it has questions or not; frame of schema `DOCUMENTS`.

    Args:
        config: the corpus section, with the paths of its files on this machine.
        conversions: as in `load_corpus`.

    Raises:
        InputError: as in `read_source`, or most of a folder's files cannot be read.
    """
    check_keys(config)
    if config.source == "folder":
        corpus = documents_in(config, Defects(config.on_defect or "skip"), conversions)
        lost = corpus.left_out.too_much(corpus.name)
        if lost is not None:
            raise lost
        return corpus.documents
    if config.source == "tables":
        return read_documents(_table_file(config, "documents"), config.document_columns, Defects(_on_defect(config)))
    return read_source(config).documents


def list_problems(
    config: CorpusConfig, conversions: Conversions | None = None
) -> tuple[Corpus, Iterator[InputError]]:  # fmt: skip
    """The corpus, and everything for which `load_corpus` would refuse it, where that stops at the first.

    Args:
        config: the corpus section.
        conversions: as in `load_corpus`.

    Raises:
        InputError: a file cannot be read at all.
    """
    corpus, problems = _list_problems(config, conversions)
    return replace(corpus, name=_name_of(corpus, config)), problems


def _list_problems(config: CorpusConfig, conversions: Conversions | None) -> tuple[Corpus, Iterator[InputError]]:
    check_keys(config)
    if config.source == "folder" and (missing := _no_questions(config)):
        files = Defects("skip")
        corpus = documents_in(config, files, conversions)
        lost = corpus.left_out.too_much(corpus.name)
        return corpus, chain([lost] if lost else (), files.errors if config.on_defect == "refuse" else (), [missing])
    if _on_defect(config) == "skip":
        corpus = read_source(config, conversions)
        return corpus, find_problems(corpus, _places(config))
    defects, files = Defects("skip"), Defects("skip")
    corpus = _read_labelled(config, defects, files, conversions)
    corpus = replace(corpus, left_out=files.left_out(len(corpus.documents), len(corpus.questions)))
    errors = [*defects.errors, *(files.errors if config.on_defect == "refuse" else ())]
    # Whether a question is sound cannot be told while its document is not read.
    unread = [f"document {one!r}" for one in defects.identifiers("document")]
    told = (one for one in find_problems(corpus, _places(config)) if not any(name in one.found for name in unread))
    # Nor can it be told that there is no document or question at all.
    return corpus, chain(errors, (one for one in told if isinstance(one, RowError) or not errors))


def _no_questions(config: CorpusConfig) -> InputError | None:
    """What is to be said of a folder that has no questions yet; None if it has."""
    try:
        questions_file(config)
    except NoQuestionsError as error:
        return error
    return None


def _places(config: CorpusConfig) -> TablePlaces | None:
    """How messages name the rows of the user's own tables."""
    if config.source == "folder":
        return folder_places(config)
    if config.source != "tables":
        return None
    return TablePlaces(*_table_files(config), config.document_columns, config.question_columns)


def _on_defect(config: CorpusConfig) -> OnDefect:
    """What is done with a row that cannot be used; with a file of a folder that cannot be read, see `_read`."""
    return config.on_defect or ("skip" if config.source in _FORMATS else "refuse")


def _read_labelled(config: CorpusConfig, rows: Defects, files: Defects, conversions: Conversions | None) -> Corpus:
    """The corpus as its source has it, with the label that says that nothing is stated, if there is one."""
    corpus = _read(config, rows, files, conversions)
    if config.choices is not None:
        corpus = draw_choices(corpus, config.choices, config.not_stated, rows)
    elif corpus.labels.of_question and config.labels != CorpusConfig().labels:
        raise InputError(
            f"{corpus.name}: `labels` is set, and questions have choices of their own (column "
            f"{config.question_columns.choices!r})",
            "one of the two",
            "remove `labels`, or rename the column",
        )
    return replace(corpus, labels=corpus.labels.with_label(config.not_stated), not_stated=config.not_stated)


def _read(config: CorpusConfig, rows: Defects, files: Defects, conversions: Conversions | None) -> Corpus:
    if config.source == "sample":
        return read_sample()
    if config.source == "generated":
        return generate_corpus(config.generator)
    if config.source == "folder":
        return read_corpus(config, rows, files, conversions)
    if config.source == "squad":
        return read_squad(_required(config.path, "path", config.source), rows, config.not_stated)
    if config.source != "tables":
        return _FORMATS[config.source](_required(config.path, "path", config.source), rows)
    documents, questions = _table_files(config)
    columns = (config.document_columns, config.question_columns)
    return read_tables(documents, questions, config.label_set, *columns, rows, config.not_stated)


def _required(path: Path | None, name: str, source: str) -> Path:
    if path is None:
        raise InputError(
            f"source {source!r} without `{name}`",
            f"the {name} of its files, or `published` with a name from `tercet corpora list`",
            "set one of the two in the corpus section",
        )
    return path


def _table_files(config: CorpusConfig) -> tuple[Path, Path]:
    return _table_file(config, "documents"), _table_file(config, "questions")


def _table_file(config: CorpusConfig, stem: str) -> Path:
    given: Path | None = getattr(config, stem)
    file = given or (find_table(config.path, stem) if config.path else None)
    if file is None:
        raise InputError(
            f"source 'tables' without {stem} (path {config.path})", f"a file of {stem}", f"set `path` or `{stem}`"
        )
    return file
