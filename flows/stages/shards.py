"""A stage's questions in shards; those that another run is asking come last, once that run is done or gone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from corpora.errors import counted
from corpora.schema import LabelSet
from flows.session.session import Session
from flows.stages.asking import Asked, PromptGroups
from flows.stages.runner import Runner
from labeling.prompting.labeler import LabelerConfig
from labeling.votes.vote import Prompt

SHARD_SECONDS = 15.0  # the time that a shard should take; a task costs Prefect some 20 ms
SHARDS_A_WORKER = 2  # one is being worked on, and the next is already waiting
MOST_QUESTIONS = 64  # in a shard

# Arguments: session, reader, labels, prompts, and whether to wait for questions that another run is asking.
Ask = Callable[[Session, LabelerConfig, LabelSet, Sequence[Prompt], bool], Asked]


def ask_in_shards(
    stage: str, ask: Ask, groups: PromptGroups, n_questions: int, labels: LabelSet, config: LabelerConfig,
    session: Session, runner: Runner, first: int = 1,
) -> list[Asked]:  # fmt: skip
    """Ask a reader all prompts, shard by shard; whatever happens, every answer that came is in the ledger.

    Args:
        stage: the name that progress is shown under.
        ask: asks the prompts of one shard.
        groups: gives the prompts of each question.
        n_questions: how many questions there are.
        labels: the allowed answers.
        config: the reader.
        session: opens the ledger and the reader.
        runner: runs the shards.
        first: how many questions the first shard has.
    """

    def calls(groups: Iterable[Sequence[Prompt]], n: int, waits: bool) -> Iterator[tuple[int, tuple[Any, ...]]]:
        for shard in cut_shards(groups, n, first, runner.n_workers):
            yield len({prompt.question_id for prompt in shard}), (config, labels, shard, waits)

    try:
        asked = runner.each(stage, n_questions, ask, session, calls(groups(), n_questions, False))
        left = {question_id for one in asked for question_id in one.left}
        if left:
            session.release_ledgers()  # or the other run might wait for this one
            runner.progress.say(f"{stage}: coming back to {counted(len(left), 'question')} that another run was asking")
            # The prompts are written again: only the ids of the questions that were left are remembered.
            # Of a sheet, some may be answered already.
            upcoming = (rest for group in groups() if (rest := [one for one in group if one.question_id in left]))
            asked += runner.each(stage, len(left), ask, session, calls(upcoming, len(left), True))
        return asked
    finally:
        session.release_ledgers()


def cut_shards(
    groups: Iterable[Sequence[Prompt]], n_questions: int, first: int = 1, n_workers: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[Prompt]]:  # fmt: skip
    """Cut the prompts into shards that take some seconds each: long enough to be worth a task, short enough to show.

    Args:
        groups: the prompts of each question.
        n_questions: how many questions there are.
        first: how many questions the first shard has; each later one is sized by how long the one before took, and has
            at most about twice as many.
        n_workers: how many shards are worked on at a time; towards the end each worker still gets its share.
        clock: gives the time in seconds.
    """
    upcoming, size, n_shards, left = iter(groups), first, 0, n_questions
    while True:
        share = math.ceil(left / (SHARDS_A_WORKER * n_workers)) if n_workers > 1 else MOST_QUESTIONS
        n_now = max(1, min(size, share))
        shard = [prompt for group in islice(upcoming, n_now) for prompt in group]
        if not shard:
            return
        started = clock()
        yield shard
        left, n_shards = left - n_now, n_shards + 1
        if n_workers > 1 and n_shards <= SHARDS_A_WORKER * n_workers:
            continue  # taken at once, without waiting, so the clock says nothing
        took = (clock() - started) * n_workers
        size = max(1, min(MOST_QUESTIONS, round(n_now * SHARD_SECONDS / max(took, SHARD_SECONDS / 2))))
