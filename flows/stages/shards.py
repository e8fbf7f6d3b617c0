"""A stage's questions in shards: those that another run is asking come last, once it is done with them or gone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from corpora.schema import LabelSet
from flows.session.session import Session
from flows.stages.asking import Asked, PromptGroups
from flows.stages.runner import Runner
from labeling.prompting.labeler import LabelerConfig
from labeling.votes.vote import Prompt

SHARD_SECONDS = 15.0  # that a shard should take: a task costs Prefect some 20 ms
SHARDS_A_WORKER = 2  # of several: one is worked on, and the next is there already
MOST_QUESTIONS = 64  # of a shard

# Session, reader, labels, prompts, and whether it waits for questions that another run is asking or leaves them.
Ask = Callable[[Session, LabelerConfig, LabelSet, Sequence[Prompt], bool], Asked]


def ask_in_shards(
    stage: str, ask: Ask, groups: PromptGroups, n_questions: int, labels: LabelSet, config: LabelerConfig,
    session: Session, runner: Runner, first: int = 1,
) -> list[Asked]:  # fmt: skip
    """Ask a labeler all prompts, shard by shard; whatever happens, what was answered is in the ledger.

    Args:
        stage: what the progress bar says.
        ask: asks the prompts of one shard.
        groups: gives the prompts of each question.
        n_questions: how many questions these are.
        labels: the allowed answers.
        config: the labeler.
        session: opens the ledger and the reader.
        runner: runs the shards.
        first: questions of the first shard.
    """

    def calls(groups: Iterable[Sequence[Prompt]], n: int, waits: bool) -> Iterator[tuple[int, tuple[Any, ...]]]:
        for shard in cut_shards(groups, n, first, runner.n_workers):
            yield len({prompt.question_id for prompt in shard}), (config, labels, shard, waits)

    try:
        asked = runner.each(stage, n_questions, ask, session, calls(groups(), n_questions, False))
        left = {question_id for one in asked for question_id in one.left}
        if left:
            session.release_ledgers()  # or the other run might wait for this one
            runner.progress.say(f"{stage}: coming back to {len(left)} questions that were being asked elsewhere")
            # Written anew: of the prompts that were left only the questions are remembered.
            upcoming = (group for group in groups() if group and group[0].question_id in left)
            asked += runner.each(stage, len(left), ask, session, calls(upcoming, len(left), True))
        return asked
    finally:
        session.release_ledgers()


def cut_shards(
    groups: Iterable[Sequence[Prompt]], n_questions: int, first: int = 1, n_workers: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[Prompt]]:  # fmt: skip
    """The prompts of some questions at a time: as many as take some seconds, so that progress shows and tasks pay.

    Args:
        groups: the prompts of each question.
        n_questions: how many these are.
        first: questions of the first shard; each later one has so many as the time that the one before took allows,
            twice as many at most.
        n_workers: how many work at a time; each has its share to the end.
        clock: tells seconds.
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
            continue  # taken without being waited for, so that the clock tells nothing
        took = (clock() - started) * n_workers
        size = max(1, min(MOST_QUESTIONS, round(n_now * SHARD_SECONDS / max(took, SHARD_SECONDS / 2))))
