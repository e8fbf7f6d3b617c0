"""The forms of the Prefect UI: what a user sets for one run. The rest comes from the experiment that is served.

Every bound and choice that one field can state is in its JSON schema, so that the browser checks it. Whatever involves
several fields is checked on the experiment that the form makes, before any work starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from corpora.errors import InputError
from corpora.load import CorpusConfig, Source
from flows.runners.names import SERVED
from flows.session.experiment import EXPERIMENTS, Experiment, ReaderConfig, load_experiment
from labeling.models.registry import find_model, registry
from labeling.votes.consensus import Rule
from retrieval.chunking.splitters import Splitter
from retrieval.config import Control
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.ranking.retrievers import Retriever

MOST_TOKENS = 32_768

FormKind = Literal["label", "sweep", "compare"]


def served_experiments() -> list[Path]:
    """Files of the experiments that are served; the bundled demonstration if none is named."""
    named = [Path(file) for file in os.environ.get(SERVED, "").split(os.pathsep) if file]
    return named or [EXPERIMENTS / "demo.toml"]


def _offered(kind: str, of_experiments: Iterable[str]) -> list[str]:
    """Names that a form offers: those in the registry, and those that only an experiment defines."""
    known = [model.name for model in registry().values() if model.kind == kind]
    return list(dict.fromkeys([*of_experiments, *known]))


def _loadable(files: Iterable[Path]) -> Iterator[Experiment]:
    """The experiments in these files; one that does not load, say while it is being edited, just offers no choices."""
    for file in files:
        with suppress(InputError):
            yield load_experiment(file)


_EXPERIMENTS = list(_loadable(served_experiments()))
_READERS = _offered("reader", (reader.label for one in _EXPERIMENTS for reader in one.readers))
_EMBEDDERS = _offered("embedder", (embedder.label for one in _EXPERIMENTS for embedder in one.retrieval.embedders))

if TYPE_CHECKING:
    ReaderName: TypeAlias = str
    EmbedderName: TypeAlias = str
else:
    # The choice binds only the browser: an unknown name is reported when the experiment is made, with the nearest one.
    ReaderName = Annotated[str, WithJsonSchema({"type": "string", "enum": _READERS})]
    EmbedderName = Annotated[str, WithJsonSchema({"type": "string", "enum": _EMBEDDERS})]

CONSENSUS = ("rule", "min_probability", "min_unanimous")  # what a form shows of the consensus rule
Tokens = Annotated[int, Field(ge=1, le=MOST_TOKENS)]


def _seldom_changed_last(schema: dict[str, Any]) -> None:
    """The browser shows fields in the order of the schema: what a flow is about comes before how it is run."""
    properties = schema["properties"]
    for name in ("rule", "min_probability", "min_unanimous", "max_cost", "threads", "dask"):
        properties[name] = properties.pop(name)


class LabelForm(BaseModel):
    """What to label, with which readers, and which questions to keep."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_seldom_changed_last)

    name: str = Field(
        "demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", title="Name", description="The name of the run's folder."
    )
    source: Source = Field(
        "sample",
        title="Corpus",
        description="sample: the bundled handbook; generated: artificial documents; the others read the files at Path.",
    )
    path: str = Field(
        "",
        title="Path",
        description="Folder or file of the corpus, on the machine where `tercet serve` runs. Leave it empty for "
        "sample and generated, or if the experiment names its files one by one.",
    )
    questions: int = Field(
        0, ge=0, title="Questions", description="How many questions to ask, drawn by seed. 0: all of them."
    )
    readers: list[ReaderName] = Field(
        ["qwen2.5-coder-0.5b"],
        min_length=1,
        title="Readers",
        description="Each votes three times on every question. Local models must be fetched first: `tercet models "
        "fetch NAME`.",
    )
    rule: Rule = Field(
        "unanimous_and_correct",
        title="Gold set",
        description="Which questions are kept: those where all three votes agree; where they agree and match the "
        "corpus's own answer; where two of three agree; where the mean probability passes the threshold; or where "
        "three votes would probably agree (confident).",
    )
    min_probability: float = Field(
        0.8,
        gt=0,
        le=1,
        title="Threshold",
        description="Lowest mean probability to keep; for the rule min_probability only.",
    )
    min_unanimous: float = Field(
        0.5,
        gt=0,
        le=1,
        title="Agreement",
        description="Lowest probability that three votes agree; for the rule confident only.",
    )
    max_cost: float = Field(
        0.0,
        ge=0,
        title="Spending limit",
        description="US dollars that this run may spend on remote readers; each Retry may spend as much again. 0: "
        "nothing, so a run that would cost money is refused.",
    )
    threads: int = Field(
        0,
        ge=0,
        le=1024,
        title="Threads",
        description="CPU threads of local readers. 0: as in the experiment, or one per core.",
    )
    dask: str = Field(
        "",
        pattern=r"^$|^(tcp|tls|ws|wss|ucx)://.+$",
        title="Dask scheduler",
        description="Its address, such as tcp://127.0.0.1:8786; its workers run the readers. Empty: this machine does.",
    )

    def experiment(self, base: Experiment) -> Experiment:
        """The experiment that this form makes.

        Args:
            base: gives everything that the form does not show; its corpus's paths are absolute.

        Raises:
            InputError: an unknown reader.
        """
        consensus = base.consensus.model_copy(update={name: getattr(self, name) for name in CONSENSUS})
        changed = {"name": self.name, "corpus": self._corpus(base.corpus), "readers": self._readers(base.readers)}
        made = base.model_copy(update=changed | {"consensus": consensus, "max_cost": self.max_cost})
        return made.with_settings(threads=self.threads or None)

    def _corpus(self, base: CorpusConfig) -> CorpusConfig:
        path = Path(self.path).expanduser() if self.path else None
        changed: dict[str, Any] = {"path": path, "sample": self.questions or None}
        if path and path.resolve() != (base.path and base.path.resolve()):
            # They belong to the corpus that was there.
            changed |= {"published": None, "documents": None, "questions": None, "name": None}
        # Columns, labels and the like belong to the corpus that the experiment names.
        kept = base if base.source == self.source else CorpusConfig(source=self.source, seed=base.seed)
        return kept.model_copy(update=changed)

    def _readers(self, base: Sequence[ReaderConfig]) -> tuple[ReaderConfig, ...]:
        known = {reader.label: reader for reader in base}
        num_ctx = max((reader.num_ctx for reader in base), default=ReaderConfig.model_fields["num_ctx"].default)
        return tuple(known.get(name) or _plain_reader(name, num_ctx) for name in dict.fromkeys(self.readers))


class CompareForm(LabelForm):
    """Which readers to compare, and on which questions."""

    readers: list[ReaderName] = Field(
        ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"],
        min_length=2,
        title="Readers",
        description="Two or more, compared on the same questions. Local models must be fetched first: `tercet models "
        "fetch NAME`.",
    )


class SweepForm(LabelForm):
    """Which chunk sizes to try, how chunks are found, and what the readers see."""

    readers: list[ReaderName] = Field(
        ["qwen2.5-coder-0.5b"],
        title="Readers",
        description="Each makes its own gold set and then answers from chunks. If there are none, sizes are compared "
        "by retrieval alone. Local models must be fetched first: `tercet models fetch NAME`.",
    )
    sizes: list[Tokens] = Field(
        [16, 32, 64, 128],
        min_length=1,
        title="Chunk sizes",
        description="In the embedder's tokens. all-minilm-l6-v2 reads at most 256.",
    )
    overlaps: list[Annotated[int, Field(ge=0, le=MOST_TOKENS)]] = Field(
        [0],
        min_length=1,
        title="Overlaps",
        description="How many tokens neighbouring chunks share; less than every size.",
    )
    splitters: list[Splitter] = Field(
        ["tokens"], min_length=1, title="Splitters", description="How documents are cut into chunks."
    )
    embedders: list[EmbedderName] = Field(
        ["all-minilm-l6-v2"], min_length=1, title="Embedders", description="Models that find chunks by meaning."
    )
    retrievers: list[Retriever] = Field(
        ["dense"],
        min_length=1,
        title="Retrievers",
        description="dense: exact FAISS; bm25: by words; hybrid: both, fused by reciprocal rank; approximate: HNSW.",
    )
    k: list[Annotated[int, Field(ge=1, le=1000)]] = Field(
        [1],
        title="Chunks read (k)",
        description="How many chunks the reader sees; it answers once for each number.",
    )
    budgets: list[Tokens] = Field(
        [128],
        title="Token budgets",
        description="The reader sees as many chunks as fit into this many tokens, so that sizes are compared at equal "
        "cost. No budget may be below the largest size.",
    )
    controls: list[Control] = Field(
        ["closed_book", "random", "oracle_chunk"],
        title="Controls",
        description="What else each reader is shown, to find out where accuracy is lost; fewer take less time.",
    )
    margin: float = Field(
        0.05, ge=0, lt=1, title="Margin", description="How much worse than the best a cheaper setting may be."
    )
    until_told: bool = Field(
        False,
        title="Until told",
        description="Read in looks, each of twice as many questions, and stop once the advice is told.",
    )

    def experiment(self, base: Experiment) -> Experiment:
        """As `LabelForm.experiment`."""
        made = super().experiment(base)
        lists = ("sizes", "overlaps", "splitters", "retrievers", "k", "budgets", "controls")
        changed = {name: tuple(dict.fromkeys(getattr(self, name))) for name in lists}
        known = {embedder.label: embedder for embedder in base.retrieval.embedders}
        chosen = tuple(known.get(name) or EmbedderConfig(model=name) for name in dict.fromkeys(self.embedders))
        retrieval = base.retrieval.model_copy(update=changed | {"embedders": chosen})
        scoring = base.scoring.model_copy(update={"margin": self.margin})
        reading = base.reading.model_copy(update={"stop": "told" if self.until_told else "all"})
        return made.model_copy(update={"retrieval": retrieval, "scoring": scoring, "reading": reading})


FORMS: dict[FormKind, type[LabelForm]] = {"label": LabelForm, "sweep": SweepForm, "compare": CompareForm}


def filled_in(kind: FormKind, experiment: Experiment, folder: Path) -> LabelForm:
    """The form of a flow, filled in from an experiment.

    Args:
        kind: which flow.
        experiment: the one that is served.
        folder: the one that the experiment's relative paths start from.

    Raises:
        InputError: the experiment sets something that the form does not allow.
    """
    corpus, consensus, retrieval = experiment.corpus.resolved(folder), experiment.consensus, experiment.retrieval
    threads = {reader.threads for reader in experiment.readers}
    values: dict[str, Any] = {
        "name": experiment.name,
        "source": corpus.source,
        "path": str(corpus.path.resolve()) if corpus.path else "",
        "questions": corpus.sample or 0,
        "readers": _enough(kind, [reader.label for reader in experiment.readers]),
        **{name: getattr(consensus, name) for name in CONSENSUS},
        "max_cost": experiment.max_cost or 0.0,
        "threads": (threads.pop() or 0) if len(threads) == 1 else 0,
    }
    if kind == "sweep":
        lists = ("sizes", "overlaps", "splitters", "retrievers", "k", "budgets", "controls")
        values |= {name: list(getattr(retrieval, name)) for name in lists}
        values |= {"embedders": [one.label for one in retrieval.embedders], "margin": experiment.scoring.margin}
        values |= {"until_told": experiment.reading.stop == "told"}
    try:
        return FORMS[kind](**values)
    except ValidationError as error:
        (first, *_) = error.errors()
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"experiment {experiment.name!r}: {where} {first['input']!r} ({first['msg']})",
            f"a value that the form of {kind!r} allows",
            "change the value, or run this experiment from the command line",
        ) from error


def _enough(kind: FormKind, readers: list[str]) -> list[str]:
    """The readers of an experiment; if a flow needs more, its form's default readers follow."""
    needed = {"label": 1, "sweep": 0, "compare": 2}[kind]
    offered = [one for one in FORMS[kind]().readers if one not in readers]
    return readers + offered[: max(0, needed - len(readers))]


def _plain_reader(name: str, num_ctx: int) -> ReaderConfig:
    find_model(name)  # raises, with the nearest name
    return ReaderConfig(model=name, num_ctx=num_ctx)
