"""An experiment: the sections of all stages, composed once and checked before any work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpora.errors import InputError, one_line
from corpora.load import CorpusConfig, check_keys, check_published
from corpora.reading.strict_toml import check_types, place_of, read_toml, wrong_value
from corpora.reading.text import is_file
from corpora.schema import Corpus, LabelSet
from corpora.shaping.selection import sample_questions
from labeling.prompting.labeler import SYSTEM, LabelerConfig, check_diversity
from labeling.prompting.prompts import load_prompt
from labeling.remote.requests import check_remote
from labeling.votes.calibration import CalibrationConfig
from labeling.votes.consensus import BY_DISTRIBUTION, ConsensusConfig
from results.config import ReadingConfig, ScoringConfig
from retrieval.config import RetrievalConfig
from retrieval.context import check_budgets

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

    def with_questions(self, n_questions: Mapping[str, int]) -> Experiment:
        """A copy in which each reader is asked so many questions, by its name; never more than it would be."""
        readers = tuple(
            one.model_copy(update={"questions": min(n_questions[one.label], one.questions or n_questions[one.label])})
            for one in self.readers
        )
        return self.model_copy(update={"readers": readers})

    def with_settings(
        self, threads: int | None = None, n_batch: int | None = None, max_cost: float | None = None,
        until_told: bool = False,
    ) -> Experiment:  # fmt: skip
        """A copy with other engine settings for every reader, and another limit; None leaves a setting as it is.

        Args:
            threads: CPU threads of local readers.
            n_batch: most tokens evaluated in one call.
            max_cost: US dollars for remote readers.
            until_told: whether a sweep reads only until its advice is told.
        """
        given = {name: value for name, value in (("threads", threads), ("n_batch", n_batch)) if value is not None}
        readers = tuple(one.model_copy(update=given) for one in self.readers)
        changed: dict[str, Any] = {"readers": readers} | ({} if max_cost is None else {"max_cost": max_cost})
        if until_told:
            changed["reading"] = self.reading.model_copy(update={"stop": "told"})
        return self.model_copy(update=changed)


def load_experiment(path: Path) -> Experiment:
    """Read an experiment and check it.

    Args:
        path: a TOML file, or the name of a bundled experiment such as `demo`; see `experiment_file`.

    Raises:
        InputError: the file is missing or wrong, in one line.
    """
    file = experiment_file(path)
    return check_experiment(parse_experiment(read_toml(file), str(file)))


def experiment_file(path: Path) -> Path:
    """The TOML file of an experiment, given by its path or by the name of a bundled one.

    Relative paths in the experiment start from the folder of that file.

    Raises:
        InputError: no such file.
    """
    file = path if path.suffix == ".toml" else EXPERIMENTS / f"{path}.toml"
    if not is_file(file):
        known = ", ".join(sorted(one.stem for one in EXPERIMENTS.glob("*.toml")))
        raise InputError(f"no experiment {path}", f"a .toml file, or one of {known}", "check the path")
    return file


def parse_experiment(content: dict[str, Any], where: str) -> Experiment:
    """Build an experiment from plain values.

    Raises:
        InputError: an unknown key or a bad value, with its place.
    """
    with one_line(f"{where} cannot be checked", "the sections of an experiment"):
        try:
            experiment = Experiment.model_validate(content)
        except ValidationError as error:
            raise _first_problem(error, where) from error
        check_types(content, experiment, where)
        return experiment


def check_experiment(experiment: Experiment) -> Experiment:
    """Refuse mistakes that only show across fields, before any work starts.

    Raises:
        InputError: two readers have one name, votes cannot differ, there is no cut, or a budget is below the largest
            size.
    """
    corpora = (experiment.corpus, *experiment.other_corpora)
    for corpus in corpora:
        check_published(corpus)
        check_keys(corpus)
    _check_names("readers", [reader.label for reader in experiment.readers])
    _check_names("corpora", [corpus.name or corpus.published or corpus.source for corpus in corpora])
    _check_names("embedders", [embedder.label for embedder in experiment.retrieval.embedders])
    _check_readers(experiment)
    _check_retrieval(experiment.retrieval)
    return experiment


def _check_names(what: str, names: Sequence[str]) -> None:
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise InputError(
            f"two {what} are called {min(doubled)!r}", "a different name for each", "set `name` on one of them"
        )


def _check_readers(experiment: Experiment) -> None:
    for corpus in (experiment.corpus, *experiment.other_corpora):
        labels = LabelSet(corpus.labels) if corpus.source == "tables" else LabelSet()
        for reader in experiment.readers:
            check_diversity(reader, labels)
    for reader in experiment.readers:
        check_remote(reader)
        check_mode(reader, experiment.consensus)
        for prompt in reader.prompts:
            load_prompt(prompt)


def _check_retrieval(retrieval: RetrievalConfig) -> None:
    if not retrieval.cuts():
        raise InputError("retrieval without k and without budgets", "at least one k or budget", "set `k` or `budgets`")
    if min(retrieval.k, default=1) < 1 or min(retrieval.budgets, default=1) < 1:
        raise InputError(
            f"k {list(retrieval.k)}, budgets {list(retrieval.budgets)}", "numbers above 0", "correct the numbers"
        )
    if min(retrieval.sizes) < 1:
        raise InputError(f"chunk sizes {list(retrieval.sizes)}", "sizes above 0", "correct the sizes")
    for size in retrieval.sizes:
        for overlap in retrieval.overlaps:
            if not 0 <= overlap < size:
                raise InputError(
                    f"overlap {overlap} with chunk size {size}", "0 <= overlap < size", "lower the overlap"
                )
    check_budgets(retrieval.cuts(), max(retrieval.sizes))


def check_mode(reader: ReaderConfig, consensus: ConsensusConfig) -> None:
    """Refuse settings of a reader that contradict each other or the consensus rule.

    Raises:
        InputError: the rule needs label probabilities and the reader gives none, the output fills the context, or no
            model would see the system message.
    """
    if not reader.gives_distributions and consensus.rule in BY_DISTRIBUTION:
        where = f"at {reader.remote.provider}" if reader.mode == "label" else "in generate mode"
        raise InputError(
            f"rule {consensus.rule!r} with reader {reader.label!r} {where}",
            "a reader that gives label probabilities",
            "use rule = 'unanimous' or 'majority', or a reader in label mode on this machine or a server",
        )
    if not reader.remote.is_remote and reader.mode == "generate" and reader.num_predict >= reader.num_ctx:
        raise InputError(
            f"reader {reader.label!r}: num_predict {reader.num_predict} with num_ctx {reader.num_ctx}",
            "room for a prompt as well as the output",
            "lower num_predict or raise num_ctx",
        )
    if reader.system is not None and reader.frame is not None and SYSTEM not in reader.frame:
        raise InputError(
            f"reader {reader.label!r}: a system message and a frame without {SYSTEM}",
            "a frame that shows the system message",
            f"put {SYSTEM} into the frame, or remove `system`",
        )


def _first_problem(error: ValidationError, where: str) -> InputError:
    problems = error.errors()
    first = problems[0]
    place = place_of(first)
    if first["type"] == "extra_forbidden":
        found, expected, remedy = (
            f"{where}: unknown key {place!r}",
            "a key of that section",
            "correct the key or remove it",
        )
        if "remote" in first["loc"]:
            remedy += "; a key for a provider comes from the environment (remote.key_variable names its variable)"
    elif "remote" in first["loc"]:  # the value may be a secret key that was put there by mistake: do not repeat it
        found, expected, remedy = f"{where}: {place}", first["msg"].removeprefix("Value error, "), "correct the value"
    else:
        wrong = wrong_value(first, where)
        found, expected, remedy = wrong.found, wrong.expected, wrong.remedy
    more = len(problems) - 1
    return InputError(found, expected, remedy + (f" ({more} more in the same file)" if more else ""))
