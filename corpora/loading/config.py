"""The corpus section of an experiment: where documents and questions come from, and which keys go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from corpora.choices import places
from corpora.defects import OnDefect
from corpora.errors import InputError, listed
from corpora.languages import Language
from corpora.published.registry import find_published, locate, published
from corpora.schema import MOST_LABELS, LabelSet
from corpora.sources.generator import GeneratorConfig
from corpora.sources.tables.columns import DocumentColumns, QuestionColumns

TABLES = ("documents", "questions")
Format = Literal["pubmedqa", "evidence_inference", "squad", "beir", "chroma"]  # published ones: a path is all they need
Source = Literal["sample", Format, "tables", "folder", "generated"]
OWN: tuple[Source, ...] = ("tables", "folder")  # the user's own, with questions in a table

# The keys that only some sources read; `document_columns` also names the columns of distractors.
_READ_BY: dict[str, tuple[str, ...]] = {
    "path": (*get_args(Format), *OWN),
    "documents": ("tables",),
    "questions": OWN,
    "question_columns": OWN,
    "generator": ("generated",),
    "choices": ("squad",),
}


class CorpusConfig(BaseModel):
    """Where documents and questions come from, and which questions take part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="the name that reports use; the source's name by default",
    )
    source: Source = Field(
        "sample",
        description="the bundled sample, PubMedQA, Evidence Inference, SQuAD-format JSON, a BEIR folder, Chroma's "
        "chunking evaluation, your own tables, a folder of your own documents, or the generator",
    )
    path: Path | None = Field(
        None,
        description="pubmedqa: its folder or ori_pqal.json; squad: the .json file; tables: a folder with documents.* "
        "and questions.*; folder: the folder of documents (.txt, .md, .html, .pdf, .docx), with all folders in it; "
        "other sources: their folder",
    )
    published: str | None = Field(
        None,
        exclude_if=lambda name: name is None,  # runs of a version without this key are the same runs
        description="a published corpus by its name in `tercet corpora list`, which also gives the source; its files "
        "are those that `tercet corpora fetch` fetched, or your own copy in the folder that --data names",
    )
    documents: Path | None = Field(None, description="tables: the file of documents (JSONL, CSV or Parquet)")
    questions: Path | None = Field(
        None,
        description="tables, folder: the file of questions (JSONL, CSV or Parquet); by default questions.* in `path`",
    )
    document_columns: DocumentColumns = Field(default_factory=DocumentColumns, description="tables: column names")
    question_columns: QuestionColumns = Field(
        default_factory=QuestionColumns, description="tables, folder: column names of the questions"
    )
    labels: tuple[str, ...] = Field(("yes", "no", "maybe"), description="tables, folder: the allowed answers, 2 to 8")
    not_stated: str | None = Field(
        None,
        min_length=1,
        exclude_if=lambda label: label is None,  # runs of a version without this key are the same runs
        description="a label that readers may give where the text does not state the answer, such as 'not stated'; it "
        "joins the labels of any source, and is the reference of SQuAD's impossible questions",
    )
    choices: int | None = Field(
        None,
        ge=2,
        le=MOST_LABELS,
        exclude_if=lambda n: n is None,  # runs of a version without this key are the same runs
        description="squad: make a choice of so many answers of every question: its own, and wrong ones that are drawn "
        "from its document",
    )
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
    language: Language = Field(
        "auto",
        exclude_if=lambda language: language == "auto",  # runs of a version without this key are the same runs
        description="the language of the documents, which says where sentences end; auto: told for each document",
    )
    sample: int | None = Field(
        None, ge=1, description="how many questions of the split to ask, drawn by seed; all by default"
    )
    on_defect: OnDefect | None = Field(
        None,
        description="refuse: the first row that cannot be used stops the run; skip: such rows are left out, counted "
        "and listed; by default published formats skip, as does a folder with files that cannot be read, and your own "
        "tables refuse",
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

    @property
    def label_set(self) -> LabelSet:
        """The label set as far as the section says: a published source may have other labels.

        Raises:
            InputError: the labels cannot be used.
        """
        if self.choices is not None:
            return places(self.choices, self.not_stated)
        labels = LabelSet(self.labels) if self.source in OWN else LabelSet()
        return labels.with_label(self.not_stated)

    @model_validator(mode="before")
    @classmethod
    def _with_source(cls, given: Any) -> Any:
        """A published corpus has its source, which need not be repeated."""
        name = given.get("published") if isinstance(given, dict) else None
        known = published().get(name) if isinstance(name, str) else None  # the field refuses what is no text
        return {"source": known.source} | given if known else given


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
    if config.source not in OWN and config.labels != default.labels:
        raise InputError(
            f"`labels` is set for source {config.source!r}, which has its own labels",
            f"`labels` only with source {listed([repr(one) for one in OWN])}",
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
