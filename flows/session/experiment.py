"""An experiment: the sections of all stages, composed once and checked before any work starts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from corpora.errors import InputError, counted, did_you_mean
from corpora.loading.config import CorpusConfig
from corpora.reading.strict_toml import read_toml
from corpora.reading.text import is_file
from corpora.schema import Corpus
from corpora.shaping.selection import balanced_sample, sample_questions
from flows.session.cross_checks import cross_mistakes
from flows.session.mistakes import parse
from labeling.prompting.labeler import LabelerConfig
from labeling.votes.calibration import CalibrationConfig
from labeling.votes.consensus import ConsensusConfig
from results.config import ReadingConfig, ScoringConfig
from retrieval.config import RetrievalConfig

EXPERIMENTS = Path(__file__).parents[1] / "experiments"

Kind = Literal["label", "sweep", "compare", "run"]  # how much of an experiment is run


class ReaderConfig(LabelerConfig):
    """A reader: it labels whole documents, and then reads retrieved chunks."""

    questions: int | None = Field(None, ge=1, description="ask it only so many of the questions, drawn by seed")

    def corpus_of(self, corpus: Corpus, seed: int) -> Corpus:
        """The corpus with the questions that this reader is asked, drawn by the corpus's seed."""
        if self.questions is None:
            return corpus
        return corpus.with_questions(sample_questions(corpus.questions, self.questions, seed))


class DraftingConfig(BaseModel):
    """Questions that a reader drafts before the first run, where a folder of documents has none yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reader: str | None = Field(None, description="who drafts: a reader of the experiment, or a model; the first reader")
    n: int = Field(100, ge=2, description="how many questions, half of them with the answer yes")
    votes: bool = Field(
        False, description="whether three votes must confirm each before it is kept; a run's votes do so later anyway"
    )


class Experiment(BaseModel):
    """Everything that a run depends on."""

    # A key that somebody puts into an experiment by mistake must not end up in a log.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field("experiment", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="names the run's folder")
    corpus: CorpusConfig = Field(default_factory=CorpusConfig, description="documents and questions")
    readers: tuple[ReaderConfig, ...] = Field(
        (ReaderConfig(),), description="each labels the questions and then reads the chunks; empty for retrieval alone"
    )
    other_corpora: tuple[CorpusConfig, ...] = Field(
        (), description="compare: the same readers on these corpora too, such as an artificial one"
    )
    calibration: CalibrationConfig = Field(
        default_factory=CalibrationConfig, description="tune questions that label bias is measured on"
    )
    consensus: ConsensusConfig = Field(default_factory=ConsensusConfig, description="what makes up the gold set")
    retrieval: RetrievalConfig = Field(default_factory=RetrievalConfig, description="chunkings and cuts")
    scoring: ScoringConfig = Field(default_factory=ScoringConfig, description="intervals, tests, margin")
    reading: ReadingConfig = Field(default_factory=ReadingConfig, description="how many questions a sweep reads")
    # Not part of a run: what it drafted is a file like any other, with its own digest.
    drafting: DraftingConfig | None = Field(
        None, exclude=True, description="folder: draft questions before the first run, if there are none"
    )
    max_cost: float | None = Field(
        None, ge=0, allow_inf_nan=False,
        description="US dollars that one run may spend on remote readers; if empty, you are asked first",
    )  # fmt: skip
    prices: Path | None = Field(
        None, description="your price table, read over the bundled one (labeling/models/prices.toml)"
    )

    @property
    def remote_readers(self) -> tuple[ReaderConfig, ...]:
        """The readers that answer on another machine."""
        return tuple(reader for reader in self.readers if reader.remote.is_remote)

    @property
    def wants_oracle(self) -> bool:
        """Whether readers are shown the best chunks of the gold documents."""
        return bool(self.readers) and "oracle_chunk" in self.retrieval.controls

    def tune_of(self, corpus: Corpus) -> tuple[Corpus | None, str]:
        """The corpus with the tune questions for calibration; None with the reason if there are none."""
        per_label = self.calibration.per_label
        if per_label == 0:
            return None, "off (calibration.per_label = 0)"
        if corpus.tune is None or corpus.tune.is_empty():
            return None, "no tune questions apart from those asked (split = 'held_out' leaves some)"
        if corpus.labels.of_question and corpus.tune["choices"].list.len().n_unique() > 1:
            return None, "off (questions have different numbers of choices, so places have no bias in common)"
        return corpus.with_questions(balanced_sample(corpus.tune, per_label, len(corpus.labels), self.corpus.seed)), ""

    def with_questions(self, n_questions: Mapping[str, int]) -> Experiment:
        """A copy in which each reader is asked so many questions, by its name; never more than it would be."""
        readers = tuple(
            one.model_copy(update={"questions": min(n_questions[one.label], one.questions or n_questions[one.label])})
            for one in self.readers
        )
        return self.model_copy(update={"readers": readers})

    def with_settings(
        self, *, threads: int | None = None, n_batch: int | None = None, max_cost: float | None = None,
        sizes: Iterable[int] | None = None, k: Iterable[int] | None = None, budgets: Iterable[int] | None = None,
        until_told: bool = False,
    ) -> Experiment:  # fmt: skip
        """A copy with other settings, which are not checked; None leaves a setting as it is.

        Args:
            threads: CPU threads of local readers.
            n_batch: most tokens evaluated in one call.
            max_cost: US dollars for remote readers.
            sizes: chunk sizes.
            k: numbers of chunks that are read.
            budgets: token budgets.
            until_told: whether a sweep reads only until its advice is told.
        """
        engine = _given(threads=threads, n_batch=n_batch)
        retrieval = _given(sizes=sizes, k=k, budgets=budgets)
        changed = _given(
            max_cost=max_cost,
            readers=tuple(one.model_copy(update=engine) for one in self.readers) if engine else None,
            retrieval=self.retrieval.model_copy(update=retrieval) if retrieval else None,
            reading=self.reading.model_copy(update={"stop": "told"}) if until_told else None,
        )
        return self.model_copy(update=changed)


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def load_experiment(path: Path) -> Experiment:
    """Read an experiment and check it.

    Args:
        path: a TOML file, or the name of a bundled experiment such as `demo`; see `experiment_file`.

    Raises:
        InputError: the file is missing or wrong, in one line.
    """
    file = experiment_file(path)
    return check_experiment(parse_experiment(read_toml(file), str(file), file))


def experiment_file(path: Path) -> Path:
    """The TOML file of an experiment, given by its path or by the name of a bundled one.

    Relative paths in the experiment start from the folder of that file.

    Raises:
        InputError: no such file.
    """
    file = path if path.suffix == ".toml" else EXPERIMENTS / f"{path}.toml"
    if not is_file(file):
        known = bundled_names()
        near = _inside(path) or did_you_mean(str(path), known) or _beside(path)
        raise InputError(f"no experiment {path}{near}", f"a .toml file, or one of {', '.join(known)}", "check the path")
    return file


def bundled_names() -> list[str]:
    """The names of the bundled experiments."""
    return sorted(one.stem for one in EXPERIMENTS.glob("*.toml"))


def _inside(path: Path) -> str:
    """The question whether the experiment in this folder was meant, as `tercet init` writes it there."""
    try:
        there = [str(path / one.name) for one in sorted(path.glob("*.toml"))]
    except OSError:  # no folder that could be looked into
        return ""
    return f" (did you mean {there[0]!r}?)" if len(there) == 1 else ""


def _beside(path: Path) -> str:
    """The question whether a file was meant that is in the same folder."""
    try:
        there = [one.name for one in path.parent.glob("*.toml")]
    except OSError:  # no folder that could be looked into
        return ""
    return did_you_mean(path.name, there)


def parse_experiment(content: dict[str, Any], where: str, file: Path | None = None) -> Experiment:
    """Build an experiment from plain values.

    Args:
        content: as a TOML file would have it.
        where: what an error begins with.
        file: where it was read from; None if it is not from a file.

    Raises:
        InputError: an unknown key or a bad value, with its place.
    """
    parsed = parse(Experiment, content, where)
    if parsed.mistakes:
        raise _first_of(parsed.mistakes, where, file)
    return parsed.made


def check_experiment(experiment: Experiment) -> Experiment:
    """Refuse mistakes that only show across fields, before any work starts.

    Raises:
        InputError: two readers have one name, votes cannot differ, there is no cut, or a budget is below the largest
            size.
    """
    for mistake in cross_mistakes(experiment):
        raise mistake
    return experiment


def _first_of(mistakes: Sequence[InputError], where: str, file: Path | None) -> InputError:
    """The first mistake, with the number of others and the command that lists them, or else the others themselves."""
    first, *others = mistakes
    if not others:
        return first
    more = counted(len(others), "more mistake")
    if file is not None:
        more += f": `tercet check {shlex.quote(str(file))}` lists all"
    else:
        more += f": {'; '.join(one.found.removeprefix(f'{where}: ') for one in others)}"
    return InputError(first.found, first.expected, f"{first.remedy} ({more})")
