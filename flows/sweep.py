"""The sweep flow: chunk at every size, embed, index, retrieve, let the readers answer, score, and reach a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import polars as pl

from flows.asking import Asked, collect
from flows.experiment import Experiment
from flows.label import Labeled, ask_all, reader_corpus
from flows.remote import submit_reads
from flows.runner import Runner
from flows.stages import (
    build_contexts,
    check_sizes,
    embed_all,
    join_answers,
    rank,
    reading_prompts,
    score_retrieval,
    split,
)
from flows.workspace import Workspace
from results.guards import find_warnings
from results.scoring import score_documents, score_sweep
from results.verdict import Verdict, reach_verdicts
from retrieval.chunks import CHUNKS

QUESTIONS_A_SHARD = 2


class Swept(NamedTuple):
    """What the sweep flow leaves behind.

    Attributes:
        tables: result frames by name: chunks, hits, retrieval, answers, whole_document, cells, classes, comparisons.
        verdicts: one a reader and cut, the headline first.
        warnings: why the sweep may say less than it seems to.
        asked: what each shard took, by reader.
    """

    tables: Mapping[str, pl.DataFrame]
    verdicts: list[Verdict]
    warnings: list[str]
    asked: Mapping[str, list[Asked]]


def sweep(experiment: Experiment, labeled: Labeled, workspace: Workspace, runner: Runner) -> Swept:
    """Rank every chunking, read every cut of every ranking, score, and say which chunking to use."""
    corpus, retrieval = labeled.corpus, experiment.retrieval
    check_sizes(experiment, workspace)
    chunked = [
        runner.run(f"chunk: {chunking.name}", split, experiment, corpus, chunking, workspace)
        for chunking in retrieval.chunkings()
    ]
    embed_all(experiment, corpus, chunked, workspace, runner)
    hits = pl.concat([runner.run("index and rank", rank, experiment, corpus, one, workspace) for one in chunked])
    contexts = runner.run("cut and assemble contexts", build_contexts, experiment, hits)
    for reader in experiment.remote_readers:  # all of their batches are under way together
        mine = reader_corpus(corpus, reader, experiment.corpus.seed)
        _, prompts = reading_prompts(mine, reader, contexts)
        submit_reads(reader.as_reader(), corpus.labels, workspace, partial(iter, prompts))
    answers, asked = [], {}
    for reader in experiment.readers:
        mine = reader_corpus(corpus, reader, experiment.corpus.seed)
        requests, prompts = reading_prompts(mine, reader, contexts)
        greedy = reader.as_reader()
        asked[reader.label] = ask_all(
            f"read: {reader.label}", partial(iter, prompts), len(prompts), mine, greedy, workspace, runner,
            QUESTIONS_A_SHARD,
        )  # fmt: skip
        failed = [vote for one in asked[reader.label] for vote in one.not_kept]
        votes = collect(workspace, greedy, corpus.labels, [p for group in prompts for p in group], failed)
        answers.append(join_answers(requests, votes))
    retrieved = runner.run("score retrieval", score_retrieval, experiment, corpus, hits, workspace)
    scored = runner.run(
        "score answers", score_sweep, corpus, pl.concat(answers), retrieved, labeled.golds, experiment.scoring
    )
    verdicts = reach_verdicts(
        scored.cells, scored.comparisons, labeled.tables["labelers"], experiment.scoring, experiment.consensus.rule
    )
    tables = {
        "chunks": pl.concat([chunks.select(CHUNKS.names()) for chunks in chunked]),
        "hits": hits.select("chunking", "question_id", "rank", "chunk_id", "score"),
        "retrieval": retrieved,
        "answers": pl.concat(answers),
        "whole_document": score_documents(corpus, labeled.votes, labeled.golds, experiment.scoring),
        **scored._asdict(),
    }
    return Swept(tables, verdicts, find_warnings(tables), asked)
