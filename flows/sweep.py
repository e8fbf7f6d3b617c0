"""The sweep flow: chunk at every size, embed, index, retrieve, let the readers answer, score, and reach a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from corpora.schema import Corpus
from flows.label import Labeled
from flows.session.experiment import Experiment
from flows.session.session import Session
from flows.stages.answering import answer_all
from flows.stages.asking import Asked
from flows.stages.reading import Asking, Contexts, build_contexts
from flows.stages.retrieval.retrieving import Retrieved, retrieve
from flows.stages.runner import Runner
from results.advice.advice import Advice
from results.advice.guards import (
    counted_differently,
    edge_of_grid,
    find_warnings,
    heavy_documents,
    heavy_of_retrieval,
    lost_headings,
    one_document,
)
from results.advice.recommendation import recommend
from results.advice.retrieval_choice import choose_retrieval
from results.advice.verdict import reach_verdicts
from results.sweep.behaviour.abstention import score_abstention
from results.sweep.scoring import score_sweep
from results.sweep.within import Race
from retrieval.embedding.unknown_tokens import Unread, unread_warnings


class Prepared(NamedTuple):
    """What a sweep knows before any reader is asked.

    Attributes:
        retrieved: the rankings, and how good they are.
        contexts: what the readers get to see; None without readers.
        choices: which setting retrieves best, one a cut.
        unread: how much each embedder cannot read.
    """

    retrieved: Retrieved
    contexts: Contexts | None
    choices: list[Advice]
    unread: Mapping[str, Sequence[Unread]]


class Swept(NamedTuple):
    """The result of the sweep flow.

    Attributes:
        tables: result frames by name: chunks, hits, retrieval, retrieval_means, index_recall, and with readers
            answers, cells, baselines, classes, comparisons, ladder, interactions; and abstention, where the corpus has
            a label that says that the answer is not stated.
        verdicts: one a reader and cut, the headline first.
        recommendations: one a reader.
        choices: which setting retrieves best, one a cut.
        warnings: why the sweep may tell less than it seems to.
        asked: the cost of each shard, by reader.
        unread: how much each embedder cannot read, by its name.
        timings: how long each embedder's retrievers took.
    """

    tables: Mapping[str, pl.DataFrame]
    verdicts: list[Advice]
    recommendations: list[Advice]
    choices: list[Advice]
    warnings: list[str]
    asked: Mapping[str, list[Asked]]
    unread: Mapping[str, Sequence[Unread]]
    timings: Sequence[Mapping[str, Any]] = ()


def sweep(
    experiment: Experiment, labeled: Labeled, session: Session, runner: Runner,
    unread: Mapping[str, Sequence[Unread]] | None = None,
) -> Swept:  # fmt: skip
    """Rank every setting, read every cut of every ranking, score, and say which setting to use.

    Args:
        experiment: the settings, cuts and readers.
        labeled: the result of the label flow.
        session: opens embedders and readers.
        runner: runs the stages.
        unread: how much each embedder cannot read, if that was measured.
    """
    prepared = prepare(experiment, labeled.corpus, session, runner, unread)
    everything = Asking(experiment.retrieval.controls)
    asking = {reader.label: everything for reader in experiment.readers}
    return read(experiment, labeled, prepared, session, runner, asking)


def prepare(
    experiment: Experiment, corpus: Corpus, session: Session, runner: Runner,
    unread: Mapping[str, Sequence[Unread]] | None = None,
) -> Prepared:  # fmt: skip
    """Rank every setting, and cut every ranking: everything that needs no reader; arguments as for `sweep`."""
    retrieval, how = experiment.retrieval, experiment.scoring
    retrieved = retrieve(retrieval, corpus, how, session, runner, wants_oracle=experiment.wants_oracle)
    contexts = None
    if experiment.readers:
        contexts = runner.run(
            "cut and assemble contexts",
            build_contexts, retrieval, corpus, retrieved.hits, retrieved.oracle, how.seed, session,
        )  # fmt: skip
    choices = choose_retrieval(corpus, retrieved.tables["retrieval"], how)
    for choice in choices if experiment.readers else ():  # what is found so far, before readers take their time
        runner.progress.say(choice.line)
    return Prepared(retrieved, contexts, choices, unread or {})


def read(
    experiment: Experiment, labeled: Labeled, prepared: Prepared, session: Session, runner: Runner,
    asking: Mapping[str, Asking], race: Race | None = None,
) -> Swept:  # fmt: skip
    """Let the readers answer, score, and say which setting to use.

    Args:
        experiment: gives the readers and their questions.
        labeled: their gold sets.
        prepared: what they get to see.
        session: opens readers and ledgers.
        runner: runs the stages.
        asking: the cells and arms in which each reader is asked, by its name.
        race: the looks of a sweep that is read until the advice is told; None for a single one.
    """
    corpus, how, tables = labeled.corpus, experiment.scoring, dict(prepared.retrieved.tables)
    asked: Mapping[str, list[Asked]] = {}
    verdicts: list[Advice] = []
    recommended: list[Advice] = []
    warnings = one_document(corpus)
    if prepared.contexts:
        answers, asked = answer_all(experiment, corpus, labeled.votes, prepared.contexts, session, runner, asking)
        labelers, consensus = labeled.tables["labelers"], experiment.consensus
        readers = [labeled.readers[reader.label] for reader in session.by_size(experiment.readers)]
        scored = runner.run("score answers", score_sweep, corpus, answers, readers, consensus, how, race)
        tables |= {"answers": answers, **scored._asdict()}
        if corpus.not_stated:
            named = (answers, readers, consensus, how, tables["retrieval"])
            tables["abstention"] = runner.run("score abstention", score_abstention, corpus, *named)
        tried = tables["retrieval_means"]
        verdicts = reach_verdicts(scored.cells, scored.comparisons, labelers, how, consensus.rule, tried)
        recommended = recommend(scored.cells, scored.comparisons, scored.ladder, labelers, how, tried)
        warnings += heavy_documents(corpus, readers, consensus, how)
    else:
        warnings += heavy_of_retrieval(corpus, how)
    warnings += [*find_warnings(tables), *counted_differently(prepared.retrieved.counting)]
    warnings += lost_headings(tables["heading_paths"]) if "heading_paths" in tables else []
    warnings += [line for name, of_embedder in prepared.unread.items() for line in unread_warnings(name, of_embedder)]
    warnings += [*edge_of_grid([*recommended, *prepared.choices]), *prepared.retrieved.left_out]
    timings = prepared.retrieved.timings
    return Swept(tables, verdicts, recommended, prepared.choices, warnings, asked, prepared.unread, timings)
