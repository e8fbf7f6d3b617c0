"""All mistakes of a form at once, each under the title of its field: a person should have to correct it only once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from corpora.errors import InputError, counted
from corpora.loading.config import check_keys
from flows.serving.forms.limits import chunk_limits
from flows.serving.forms.making import experiment_of
from flows.serving.forms.models import Form, SweepAdvanced, SweepSettings
from flows.session.cross_checks import check_mode, cross_mistakes
from flows.session.experiment import Experiment
from flows.session.workspace import Workspace
from flows.stages.indexing import needs_vectors
from labeling.models.registry import find_model, is_path, registry
from labeling.remote.requests import check_remote
from retrieval.context import Cut, check_budgets
from retrieval.embedding.hub import is_hub_id


class Mistake(NamedTuple):
    """What is wrong with a field.

    Attributes:
        field: its title.
        error: what was found there, what was expected, what to do.
    """

    field: str
    error: InputError


class FormError(InputError):
    """One mistake or more in a form.

    Args:
        found: at least one.

    Attributes:
        mistakes: a line for each, which begins with the title of its field.
    """

    def __init__(self, found: Iterable[Mistake]) -> None:
        first, *others = found
        super().__init__(f"{first.field}: {first.error.found}", first.error.expected, first.error.remedy)
        self.mistakes = tuple(f"{one.field}: {one.error}" for one in (first, *others))
        if others:
            self.found += f", and {counted(len(others), 'more mistake')}"
            self.args = (" ".join([f"{len(self.mistakes)} mistakes.", *self.mistakes]),)


def checked_experiment(form: Form, base: Experiment, workspace: Workspace) -> Experiment:
    """The experiment that a form makes, as `experiment_of`, if it can be run.

    Raises:
        FormError: with every mistake.
    """
    found = [*_unknown_models(form, base), *_across_fields(form)]
    if not found:
        made = experiment_of(form, base)
        found = [*_in_readers(made, base), *_in_corpus(made, base), *_in_sizes(form, made, workspace)]
        # What is left is in the experiment's file, wherever in it.
        found = found or [Mistake("Experiment", error) for error in cross_mistakes(made)]
    if found:
        raise FormError(found)
    return made


def _unknown_models(form: Form, base: Experiment) -> Iterator[Mistake]:
    known = {reader.label for reader in base.readers}
    for name in form.settings.readers:
        if name not in known and not is_path(name):
            yield from _found("Readers", partial(_check_kind, name, "reader"))
    if isinstance(form.settings, SweepSettings):
        known = {embedder.label for embedder in base.retrieval.embedders}
        for name in form.settings.embedders:
            if name not in known and not is_hub_id(name) and not Path(name).expanduser().is_dir():
                yield from _found("Embedders", partial(_check_kind, name, "embedder"))


def _check_kind(name: str, kind: str) -> None:
    model = find_model(name)  # raises, with the nearest name
    if model.kind != kind:
        offered = ", ".join(one.name for one in registry().values() if one.kind == kind)
        raise InputError(f"{name!r}, which is a model of the kind {model.kind}", f"one of {offered}", "choose another")


def _across_fields(form: Form) -> Iterator[Mistake]:
    settings, advanced = form
    if not isinstance(settings, SweepSettings) or not isinstance(advanced, SweepAdvanced):
        return
    smallest, largest = min(settings.sizes), max(settings.sizes)
    for overlap in dict.fromkeys(advanced.overlaps):
        if overlap >= smallest:
            error = InputError(
                f"overlap {overlap} with chunk size {smallest}", "an overlap below every size", "lower the overlap"
            )
            yield Mistake("Overlaps", error)
    if not settings.k and not settings.budgets:
        error = InputError("no token budget, and no number of chunks read", "at least one of them", "add one")
        yield Mistake("Token budgets", error)
    for budget in dict.fromkeys(settings.budgets):
        yield from _found("Token budgets", partial(check_budgets, [Cut("budget", budget)], largest))


def _in_readers(made: Experiment, base: Experiment) -> Iterator[Mistake]:
    chosen_before = {reader.label for reader in base.readers}
    for reader in made.readers:
        yield from _found("Readers", partial(check_remote, reader))
        # A rule that a reader of the experiment cannot follow was chosen here; a reader of the registry was too.
        field = "Gold set" if reader.label in chosen_before else "Readers"
        yield from _found(field, partial(check_mode, reader, made.consensus))


def _in_corpus(made: Experiment, base: Experiment) -> Iterator[Mistake]:
    if made.corpus != base.corpus:
        yield from _found("Corpus", partial(check_keys, made.corpus))


def _in_sizes(form: Form, made: Experiment, workspace: Workspace) -> Iterator[Mistake]:
    if not isinstance(form.settings, SweepSettings):
        return
    if not needs_vectors(made.retrieval.retrievers, wants_oracle=made.wants_oracle):
        return
    for name, limit in chunk_limits(made.retrieval.embedders, workspace).items():
        for size in made.retrieval.sizes:
            if size > limit:
                error = InputError(
                    f"chunk size {size}", f"at most {limit} tokens, where {name} stops reading", "choose smaller sizes"
                )
                yield Mistake("Chunk sizes", error)


def _found(field: str, check: Callable[[], object]) -> Iterator[Mistake]:
    try:
        check()
    except InputError as error:
        yield Mistake(field, error)
