"""The sweep flow: chunk at every size, embed, index, retrieve, let the readers answer, score, and reach a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from flows.label import Labeled
from flows.session.experiment import Experiment
from flows.session.session import Session
from flows.stages.answering import answer_all
from flows.stages.asking import Asked
from flows.stages.reading import build_contexts
from flows.stages.retrieving import retrieve
from flows.stages.runner import Runner
from results.advice.advice import Advice
from results.advice.guards import counted_differently, find_warnings, one_document
from results.advice.recommendation import recommend
from results.advice.retrieval_choice import choose_retrieval
from results.advice.verdict import reach_verdicts
from results.sweep.scoring import score_sweep
from retrieval.embedding.unknown_tokens import Unread, unread_warnings


class Swept(NamedTuple):
    """The result of the sweep flow.

    Attributes:
        tables: result frames by name: chunks, hits, retrieval, retrieval_means, index_recall, and with readers
            answers, cells, baselines, classes, comparisons, ladder, interactions.
        verdicts: one a reader and cut, the headline first.
        recommendations: one a reader.
        choices: which setting retrieves best, one a cut.
        warnings: why the sweep may tell less than it seems to.
        asked: the cost of each shard, by reader.
        unread: how much each embedder cannot read, by its name.
        unread: how much each embedder cannot read, by its name.
    """

    tables: Mapping[str, pl.DataFrame]
    verdicts: list[Advice]
    recommendations: list[Advice]
    choices: list[Advice]
    warnings: list[str]
    asked: Mapping[str, list[Asked]]
    unread: Mapping[str, Sequence[Unread]]


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
    corpus, retrieval, how = labeled.corpus, experiment.retrieval, experiment.scoring
    retrieved = retrieve(retrieval, corpus, how, session, runner, wants_oracle=experiment.wants_oracle)
    tables = dict(retrieved.tables)
    choices = choose_retrieval(corpus, tables["retrieval"], how)
    asked: Mapping[str, list[Asked]] = {}
    verdicts: list[Advice] = []
    recommended: list[Advice] = []
    if experiment.readers:
        contexts = runner.run(
            "cut and assemble contexts",
            build_contexts, retrieval, corpus, retrieved.hits, retrieved.oracle, how.seed, session,
        )  # fmt: skip
        answers, asked = answer_all(experiment, corpus, labeled.votes, contexts, session, runner)
        rule, labelers = experiment.consensus.rule, labeled.tables["labelers"]
        readers = [labeled.readers[reader.label] for reader in session.by_size(experiment.readers)]
        scored = runner.run("score answers", score_sweep, corpus, answers, readers, rule, how)
        tables |= {"answers": answers, **scored._asdict()}
        verdicts = reach_verdicts(scored.cells, scored.comparisons, labelers, how, rule)
        recommended = recommend(scored.cells, scored.comparisons, scored.ladder, labelers, how)
    unread = unread or {}
    warnings = [*one_document(corpus), *find_warnings(tables), *counted_differently(retrieved.counting)]
    warnings += [line for name, of_embedder in unread.items() for line in unread_warnings(name, of_embedder)]
    return Swept(tables, verdicts, recommended, choices, [*warnings, *retrieved.left_out], asked, unread)
