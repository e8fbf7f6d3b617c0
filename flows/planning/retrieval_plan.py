"""What a sweep without readers does: how much is chunked, embedded and ranked."""

from __future__ import annotations

from corpora.errors import counted, listed
from corpora.schema import Corpus
from flows.planning.quote import duration
from flows.session.experiment import Experiment
from flows.session.session import Session
from flows.stages.indexing import needs_vectors, retrievers_by_embedder
from retrieval.chunking.chunks import chunk_documents
from retrieval.chunking.splitters import Chunking
from retrieval.config import NO_RERANKER, RetrievalConfig, reranker_label

PAIRS_MEASURED = 64


def n_cells(retrieval: RetrievalConfig, session: Session) -> int:
    """How many cells a sweep compares: settings times cuts."""
    retrievers = retrievers_by_embedder(retrieval, session).values()
    return len(retrieval.chunkings()) * sum(map(len, retrievers)) * len(retrieval.rerankers) * len(retrieval.cuts())


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
    rerankers = [reranker_label(one) for one in retrieval.rerankers if one != NO_RERANKER]
    done += [f"reranked by {listed(rerankers, 'and')}"] if rerankers else []
    return (
        f"No reader is asked and nothing is paid: {counted(len(corpus.documents), 'document')} {listed(done, 'and')}, "
        f"which is {counted(settings, 'setting')} under {counted(cuts, 'cut')}. The time is not known beforehand; "
        "progress shows it during the run."
    )


def plan_rerankers(experiment: Experiment, corpus: Corpus, session: Session, *, measures: bool) -> list[str]:
    """How many pairs each reranker would score at most, and how long that takes; a line each.

    Args:
        experiment: gives rerankers and their depth.
        corpus: its documents and questions.
        session: opens the rerankers.
        measures: whether to score a few pairs, to measure the speed anew.
    """
    retrieval = experiment.retrieval
    n_rankings = n_cells(retrieval, session) // len(retrieval.cuts()) // len(retrieval.rerankers)
    n_pairs = n_rankings * len(corpus.questions) * retrieval.rerank_depth
    lines = []
    for model in retrieval.rerankers:
        if model == NO_RERANKER:
            continue
        if measures:
            _measure(model, retrieval, corpus, session)
        speed = session.pair_speed(model)
        took = f"about {duration(n_pairs / speed)} at {speed:.0f} pairs a second, as last seen" if speed else (
            "the time is not known, because its speed was never measured on this machine: add --measure "
            "(measure=True in Python), which scores a few pairs")  # fmt: skip
        lines.append(
            f"{reranker_label(model)} scores at most {n_pairs:,} pairs of a question and a chunk "
            f"({counted(len(corpus.questions), 'question')}, {retrieval.rerank_depth} chunks each, "
            f"{counted(n_rankings, 'ranking')}): {took}."
        )
    return lines


def _measure(model: str, retrieval: RetrievalConfig, corpus: Corpus, session: Session) -> None:
    """Score a few pairs of the middle size, past the cache."""
    tokenizer, sizes = session.embedder(retrieval.embedders[0]).tokenizer, sorted(retrieval.sizes)
    chunks = chunk_documents(
        corpus.documents.head(PAIRS_MEASURED), Chunking("tokens", sizes[len(sizes) // 2], 0), tokenizer
    )
    asked = corpus.questions["text"].head(PAIRS_MEASURED).to_list()
    texts = chunks["text"].head(PAIRS_MEASURED).to_list()
    pairs = [(asked[at % len(asked)], text) for at, text in enumerate(texts)]
    session.note_pairs(model, *session.reranker(model).measure(pairs), afresh=True)
