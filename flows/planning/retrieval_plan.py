"""What a sweep without readers does: how much is chunked, embedded and ranked."""

from __future__ import annotations

from corpora.errors import counted, listed
from corpora.schema import Corpus
from flows.session.experiment import Experiment
from flows.session.session import Session
from flows.stages.indexing import needs_vectors, retrievers_by_embedder
from retrieval.config import RetrievalConfig


def n_cells(retrieval: RetrievalConfig, session: Session) -> int:
    """How many cells a sweep compares: settings times cuts."""
    retrievers = retrievers_by_embedder(retrieval, session).values()
    return len(retrieval.chunkings()) * sum(map(len, retrievers)) * len(retrieval.cuts())


def describe_retrieval(experiment: Experiment, corpus: Corpus, session: Session) -> str:
    """What is computed where retrieval alone is compared, in one line.

    Args:
        experiment: without readers.
        corpus: its documents and questions.
        session: opens the embedders.
    """
    retrieval = experiment.retrieval
    each = retrievers_by_embedder(retrieval, session)
    ways, cuts = len(retrieval.chunkings()), len(retrieval.cuts())
    settings = n_cells(retrieval, session) // cuts
    embedders = [
        config.label
        for config, retrievers in each.items()
        if needs_vectors(retrievers, wants_oracle=experiment.wants_oracle)
    ]
    done = [f"chunked in {counted(ways, 'way')}"]
    done += [f"embedded by {', '.join(embedders)}"] if embedders else []
    done += [f"ranked for {counted(len(corpus.questions), 'question')}"]
    return (
        f"No reader is asked and nothing is paid: {counted(len(corpus.documents), 'document')} {listed(done, 'and')}, "
        f"which is {counted(settings, 'setting')} under {counted(cuts, 'cut')}. The time is not known beforehand; "
        "progress shows it during the run."
    )
