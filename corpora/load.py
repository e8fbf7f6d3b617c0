"""Loads and checks the corpus that an experiment describes: the one place that knows every source."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from corpora.defects import Defects, OnDefect
from corpora.errors import InputError, RowError, one_line
from corpora.published.registry import find_published, locate, published
from corpora.reading.text import encoding_of, is_file
from corpora.schema import Corpus, LabelSet
from corpora.shaping.defective import leave_out_defective
from corpora.shaping.distractors import add_distractors
from corpora.shaping.selection import assign_split, sample_questions
from corpora.shaping.stitch import stitch
from corpora.shaping.validate import find_problems, validate
from corpora.sources.beir import read_beir
from corpora.sources.bundled import read_sample
from corpora.sources.chroma import read_chroma
from corpora.sources.evidence_inference import read_evidence_inference
from corpora.sources.exports import shards_in
from corpora.sources.generator import GeneratorConfig, generate_corpus
from corpora.sources.pubmedqa import EXPORTED as PUBMEDQA_COLUMNS
from corpora.sources.pubmedqa import PARTS, read_pubmedqa
from corpora.sources.rows import FORMATS, find_table
from corpora.sources.squad import EXPORTED as SQUAD_COLUMNS
from corpora.sources.squad import read_squad
from corpora.sources.tables import DocumentColumns, QuestionColumns, TablePlaces, read_tables
from corpora.storage import StorePath, sha256_text

TABLES = ("documents", "questions")
Source = Literal["sample", "pubmedqa", "evidence_inference", "squad", "beir", "chroma", "tables", "generated"]
# The sources that need nothing but a path.
_READERS: dict[str, Callable[[Path, Defects], Corpus]] = {
    "pubmedqa": read_pubmedqa,
    "evidence_inference": read_evidence_inference,
    "squad": read_squad,
    "beir": read_beir,
    "chroma": read_chroma,
}

# The keys that only some sources read; `document_columns` also names the columns of distractors.
_READ_BY: dict[str, tuple[str, ...]] = {
    "path": (*_READERS, "tables"),
    "documents": ("tables",),
    "questions": ("tables",),
    "question_columns": ("tables",),
    "generator": ("generated",),
}

# The files by which a source is recognised.
_FILES: dict[Source, tuple[str, ...]] = {
    "pubmedqa": PARTS,
    "evidence_inference": ("prompts_merged.csv",),
    "beir": ("corpus.jsonl", "corpus.parquet"),
    "chroma": ("questions_df.csv",),
}
# The columns by which an export is recognised.
_COLUMNS: dict[Source, frozenset[str]] = {"pubmedqa": PUBMEDQA_COLUMNS, "squad": SQUAD_COLUMNS}


class CorpusConfig(BaseModel):
    """Where documents and questions come from, and which questions take part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="the name that reports use; the source's name by default",
    )
    source: Literal["sample", "pubmedqa", "evidence_inference", "squad", "beir", "chroma", "tables", "generated"] = (
        Field(
            "sample",
            description="the bundled sample, PubMedQA, Evidence Inference, SQuAD-format JSON, a BEIR folder, Chroma's "
            "chunking evaluation, your own tables, or the generator",
        )
    )
    path: Path | None = Field(
        None,
        description="pubmedqa: its folder or ori_pqal.json; squad: the .json file; tables: a folder with documents.* "
        "and questions.*; other sources: their folder",
    )
    published: str | None = Field(
        None,
        exclude_if=lambda name: name is None,  # runs of a version without this key are the same runs
        description="a published corpus by its name in `tercet corpora list`, which also gives the source; its files "
        "are those that `tercet corpora fetch` fetched, or your own copy in the folder that --data names",
    )
    documents: Path | None = Field(None, description="tables: the file of documents (JSONL, CSV or Parquet)")
    questions: Path | None = Field(None, description="tables: the file of questions (JSONL, CSV or Parquet)")
    document_columns: DocumentColumns = Field(default_factory=DocumentColumns, description="tables: column names")
    question_columns: QuestionColumns = Field(default_factory=QuestionColumns, description="tables: column names")
    labels: tuple[str, ...] = Field(("yes", "no", "maybe"), description="tables: the allowed answers, 2 to 8")
    generator: GeneratorConfig = Field(default_factory=GeneratorConfig, description="generated: what to plant")
    stitch: int = Field(
        1, ge=1, description="how many documents to join into each long one, drawn by seed; 1 to join none"
    )
    distractors: Path | None = Field(
        None,
        description="documents that are indexed and never asked about: a table with id and text, or a PubMedQA .json",
    )
    n_distractors: int | None = Field(
        None, ge=1, description="how many distractors to add, drawn by seed; all by default"
    )
    split: Literal["auto", "tune", "held_out", "all"] = Field(
        "auto", description="which questions to ask; auto: the held-out ones if the source has a split, otherwise all"
    )
    held_out_fraction: float = Field(
        0.5, gt=0, lt=1, description="share of the questions to hold out if the source has no split"
    )
    sample: int | None = Field(
        None, ge=1, description="how many questions of the split to ask, drawn by seed; all by default"
    )
    on_defect: OnDefect | None = Field(
        None,
        description="refuse: the first row that cannot be used stops the run; skip: such rows are left out, counted "
        "and listed; by default published formats skip, and your own tables refuse",
    )
    seed: int = Field(0, description="seed of everything that is drawn: sample, split, joined documents, distractors")

    def resolved(self, base: Path) -> CorpusConfig:
        """The same section, with relative paths taken from `base`."""
        given = {name: getattr(self, name) for name in ("path", "documents", "questions", "distractors")}
        return self.model_copy(update={name: base / path for name, path in given.items() if path is not None})

    def located(self, data: Path | None, *, digests: bool = True) -> CorpusConfig:
        """The same section, with the path of the published corpus that it names, if it names one.

        Args:
            data: folder of the user's own copies.
            digests: whether fetched files are read to verify them.

        Raises:
            InputError: as `locate`.
        """
        if not self.published:
            return self
        return self.model_copy(update={"path": locate(self.published, data, digests=digests)})

    @model_validator(mode="before")
    @classmethod
    def _with_source(cls, given: Any) -> Any:
        """A published corpus has its source, which need not be repeated."""
        name = given.get("published") if isinstance(given, dict) else None
        known = published().get(name) if isinstance(name, str) else None  # the field refuses what is no text
        return {"source": known.source} | given if known else given


def load_corpus(config: CorpusConfig, pins: StorePath | None = None) -> Corpus:
    """Read, check, split and sample a corpus: all documents stay, only questions are selected.

    Args:
        config: the corpus section.
        pins: a folder in which samples are recorded, so that a sample stays the same when its source grows.

    Raises:
        InputError: something is wrong with the input.
    """
    corpus = validate(read_source(config), _places(config))
    split = config.split
    if split == "auto":
        split = "all" if corpus.questions["split"].is_null().all() else "held_out"
    questions = assign_split(corpus.questions, config.held_out_fraction, config.seed)
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
    name = config.name or config.published or corpus.name
    selected = replace(corpus, name=name, questions=questions, tune=tune)
    # Done last, so that the same questions are asked whether the documents are short or long.
    return lengthen(selected, config)


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
    made = {"stitch", "distractors", "n_distractors"}
    left_out = {"name", "document_columns", "question_columns", "labels", "on_defect"} | made
    left_out |= {"path"} if config.published else set()  # it is the same corpus wherever its files are
    drawn_from = config.model_dump(mode="json", exclude=left_out)
    return sha256_text(json.dumps(drawn_from, sort_keys=True))[:12]


def check_published(config: CorpusConfig) -> None:
    """Refuse a published corpus that does not exist, or whose files or source are given as well.

    Raises:
        InputError: as said.
    """
    if not config.published:
        return
    source = find_published(config.published).source
    if config.source != source:
        raise InputError(
            f"`published` is {config.published!r} and `source` is {config.source!r}",
            f"the source {source!r} for that corpus",
            "remove `source`, or name the files with `path` instead of `published`",
        )
    for key in ("path", "documents", "questions"):
        if getattr(config, key) is not None:
            raise InputError(
                f"`{key}` and `published` are both set",
                "the files of a corpus, or the name of a published one",
                f"remove `{key}`, or remove `published`",
            )


def check_keys(config: CorpusConfig) -> None:
    """Refuse keys that the source does not read: the user means another source.

    Raises:
        InputError: as said.
    """
    # Compared with the default because a web form sends every field, even those that nobody changed.
    default = CorpusConfig()
    if config.source != "tables" and config.labels != default.labels:
        raise InputError(
            f"`labels` is set for source {config.source!r}, which has its own labels",
            "`labels` only with source 'tables'",
            "remove `labels`",
        )
    for key, sources in _READ_BY.items():
        if config.source not in sources and getattr(config, key) != getattr(default, key):
            raise InputError(
                f"`{key}` is set for source {config.source!r}{' (the default)' * (config.source == 'sample')}",
                f"`{key}` only with source {' or '.join(map(repr, sources))}",
                f"set `source`, or remove `{key}`",
            )
    if config.source != "tables" and config.distractors is None and config.document_columns != default.document_columns:
        raise InputError(
            f"`document_columns` is set for source {config.source!r} without `distractors`",
            "`document_columns` for a table of documents",
            "set `source` or `distractors`, or remove `document_columns`",
        )


def read_source(config: CorpusConfig) -> Corpus:
    """Read a corpus as it is, without checking, splitting or sampling it.

    Raises:
        InputError: as in `check_keys`, or the source cannot be read.
    """
    check_keys(config)
    defects = Defects(_on_defect(config))
    corpus = _read(config, defects)
    if defects.skips:
        corpus = leave_out_defective(corpus, defects)
    return replace(corpus, left_out=defects.left_out(len(corpus.documents), len(corpus.questions)))


def list_problems(config: CorpusConfig) -> tuple[Corpus, Iterator[InputError]]:
    """The corpus, and everything for which `load_corpus` would refuse it, where that stops at the first.

    Raises:
        InputError: a file cannot be read at all.
    """
    if _on_defect(config) == "skip":
        corpus = read_source(config)
        return corpus, find_problems(corpus, _places(config))
    check_keys(config)
    defects = Defects("skip")
    corpus = _read(config, defects)
    # Whether a question is sound cannot be told while its document is not read.
    unread = [f"document {one.id!r}" for one in defects.left_out(0, 0).defects if one.kind == "document"]
    told = (one for one in find_problems(corpus, _places(config)) if not any(name in one.found for name in unread))
    # Nor can it be told that there is no document or question at all.
    return corpus, chain(defects.errors, (one for one in told if isinstance(one, RowError) or not defects.errors))


def _places(config: CorpusConfig) -> TablePlaces | None:
    """How messages name the rows of the user's own tables."""
    if config.source != "tables":
        return None
    return TablePlaces(*_table_files(config), config.document_columns, config.question_columns)


def _on_defect(config: CorpusConfig) -> OnDefect:
    return config.on_defect or ("skip" if config.source in _READERS else "refuse")


def _read(config: CorpusConfig, defects: Defects) -> Corpus:
    if config.source == "sample":
        return read_sample()
    if config.source == "generated":
        return generate_corpus(config.generator)
    if config.source in _READERS:
        return _READERS[config.source](_required(config.path, "path", config.source), defects)
    documents, questions = _table_files(config)
    columns = (config.document_columns, config.question_columns)
    return read_tables(documents, questions, LabelSet(config.labels), *columns, defects)


def guess_config(path: Path) -> CorpusConfig:
    """The corpus section for a bare path, recognised by the files that each source has.

    Raises:
        InputError: the path holds nothing that a source can read.
    """
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
    raise InputError(
        f"{path} holds no corpus that Tercet recognises",
        f"one of the files {', '.join(name for names in _FILES.values() for name in names)}, or documents.* and "
        "questions.* (JSONL, CSV, Parquet), or a SQuAD-format .json, or an experiment's .toml file",
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


def _required(path: Path | None, name: str, source: str) -> Path:
    if path is None:
        raise InputError(
            f"source {source!r} without `{name}`",
            f"the {name} of its files, or `published` with a name from `tercet corpora list`",
            "set one of the two in the corpus section",
        )
    return path


def _table_files(config: CorpusConfig) -> tuple[Path, Path]:
    files = []
    for stem, given in zip(TABLES, (config.documents, config.questions), strict=True):
        file = given or (find_table(config.path, stem) if config.path else None)
        if file is None:
            raise InputError(
                f"source 'tables' without {stem} (path {config.path})", f"a file of {stem}", f"set `path` or `{stem}`"
            )
        files.append(file)
    return files[0], files[1]
