"""The compare flow: several readers on the same questions, on one corpus or more, and how they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from corpora.schema import Corpus
from flows.label import Labeled, label, load
from flows.session.experiment import Experiment
from flows.session.session import Session
from flows.stages.asking import document_prompts
from flows.stages.measure import time_questions
from flows.stages.runner import Runner
from results.comparing.comparison import compare_labelers
from results.comparing.shift import OnCorpus, compare_corpora
from results.readers.answers import judge
from results.readers.slices import best_on_slices, slice_questions


class Compared(NamedTuple):
    """The result of the compare flow.

    Attributes:
        tables: result frames by name: pairs, own_gold, label_classes, best_on_slice; corpora and shifts with several
            corpora, and then the votes, gold sets and labelers of each other corpus under its name.
        others: the other corpora, labeled, by name.
        speeds: how fast each reader is, as JSON types; empty if that was not asked for.
    """

    tables: Mapping[str, pl.DataFrame]
    others: Mapping[str, Labeled]
    speeds: list[dict[str, Any]]


def compare(experiment: Experiment, labeled: Labeled, session: Session, runner: Runner, *, probe: bool) -> Compared:
    """Compare the readers of an experiment, from votes that the label flow has collected.

    Args:
        experiment: with at least two readers.
        labeled: its first corpus.
        session: opens readers and ledgers.
        runner: runs the stages.
        probe: whether to say how fast each reader is and how much memory it takes.
    """
    corpus, how = labeled.corpus, experiment.scoring
    tables = runner.run("compare readers", compare_labelers, corpus, labeled.votes, labeled.golds, how)
    judged = {name: judge(corpus, votes) for name, votes in labeled.votes.items()}
    tables["best_on_slice"] = best_on_slices(judged, slice_questions(corpus), how.confidence)
    others = {}
    for config in experiment.other_corpora:
        elsewhere = experiment.model_copy(update={"corpus": config})
        there = label(elsewhere, load(elsewhere, session, runner), session, runner)
        others[there.corpus.name] = there
    if others:
        every = [_on_corpus(one) for one in (labeled, *others.values())]
        tables |= runner.run("compare corpora", compare_corpora, every, how.confidence)
    speeds = runner.run("time the readers", time_all, experiment, corpus, session) if probe else []
    return Compared(tables, others, speeds)


def _on_corpus(labeled: Labeled) -> OnCorpus:
    judged = {name: judge(labeled.corpus, votes) for name, votes in labeled.votes.items()}
    return OnCorpus(labeled.corpus.name, labeled.tables["labelers"], judged)


def time_all(experiment: Experiment, corpus: Corpus, session: Session) -> list[dict[str, Any]]:
    """How long every reader of this machine takes for the same questions; asking remote ones would cost money."""
    prices = session.prices  # read first: a wrong price table is refused before anything is measured
    local = [reader for reader in experiment.readers if not reader.remote.is_remote]
    timed = [time_questions(reader, corpus.labels, document_prompts(corpus, reader), session) for reader in local]
    return [one.described(prices) for one in timed]
