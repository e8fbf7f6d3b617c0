"""Letting every reader of a sweep answer: in every cell and arm, from what its prompts show."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from corpora.schema import Corpus
from flows.session.experiment import Experiment, ReaderConfig
from flows.session.session import Session
from flows.stages.asking import Asked, collect
from flows.stages.reading import Asking, Contexts, Reading, join_answers
from flows.stages.remote_asking import ask_all, submit_reads
from flows.stages.runner import Runner
from results.readers.answers import ANSWERS


def answer_all(
    experiment: Experiment, corpus: Corpus, cast: Mapping[str, pl.DataFrame], contexts: Contexts, session: Session,
    runner: Runner, asking: Mapping[str, Asking],
) -> tuple[pl.DataFrame, dict[str, list[Asked]]]:  # fmt: skip
    """Let every reader answer.

    Args:
        experiment: gives the readers and the arms.
        corpus: documents and questions.
        cast: each reader's votes on whole documents.
        contexts: what the readers get to see.
        session: opens readers and ledgers.
        runner: runs the stages.
        asking: the cells and arms in which each reader is asked, by its name.

    Returns:
        The answers, frame of schema `ANSWERS`; and the cost of each shard, by reader.
    """

    def reading_of(reader: ReaderConfig) -> Reading:
        mine = reader.corpus_of(corpus, experiment.corpus.seed)
        return Reading(mine, reader, contexts, asking[reader.label])

    for reader in experiment.remote_readers:  # the batches of all of them are under way together
        submit_reads(reader.as_reader(), corpus.labels, session, reading_of(reader).prompts)
    answers, asked = [pl.DataFrame(schema=ANSWERS)], {}
    for reader in experiment.readers:
        reading, name, greedy = reading_of(reader), reader.label, reader.as_reader()
        n_questions = len(reading.corpus.questions)
        asked[name] = ask_all(f"read: {name}", reading.prompts, n_questions, reading.corpus, greedy, session, runner)
        failed = [vote for one in asked[name] for vote in one.not_kept]
        prompts = (prompt for group in reading.prompts() for prompt in group)
        votes = collect(session, greedy, corpus.labels, prompts, failed)
        answers.append(join_answers(corpus, name, reading.requests(), votes, cast[name]))
    return pl.concat(answers), asked
