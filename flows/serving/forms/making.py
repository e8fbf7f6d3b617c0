"""From a form to the experiment that it shows, and back: what a form does not show comes from the experiment's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from corpora.errors import InputError
from corpora.loading.config import CorpusConfig
from flows.serving.forms.asked_questions import shown_questions, with_questions
from flows.serving.forms.models import FORMS, Form, FormKind, LabelSettings, SweepAdvanced, SweepSettings, advanced_of
from flows.session.experiment import Experiment, ReaderConfig
from retrieval.embedding.embedder_config import EmbedderConfig

CONSENSUS = ("rule", "min_probability", "min_unanimous")  # what a form shows of the consensus rule
_OF_SETTINGS = ("sizes", "budgets", "k")  # lists of the retrieval section
_OF_ADVANCED = ("overlaps", "splitters", "retrievers", "rerankers", "controls")
_FEWEST_READERS: dict[FormKind, int] = {"label": 1, "sweep": 0, "compare": 2}


def experiment_of(form: Form, base: Experiment) -> Experiment:
    """The experiment that a form makes.

    Args:
        form: as it was filled in; names of readers and embedders have been checked.
        base: gives everything that the form does not show; its corpus's paths are absolute.
    """
    settings, advanced = form
    gold: Any = advanced if isinstance(advanced, SweepAdvanced) else settings
    consensus = base.consensus.model_copy(update={name: getattr(gold, name) for name in CONSENSUS})
    changed: dict[str, Any] = {
        "name": advanced.name,
        "corpus": _corpus(form, base.corpus),
        "readers": _readers(settings.readers, base.readers),
        "consensus": consensus,
        "max_cost": settings.max_cost,
    }
    if isinstance(settings, SweepSettings) and isinstance(advanced, SweepAdvanced):
        changed |= _sweep(settings, advanced, base)
    made = with_questions(base.model_copy(update=changed), base, settings.questions)
    return made.with_settings(threads=advanced.threads or None)


def _corpus(form: Form, base: CorpusConfig) -> CorpusConfig:
    """The corpus, with the number of questions of the experiment's."""
    advanced = form.advanced
    path = Path(advanced.path).expanduser() if advanced.path else None
    changed: dict[str, Any] = {"path": path, "sample": base.sample}
    if path and path.resolve() != (base.path and base.path.resolve()):
        # They belong to the corpus that was there.
        changed |= {"published": None, "documents": None, "questions": None, "name": None}
    # Columns, labels and the like belong to the corpus that the experiment names.
    kept = base if base.source == advanced.source else CorpusConfig(source=advanced.source, seed=base.seed)
    return kept.model_copy(update=changed)


def _readers(names: Sequence[str], base: Sequence[ReaderConfig]) -> tuple[ReaderConfig, ...]:
    known = {reader.label: reader for reader in base}
    num_ctx = max((reader.num_ctx for reader in base), default=ReaderConfig.model_fields["num_ctx"].default)
    return tuple(known.get(name) or ReaderConfig(model=name, num_ctx=num_ctx) for name in dict.fromkeys(names))


def _sweep(settings: SweepSettings, advanced: SweepAdvanced, base: Experiment) -> dict[str, Any]:
    known = {embedder.label: embedder for embedder in base.retrieval.embedders}
    lists = {name: getattr(settings, name) for name in _OF_SETTINGS}
    lists |= {name: getattr(advanced, name) for name in _OF_ADVANCED}
    changed = {name: tuple(dict.fromkeys(given)) for name, given in lists.items()}
    changed["embedders"] = tuple(
        known.get(name) or EmbedderConfig(model=name) for name in dict.fromkeys(settings.embedders)
    )
    return {
        "retrieval": base.retrieval.model_copy(update=changed),
        "scoring": base.scoring.model_copy(update={"margin": advanced.margin}),
        "reading": base.reading.model_copy(update={"stop": "told" if settings.until_told else "all"}),
    }


def filled_in(kind: FormKind, experiment: Experiment, file: Path, store: str) -> Form:
    """The form of a flow, filled in from an experiment: untouched, it runs that experiment.

    Args:
        kind: which flow.
        experiment: the one that is served.
        file: where it was read from; its relative paths start from the folder of that file.
        store: where runs go.

    Raises:
        InputError: the experiment sets something that the form does not allow.
    """
    corpus, retrieval = experiment.corpus.resolved(file.parent), experiment.retrieval
    threads = {reader.threads for reader in experiment.readers}
    gold = {name: getattr(experiment.consensus, name) for name in CONSENSUS}
    settings: dict[str, Any] = {
        "readers": _enough(kind, [reader.label for reader in experiment.readers]),
        "questions": shown_questions(experiment),
        "max_cost": experiment.max_cost or 0.0,
    }
    advanced: dict[str, Any] = {
        "name": experiment.name,
        "source": corpus.source,
        "path": str(corpus.path.resolve()) if corpus.path else "",
        "threads": (threads.pop() or 0) if len(threads) == 1 else 0,
        "experiment": str(file),
        "store": store,
    }
    if kind == "sweep":
        settings |= {name: list(getattr(retrieval, name)) for name in _OF_SETTINGS}
        settings |= {"embedders": [one.label for one in retrieval.embedders]}
        settings |= {"until_told": experiment.reading.stop == "told"}
        advanced |= {name: list(getattr(retrieval, name)) for name in _OF_ADVANCED}
        advanced |= {"margin": experiment.scoring.margin} | gold
    else:
        settings |= gold
    try:
        return Form(FORMS[kind](**settings), advanced_of(kind)(**advanced))
    except ValidationError as error:
        raise _not_shown(kind, experiment.name, error) from error


def _not_shown(kind: FormKind, experiment: str, error: ValidationError) -> InputError:
    (first, *_) = error.errors()
    where = ".".join(str(part) for part in first["loc"])
    return InputError(
        f"experiment {experiment!r}: {where} {first['input']!r} ({first['msg']})",
        f"a value that the form of {kind!r} allows",
        "change the value, or run this experiment from the command line",
    )


def _enough(kind: FormKind, readers: list[str]) -> list[str]:
    """The readers of an experiment; if a flow needs more, its form's default readers follow."""
    settings: LabelSettings | SweepSettings = FORMS[kind]()
    offered = [one for one in settings.readers if one not in readers]
    return readers + offered[: max(0, _FEWEST_READERS[kind] - len(readers))]
