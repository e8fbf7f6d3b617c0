"""From a corpus section of an experiment to a checked corpus: the one place that knows every source."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from corpora.bundled import read_sample
from corpora.digest import sha256_text
from corpora.errors import InputError
from corpora.generator import GeneratorConfig, generate_corpus
from corpora.pubmedqa import PARTS, read_pubmedqa
from corpora.schema import Corpus, LabelSet
from corpora.selection import assign_split, sample_questions
from corpora.tables import DocumentColumns, QuestionColumns, find_table, read_tables
from corpora.validate import validate


class CorpusConfig(BaseModel):
    """Where documents and questions come from, and which questions take part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="how reports call it; the source's name by default"
    )
    source: Literal["sample", "pubmedqa", "tables", "generated"] = Field(
        "sample", description="the bundled sample, PubMedQA, your own tables, or the generator"
    )
    path: Path | None = Field(
        None, description="pubmedqa: folder or ori_pqal.json; tables: folder with documents.* and questions.*"
    )
    documents: Path | None = Field(None, description="tables: the documents' file (JSONL, CSV, Parquet)")
    questions: Path | None = Field(None, description="tables: the questions' file (JSONL, CSV, Parquet)")
    document_columns: DocumentColumns = Field(default_factory=DocumentColumns, description="tables: column names")
    question_columns: QuestionColumns = Field(default_factory=QuestionColumns, description="tables: column names")
    labels: tuple[str, ...] = Field(("yes", "no", "maybe"), description="tables: the allowed answers, 2 to 8")
    generator: GeneratorConfig = Field(default_factory=GeneratorConfig, description="generated: what to plant")
    split: Literal["auto", "tune", "held_out", "all"] = Field(
        "auto", description="which questions are asked; auto: the held-out ones where the source has a split, else all"
    )
    held_out_fraction: float = Field(0.5, gt=0, lt=1, description="where the source has no split of its own")
    sample: int | None = Field(None, ge=1, description="ask only so many questions of the split, drawn by seed")
    seed: int = Field(0, description="seed of the sample and of the split")

    def resolved(self, base: Path) -> CorpusConfig:
        """The same with its relative paths starting from `base`."""
        given = {name: getattr(self, name) for name in ("path", "documents", "questions")}
        return self.model_copy(update={name: base / path for name, path in given.items() if path is not None})


def load_corpus(config: CorpusConfig, pins: Path | None = None) -> Corpus:
    """Read, check, split and sample a corpus; all documents stay, questions are selected.

    Args:
        config: the corpus section.
        pins: a folder that remembers samples, so that a sample stays the same when its source grows.

    Raises:
        InputError: whatever is wrong with the input, in one line.
    """
    corpus = validate(read_source(config))
    split = config.split
    if split == "auto":
        split = "all" if corpus.questions["split"].is_null().all() else "held_out"
    questions = assign_split(corpus.questions, config.held_out_fraction, config.seed)
    tune = questions.filter(pl.col("split") == "tune") if split == "held_out" else None
    if split != "all":
        questions = questions.filter(pl.col("split") == split)
    if questions.is_empty():
        raise InputError(f"{corpus.name}: no question in split {split!r}", "at least one", "choose another `split`")
    if config.sample is not None:
        pin = pins / f"{corpus.name}-{config.sample}-{_draw_digest(config)}.json" if pins else None
        questions = sample_questions(questions, config.sample, config.seed, pin)
    return replace(corpus, name=config.name or corpus.name, questions=questions, tune=tune)


def _draw_digest(config: CorpusConfig) -> str:
    """What a pinned sample belongs to: the source by its place, not by its content, which may grow."""
    drawn_from = config.model_dump(mode="json", exclude={"name", "document_columns", "question_columns", "labels"})
    return sha256_text(json.dumps(drawn_from, sort_keys=True))[:12]


def read_source(config: CorpusConfig) -> Corpus:
    """Read a corpus as it is: not checked, not split, not sampled."""
    # Compared with the default: a form sends every field, also those that nobody touched.
    if config.source != "tables" and config.labels != CorpusConfig.model_fields["labels"].default:
        raise InputError(
            f"`labels` with source {config.source!r}",
            "them with source 'tables' only",
            "remove it, as it has its own",
        )
    if config.source == "sample":
        return read_sample()
    if config.source == "generated":
        return generate_corpus(config.generator)
    if config.source == "pubmedqa":
        return read_pubmedqa(_required(config.path, "path", config.source))
    documents, questions = _table_files(config)
    return read_tables(documents, questions, LabelSet(config.labels), config.document_columns, config.question_columns)


def guess_config(path: Path) -> CorpusConfig:
    """The corpus section for a bare path: a PubMedQA folder or file, or a folder of tables.

    Raises:
        InputError: nothing there that a reader knows.
    """
    if not path.exists():
        raise InputError(f"no such path {path}", "a corpus folder or file", "check the path")
    if path.suffix == ".json" or any((path / name).is_file() for name in PARTS):
        return CorpusConfig(source="pubmedqa", path=path, split="all")
    if path.is_dir() and find_table(path, "documents") and find_table(path, "questions"):
        return CorpusConfig(source="tables", path=path, split="all")
    raise InputError(
        f"{path} holds no corpus that Tercet knows",
        f"{PARTS[0]}, or documents.* and questions.* (JSONL, CSV, Parquet), or an experiment's .toml file",
        "point at the folder that holds them",
    )


def _required(path: Path | None, name: str, source: str) -> Path:
    if path is None:
        raise InputError(f"source {source!r} without `{name}`", f"a {name}", f"set `{name}` in the corpus section")
    return path


def _table_files(config: CorpusConfig) -> tuple[Path, Path]:
    files = []
    for stem, given in (("documents", config.documents), ("questions", config.questions)):
        file = given or (find_table(config.path, stem) if config.path else None)
        if file is None:
            raise InputError(
                f"source 'tables' without {stem} (path {config.path})", f"a {stem} file", f"set `path` or `{stem}`"
            )
        files.append(file)
    return files[0], files[1]
