"""The sweep flow: chunk at every size, embed, index, retrieve, let the readers answer, score, and reach a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from corpora.schema import Corpus
from flows.label import Labeled, ask_all, reader_corpus
from flows.session.experiment import Experiment, ReaderConfig
from flows.session.session import Session
from flows.stages.asking import Asked, collect
from flows.stages.indexing import (
    Ranked,
    embed_all,
    kept_chunks,
    needs_vectors,
    rank,
    split,
)
from flows.stages.reading import Contexts, Reading, build_contexts, join_answers
from flows.stages.remote_asking import submit_reads
from flows.stages.runner import Runner
from results.advice.guards import counted_differently, find_warnings, one_document
from results.advice.recommendation import Recommendation, recommend
from results.advice.retrieval_choice import Choice, choose_retrieval
from results.advice.verdict import Verdict, reach_verdicts
from results.evidence.retrieval_metrics import score_retrieval
from results.sweep.judged import ANSWERS
from results.sweep.retrieval_means import mean_retrieval
from results.sweep.scoring import score_sweep
from retrieval.config import RetrievalConfig
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.ranking.retrievers import Retriever


class Swept(NamedTuple):
    """What the sweep flow leaves behind.

    Attributes:
        tables: result frames by name: chunks, hits, retrieval, retrieval_means, index_recall, and with readers
            answers, cells, baselines, classes, comparisons, ladder, interactions.
        verdicts: one a reader and cut, the headline first.
        recommendations: one a reader.
        choices: which setting retrieves best, one a cut.
        warnings: why the sweep may say less than it seems to.
        asked: what each shard took, by reader.
    """

    tables: Mapping[str, pl.DataFrame]
    verdicts: list[Verdict]
    recommendations: list[Recommendation]
    choices: list[Choice]
    warnings: list[str]
    asked: Mapping[str, list[Asked]]


def sweep(experiment: Experiment, labeled: Labeled, session: Session, runner: Runner) -> Swept:
    """Rank every setting, read every cut of every ranking, score, and say which setting to use."""
    corpus = labeled.corpus
    tables, ranked = retrieve(experiment, corpus, session, runner)
    choices = choose_retrieval(corpus, tables["retrieval"], experiment.scoring)
    if not experiment.readers:
        return Swept(tables, [], [], choices, warnings_of(experiment.retrieval, corpus, tables, session), {})
    hits, oracle = (pl.concat([getattr(one, name) for one in ranked]) for name in ("hits", "oracle"))
    contexts = runner.run(
        "cut and assemble contexts",
        build_contexts, experiment.retrieval, corpus, hits, oracle, experiment.scoring.seed, session,
    )  # fmt: skip
    answers, asked = read(experiment, labeled, contexts, session, runner)
    rule, how = experiment.consensus.rule, experiment.scoring
    readers = [labeled.readers[reader.label] for reader in session.by_size(experiment.readers)]
    scored = runner.run("score answers", score_sweep, corpus, answers, readers, rule, how)
    tables |= {"answers": answers, **scored._asdict()}
    verdicts = reach_verdicts(scored.cells, scored.comparisons, labeled.tables["labelers"], how, rule)
    recommended = recommend(scored.cells, scored.comparisons, scored.ladder, labeled.tables["labelers"], how)
    return Swept(
        tables, verdicts, recommended, choices, warnings_of(experiment.retrieval, corpus, tables, session), asked
    )


def warnings_of(
    retrieval: RetrievalConfig, corpus: Corpus, tables: Mapping[str, pl.DataFrame], session: Session
) -> list[str]:
    """Why the sweep may say less than it seems to, and what of it was not done twice."""
    counting = {config.label: session.embedder(config).tokenizer.digest for config in retrieval.embedders}
    found = [*one_document(corpus), *find_warnings(tables), *counted_differently(counting)]
    if "bm25" not in retrieval.retrievers:
        return found
    ranked = {config.label for config, mine in retrievers_of(retrieval, session) if "bm25" in mine}
    return found + [
        f"{config.label}: BM25 ranks the same chunks as under an embedder named before it, and stands there only."
        for config in retrieval.embedders
        if config.label not in ranked
    ]


def retrieve(
    experiment: Experiment, corpus: Corpus, session: Session, runner: Runner
) -> tuple[dict[str, pl.DataFrame], list[Ranked]]:
    """Chunk, embed, index, rank and score every setting, one embedder after the other."""
    retrieval, wants_oracle = experiment.retrieval, experiment.wants_oracle
    chunked, ranked, scores = [], [], []
    for config, retrievers in retrievers_of(retrieval, session):
        mine = [
            runner.run(f"chunk: {chunking.name}", split, corpus, chunking, config, session)
            for chunking in retrieval.chunkings()
        ]
        if needs_vectors(retrievers, wants_oracle=wants_oracle):
            embed_all(corpus, mine, config, session, runner)
        found = [
            runner.run("index and rank", rank, retrieval, corpus, chunks, config, retrievers, session, wants_oracle)
            for chunks in mine
        ]
        rankings, tokenizer = [one.hits for one in found], session.embedder(config).tokenizer
        scores.append(runner.run("score retrieval", score_retrieval, corpus, rankings, retrieval.cuts(), tokenizer))
        chunked += [kept_chunks(chunks) for chunks in mine]
        ranked += found
    scored = pl.concat(scores)
    tables = {
        "chunks": pl.concat(chunked),
        "hits": pl.concat([one.hits for one in ranked]).select(
            "embedder", "retriever", "chunking", "question_id", "rank", "chunk_id", "score"
        ),
        "retrieval": scored,
        "retrieval_means": runner.run("average retrieval", mean_retrieval, corpus, scored, experiment.scoring),
        "index_recall": pl.concat([one.recalls for one in ranked]),
    }
    return tables, ranked


def retrievers_of(retrieval: RetrievalConfig, session: Session) -> list[tuple[EmbedderConfig, list[Retriever]]]:
    """Each embedder with its retrievers; BM25, which needs no vector, once for embedders that make the same chunks."""
    found, counted = [], set()
    for config in retrieval.embedders:
        # Of the semantic splitter's chunks the vectors of sentences decide too, which are never pooled late.
        embedder = session.embedder(config.model_copy(update={"late": False}))
        counting = embedder.tokenizer.digest + (embedder.digest if "semantic" in retrieval.splitters else "")
        twice = counting in counted
        counted.add(counting)
        mine = [one for one in dict.fromkeys(retrieval.retrievers) if not (twice and one == "bm25")]
        if mine:
            found.append((config, mine))
    return found


def read(
    experiment: Experiment, labeled: Labeled, contexts: Contexts, session: Session, runner: Runner
) -> tuple[pl.DataFrame, dict[str, list[Asked]]]:
    """Let every reader answer in every cell and arm."""
    corpus = labeled.corpus
    for reader in experiment.remote_readers:  # all of their batches are under way together
        upcoming = Reading(*_asked_of(experiment, corpus, reader, contexts))
        submit_reads(reader.as_reader(), corpus.labels, session, upcoming.prompts)
    answers, asked = [pl.DataFrame(schema=ANSWERS)], {}
    for reader in experiment.readers:
        reading = Reading(*_asked_of(experiment, corpus, reader, contexts))
        mine, greedy = reader_corpus(corpus, reader, experiment.corpus.seed), reader.as_reader()
        asked[reader.label] = ask_all(
            f"read: {reader.label}", reading.prompts, len(mine.questions), mine, greedy, session, runner
        )
        failed = [vote for one in asked[reader.label] for vote in one.not_kept]
        prompts = (prompt for group in reading.prompts() for prompt in group)
        votes = collect(session, greedy, corpus.labels, prompts, failed)
        answers.append(join_answers(corpus, reader.label, reading.requests(), votes, labeled.votes[reader.label]))
    return pl.concat(answers), asked


def _asked_of(
    experiment: Experiment, corpus: Corpus, reader: ReaderConfig, contexts: Contexts
) -> tuple[Corpus, ReaderConfig, Contexts, tuple[str, ...]]:
    return reader_corpus(corpus, reader, experiment.corpus.seed), reader, contexts, experiment.retrieval.controls
