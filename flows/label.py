"""The label flow: three votes a question on the whole document, and the gold set that they agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import polars as pl

from corpora.loading.load import load_corpus
from corpora.schema import Corpus
from flows.session.cross_checks import check_choice_readers
from flows.session.experiment import Experiment, ReaderConfig
from flows.session.session import Session
from flows.stages.asking import Asked, collect, document_prompts
from flows.stages.remote_asking import ask_all
from flows.stages.reviewed import check_consensus, reviewed_corpus, with_accepted
from flows.stages.runner import Runner
from labeling.votes.consensus import NOT_REVIEWED, ReaderVotes, Reviewed, build_gold
from labeling.votes.vote import Prompt
from results.readers.labeling_tables import labeling_tables


class Labeled(NamedTuple):
    """The result of the label flow.

    Attributes:
        corpus: the documents and the selected questions.
        readers: each reader with its votes and gold set.
        tables: result frames by name, see `results.readers.labeling_tables`; none without readers.
        asked: the cost of each shard, by reader.
        calibrated: the cost of each shard of tune questions, by reader.
    """

    corpus: Corpus
    readers: Mapping[str, ReaderVotes]
    tables: Mapping[str, pl.DataFrame]
    asked: Mapping[str, list[Asked]]
    calibrated: Mapping[str, list[Asked]]

    @property
    def votes(self) -> dict[str, pl.DataFrame]:
        """The votes on whole documents, by reader."""
        return {name: reader.votes for name, reader in self.readers.items()}

    @property
    def reviewed(self) -> Reviewed:
        """What people settled on, where the gold sets go by that; the same for all readers."""
        return next((reader.reviewed for reader in self.readers.values()), NOT_REVIEWED)

    @property
    def golds(self) -> dict[str, pl.DataFrame]:
        """The gold sets, by reader."""
        return {name: reader.gold for name, reader in self.readers.items()}


def load(experiment: Experiment, session: Session, runner: Runner) -> Corpus:
    """Load the corpus of an experiment, and refuse a consensus rule that it lacks the labels for."""
    workspace = session.workspace
    config = workspace.corpus(experiment.corpus)
    corpus = runner.run("load corpus", load_corpus, config, workspace.samples, workspace.conversions)
    check_consensus(experiment.consensus, corpus, session)
    check_choice_readers(experiment.readers, corpus)
    return with_accepted(corpus, session)


def label(experiment: Experiment, corpus: Corpus, session: Session, runner: Runner) -> Labeled:
    """Ask every reader three times, build the gold sets, and summarise the readers."""
    tune, no_tune = experiment.tune_of(corpus)
    reviewed = reviewed_corpus(experiment.consensus, corpus, session).labels
    readers, asked, calibrated = {}, {}, {}
    for reader in experiment.readers:
        name = reader.label
        mine = reader.corpus_of(corpus, experiment.corpus.seed)
        votes, asked[name] = vote(f"label: {name}", mine, reader, session, runner)
        of_tune = None
        if tune is not None and reader.gives_distributions:
            of_tune, calibrated[name] = vote(f"calibrate: {name}", tune, reader, session, runner)
        gold = build_gold(votes, mine.questions, corpus.labels, experiment.consensus, reader.sampling, reviewed)
        readers[name] = ReaderVotes(
            name, reader.sampling, reader.diversity, mine.questions, votes, gold, of_tune, reviewed
        )
    how = (experiment.consensus, experiment.scoring.confidence, no_tune)
    each = list(readers.values())
    tables = runner.run("summarise readers", labeling_tables, corpus, each, *how) if each else {}
    return Labeled(corpus, readers, tables, asked, calibrated)


def vote(
    stage: str, corpus: Corpus, reader: ReaderConfig, session: Session, runner: Runner
) -> tuple[pl.DataFrame, list[Asked]]:
    """Ask a reader its three prompts on every question of a corpus; returns the votes and the cost of each shard."""

    def groups() -> Iterator[list[Prompt]]:
        return document_prompts(corpus, reader)

    asked = ask_all(stage, groups, len(corpus.questions), corpus, reader, session, runner)
    failed = [vote for one in asked for vote in one.not_kept]
    prompts = (prompt for group in groups() for prompt in group)
    return collect(session, reader, corpus.labels, prompts, failed), asked
