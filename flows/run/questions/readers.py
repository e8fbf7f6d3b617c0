"""The reader that drafts, by the name that a user gives."""

from __future__ import annotations

from corpora.errors import InputError
from flows.run.questions.documents import Source
from flows.run.questions.fitting import with_room
from flows.session.experiment import Experiment, ReaderConfig
from labeling.models.registry import find_model, is_path, is_specialist


def find_reader(name: str, experiment: Experiment | None, threads: int | None = None) -> ReaderConfig:
    """A reader of the experiment, a model of the registry, or a model file.

    Args:
        name: its name.
        experiment: where readers may have names of their own; None if there is none.
        threads: CPU threads, in place of the reader's own.

    Raises:
        InputError: there is no such reader, or it does not read prompts.
    """
    known = {one.label: one for one in experiment.readers} if experiment else {}
    reader = known.get(name)
    if is_specialist(reader.model if reader else name):
        raise InputError(f"reader {name!r} is a specialist", "a model that writes text", "name another reader")
    if reader is None:
        if not is_path(name) and find_model(name).kind != "reader":
            raise InputError(f"model {name!r} embeds text", "a reader", "choose one from `tercet models list`")
        reader = ReaderConfig(model=name)
    return reader if threads is None else reader.model_copy(update={"threads": threads})


def reader_for(name: str, source: Source, threads: int | None = None) -> ReaderConfig:
    """The same, with room for the documents where no experiment says how much a reader reads.

    Args:
        name: its name.
        source: the documents, and the experiment that they are from.
        threads: as for `find_reader`.

    Raises:
        InputError: as `find_reader`.
    """
    reader = find_reader(name, source.experiment, threads)
    told = source.experiment is not None and name in {one.label for one in source.experiment.readers}
    return reader if told else with_room(reader, source.documents)
