"""The label flow: three votes a question on the whole document, and the gold set that they agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from corpora.schema import Corpus, Question, iter_questions
from corpora.selection import sample_questions
from corpora.sources import load_corpus
from flows.asking import Asked, ask, collect, shards
from flows.experiment import Experiment, ReaderConfig
from flows.runner import Runner
from flows.workspace import Workspace, flush_ledgers
from labeling.consensus import build_gold, check_rule
from labeling.labeler import LabelerConfig, PromptWriter
from labeling.votes import Prompt
from results.labelers import attrition, compare_rules, summarise_labeler
from retrieval.context import assemble

QUESTIONS_A_SHARD = 8


class Labeled(NamedTuple):
    """What the label flow leaves behind.

    Attributes:
        corpus: the documents and the selected questions.
        votes: votes of the document arm, by reader.
        golds: gold set, by reader.
        tables: result frames by name: labelers, consensus, attrition.
        asked: what each shard took, by reader.
    """

    corpus: Corpus
    votes: Mapping[str, pl.DataFrame]
    golds: Mapping[str, pl.DataFrame]
    tables: Mapping[str, pl.DataFrame]
    asked: Mapping[str, list[Asked]]


def label(experiment: Experiment, workspace: Workspace, runner: Runner) -> Labeled:
    """Load the corpus, ask every reader three times, build the gold sets, and summarise the labelers."""
    corpus = runner.run("load corpus", load_corpus, experiment.corpus.resolved(workspace.base), workspace.samples)
    check_rule(experiment.consensus, corpus.questions)
    votes, golds, asked = {}, {}, {}
    for reader in experiment.readers:
        mine = reader_corpus(corpus, reader, experiment.corpus.seed)
        prompts = document_prompts(mine, reader)
        asked[reader.label] = ask_all(f"label: {reader.label}", prompts, mine, reader, workspace, runner)
        failed = [vote for one in asked[reader.label] for vote in one.not_kept]
        flat = [prompt for group in prompts for prompt in group]
        votes[reader.label] = collect(workspace, reader, corpus.labels, flat, failed)
        golds[reader.label] = build_gold(votes[reader.label], mine.questions, corpus.labels, experiment.consensus)
    tables = runner.run("summarise labelers", labeler_tables, experiment, corpus, votes, golds)
    return Labeled(corpus, votes, golds, tables, asked)


def reader_corpus(corpus: Corpus, reader: ReaderConfig, seed: int) -> Corpus:
    """The corpus with the questions that this reader is asked, drawn by the corpus's seed."""
    if reader.questions is None:
        return corpus
    return corpus.with_questions(sample_questions(corpus.questions, reader.questions, seed))


def document_prompts(corpus: Corpus, reader: ReaderConfig) -> list[list[Prompt]]:
    """The three prompts of each question, its gold documents as context."""
    writer = PromptWriter(reader, corpus.labels)

    def context(question: Question) -> str:
        return assemble([corpus.texts[document_id] for document_id in question.document_ids])

    return [writer.votes(question, "document", context(question)) for question in iter_questions(corpus.questions)]


def ask_all(
    name: str, prompts: list[list[Prompt]], corpus: Corpus, reader: LabelerConfig, workspace: Workspace, runner: Runner,
    questions_a_shard: int = QUESTIONS_A_SHARD,
) -> list[Asked]:  # fmt: skip
    """Ask a reader all prompts, shard by shard; whatever happens, what was answered is in the ledger."""
    calls = (
        (len({prompt.question_id for prompt in shard}), (workspace, reader, corpus.labels, shard))
        for shard in shards(prompts, questions_a_shard)
    )
    try:
        return runner.each(name, len(prompts), ask, calls)
    finally:
        flush_ledgers()


def labeler_tables(
    experiment: Experiment, corpus: Corpus, votes: Mapping[str, pl.DataFrame], golds: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """The frames labelers, consensus and attrition over all readers."""
    confidence = experiment.scoring.confidence
    labelers, rules, lost = [], [], []
    for reader in experiment.readers:
        name, cast = reader.label, votes[reader.label]
        asked = reader_corpus(corpus, reader, experiment.corpus.seed).questions
        labelers.append(summarise_labeler(name, cast, asked, corpus.labels, confidence))
        rules.append(compare_rules(name, cast, asked, corpus.labels, experiment.consensus, confidence))
        lost.append(attrition(name, golds[name], corpus.labels))
    return {"labelers": pl.concat(labelers), "consensus": pl.concat(rules), "attrition": pl.concat(lost)}
