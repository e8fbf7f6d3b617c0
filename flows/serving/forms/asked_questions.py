"""The number of questions that a form shows: the one that applies, whether the corpus or the readers limit it."""

from __future__ import annotations

from collections.abc import Sequence

from flows.session.experiment import Experiment, ReaderConfig


def shown_questions(experiment: Experiment) -> int:
    """The most questions that any reader is asked; 0 for all of the corpus."""
    sample, own = experiment.corpus.sample or 0, most_of_readers(experiment.readers)
    return min(own, sample) if own and sample else own or sample


def most_of_readers(readers: Sequence[ReaderConfig]) -> int:
    """The highest number of questions that the readers set themselves; 0 if one of them sets none."""
    own = [reader.questions or 0 for reader in readers]
    return max(own) if own and all(own) else 0


def with_questions(made: Experiment, base: Experiment, n: int) -> Experiment:
    """An experiment that asks as many questions as a form says.

    A reader that the experiment gives fewer questions than the others keeps its own number.

    Args:
        made: the experiment with the form's corpus and readers, and the numbers of the base.
        base: the experiment that is served.
        n: what the form says; 0 for all.
    """
    shown, sample = shown_questions(base), base.corpus.sample
    if not (own := most_of_readers(base.readers)) or (sample and sample < own):
        return _with_sample(made, base, n)
    readers = tuple(
        one.model_copy(update={"questions": n or None})
        if one.questions is None or one.questions >= shown
        else one.model_copy(update={"questions": min(one.questions, n or one.questions)})
        for one in made.readers
    )
    if sample and n != shown:
        sample = max(sample, n) if n else None
    return made.model_copy(update={"readers": readers, "corpus": made.corpus.model_copy(update={"sample": sample})})


def _with_sample(made: Experiment, base: Experiment, n: int) -> Experiment:
    """The same where the corpus sets the limit: a reader's higher number did not apply, and must not apply now."""
    kept = made.readers if n == shown_questions(base) else ()
    names = {one.label for one in kept} | set(fewer_questions(base))
    readers = [one if one.label in names else one.model_copy(update={"questions": None}) for one in made.readers]
    corpus = made.corpus.model_copy(update={"sample": n or None})
    return made.model_copy(update={"readers": tuple(readers), "corpus": corpus})


def fewer_questions(experiment: Experiment) -> dict[str, int]:
    """The readers that are asked fewer questions than the form shows, with their numbers."""
    most = shown_questions(experiment)
    own = {reader.label: reader.questions for reader in experiment.readers if reader.questions}
    return {name: n for name, n in own.items() if not most or n < most}
