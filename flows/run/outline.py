"""How many stages a run has: so that each can say its place among them."""

from __future__ import annotations

from corpora.schema import Corpus
from flows.session.experiment import Experiment
from flows.session.session import Session
from flows.stages.indexing import needs_vectors, retrievers_by_embedder
from retrieval.config import NO_RERANKER


def stages_of_label(experiment: Experiment, corpus: Corpus) -> int:
    """Each reader's votes, those on tune questions, and a summary."""
    if not experiment.readers:
        return 0
    tune, _ = experiment.tune_of(corpus)
    calibrated = sum(reader.gives_distributions for reader in experiment.readers) if tune is not None else 0
    return len(experiment.readers) + calibrated + 1


def stages_of_retrieval(experiment: Experiment, session: Session) -> int:
    """Everything of a sweep that needs no reader: rankings, and the contexts cut from them."""
    retrieval, averages = experiment.retrieval, 1
    each = retrievers_by_embedder(retrieval, session).values()
    embeds = [2 * needs_vectors(retrievers, wants_oracle=experiment.wants_oracle) for retrievers in each]
    chunks_and_ranks, scores = 2 * len(retrieval.chunkings()), 1
    n_rerankers = sum(one != NO_RERANKER for one in retrieval.rerankers)
    reranks = n_rerankers * len(retrieval.chunkings()) * sum(map(len, each))
    of_embedders = sum(chunks_and_ranks + of_embedder + scores for of_embedder in embeds)
    return of_embedders + reranks + averages + bool(experiment.readers)


def stages_of_reading(experiment: Experiment) -> int:
    """Each reader's answers, and their scores."""
    return len(experiment.readers) + 1 if experiment.readers else 0


def stages_of_comparison(experiment: Experiment, corpus: Corpus, *, probe: bool) -> int:
    """The readers compared, on other corpora too, and timed; tune questions are taken to be there as here."""
    others = len(experiment.other_corpora)
    return 1 + others * (1 + stages_of_label(experiment, corpus)) + (others > 0) + probe
