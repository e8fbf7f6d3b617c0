"""Asking remote readers: in batches if their plan has them, otherwise call by call; within the limit on spending."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from corpora.errors import InputError, counted
from corpora.schema import Corpus, LabelSet
from flows.session.session import Session
from flows.stages.asking import Asked, PromptGroups, ask, claim_missing, count_known, count_prompts
from flows.stages.runner import Runner
from flows.stages.shards import ask_in_shards
from labeling.prompting.labeler import LabelerConfig
from labeling.remote.direct import DirectLabeler
from labeling.remote.jobs.desk import NoBatchesError
from labeling.remote.jobs.job import batch_folder, direct_lock
from labeling.remote.jobs.parts import load_parts
from labeling.remote.spending import LimitError, Usage
from labeling.votes.ledger import Ledger
from labeling.votes.vote import Prompt

FIRST_SHARD = 16  # questions: enough to keep all connections busy
# Why a vote is read from the text although the server gave a distribution.
OVERRULED = (
    "The server's distribution does not fit its answer: it stands before other tokens, such as hidden reasoning, or "
    'mostly outside the labels, or the answer has no label. logprobs = "off" reads every vote from the text.'
)
FLUSH_SECONDS = 5.0  # what was paid for is on disk soon


class Submitted(NamedTuple):
    """How many requests of a batch job are under way, and how many the limit on spending holds back for now."""

    under_way: int
    kept_back: int


def submit_batches(config: LabelerConfig, labels: LabelSet, session: Session, groups: PromptGroups) -> Submitted:
    """Plan and submit the requests whose votes the ledger lacks, without waiting for answers.

    Raises:
        NoBatchesError: the provider's plan turns out to have no batches.
        InputError: as `BatchDesk.submit`.
    """
    desk = session.desk(config, labels)
    desk.plan(prompt for group in groups() for prompt in group)
    desk.submit()
    parts = desk.open_parts()
    return Submitted(*(sum(one.n_requests for one in parts if one.is_under_way is is_it) for is_it in (True, False)))


def submit_reads(config: LabelerConfig, labels: LabelSet, session: Session, groups: PromptGroups) -> None:
    """Submit a reader's prompts on retrieved chunks, if it is asked in batches.

    Whatever the limit holds back, or the plan has no batches for, is asked when the reader's turn comes.
    """
    if not is_answered(config, labels, session, groups) and session.providers.find_api(config.remote) == "batch":
        with suppress(LimitError, NoBatchesError):
            submit_batches(config, labels, session, groups)


def ask_remote(
    stage: str, groups: PromptGroups, n_questions: int, corpus: Corpus, config: LabelerConfig, session: Session,
    runner: Runner,
) -> list[Asked]:  # fmt: skip
    """Ask a remote reader all prompts; whatever happens, every answer that came is in the ledger.

    Raises:
        InputError: the provider refuses, the limit on spending is reached, or answers are still missing after all
            attempts.
    """
    session.providers.say = runner.progress.say
    n_prompts, n_missing = _count(groups, config, corpus.labels, session)
    if not n_missing:
        return [Asked(n_prompts, 0, 0, 0, 0.0, ())]
    if session.providers.find_api(config.remote) == "batch":
        try:
            return _ask_in_batches(stage, groups, corpus, config, session, runner)
        except NoBatchesError:
            session.providers.fall_back(config.remote)
    if config.remote.api_first == "batch":
        runner.progress.say(
            f"{config.label}: this plan of {config.remote.provider} has no batches; asking call by call at full price."
        )
    shards = ask_in_shards(
        stage, ask_directly, groups, n_questions, corpus.labels, config, session, runner, FIRST_SHARD
    )
    n_overruled = sum(one.n_overruled for one in shards)
    if n_overruled:
        were = "was" if n_overruled == 1 else "were"
        runner.progress.say(f"{config.label}: {counted(n_overruled, 'vote')} {were} read from the text. {OVERRULED}")
    return shards


def ask_all(
    stage: str, groups: PromptGroups, n_questions: int, corpus: Corpus, reader: LabelerConfig, session: Session,
    runner: Runner,
) -> list[Asked]:  # fmt: skip
    """Ask a reader all prompts, shard by shard; whatever happens, every answer that came is in the ledger.

    Args:
        stage: the name that progress is shown under.
        groups: gives the prompts of each question.
        n_questions: how many questions there are.
        corpus: gives the label set.
        reader: on this machine or remote.
        session: opens readers and ledgers.
        runner: runs the shards.

    Raises:
        InputError: as `ask` and `ask_remote`.
    """
    if reader.remote.is_remote:
        return ask_remote(stage, groups, n_questions, corpus, reader, session, runner)
    return ask_in_shards(stage, ask, groups, n_questions, corpus.labels, reader, session, runner)


def _refuse_twice(config: LabelerConfig, ledger: Ledger) -> None:
    """Refuse to ask call by call what is planned or under way in batches: it would be paid for twice."""
    under_way = sum(part.n_requests for part in load_parts(batch_folder(ledger.folder)) if part.is_open)
    if under_way:
        raise InputError(
            f"{config.label}: {counted(under_way, 'request')} planned or under way in batches",
            "no open batches, since asking call by call as well would pay twice",
            "run `tercet batches collect` to fetch their answers, or `tercet batches cancel` to stop them",
        )


def is_answered(config: LabelerConfig, labels: LabelSet, session: Session, groups: PromptGroups) -> bool:
    """Whether the ledger has every vote, so that nobody needs to be asked and no key is needed."""
    return not _count(groups, config, labels, session)[1]


def _count(groups: PromptGroups, config: LabelerConfig, labels: LabelSet, session: Session) -> tuple[int, int]:
    """How many prompts there are, and how many of them the ledger does not answer."""
    ledger = session.ledger(config, labels)
    ledger.look()
    counts = [(len(group), len(ledger.missing(group, looks=False))) for group in groups()]
    return sum(n for n, _ in counts), sum(n for _, n in counts)


def is_paid(config: LabelerConfig, session: Session) -> bool:
    """Whether answers cost money: a server that is not in the price table is taken to be the user's own."""
    return config.remote.provider != "server" or session.meter(config, "direct").price is not None


def ask_directly(
    session: Session, config: LabelerConfig, labels: LabelSet, prompts: Sequence[Prompt], waits: bool = False
) -> Asked:
    """Ask the prompts of some questions call by call, several at a time; each vote enters the ledger as it comes.

    Args:
        session: opens the ledger and the provider's client.
        config: the reader.
        labels: the allowed answers.
        prompts: all prompts of some questions.
        waits: whether to wait for questions that another run is asking of the same free server; otherwise they are
            left.

    Raises:
        InputError: as `ask_remote`.
    """
    started = time.perf_counter()
    ledger = session.ledger(config, labels)
    ledger.flush_seconds = min(ledger.flush_seconds, FLUSH_SECONDS)
    left: list[str] = []
    if is_paid(config, session):
        # Two runs that pay take turns, shard by shard, so that the second finds what the first has paid for.
        with direct_lock(ledger):
            _refuse_twice(config, ledger)
            missing = ledger.missing(prompts)
            asked = _ask_missing(ledger, missing, session, config, labels)
    else:
        missing, left = claim_missing(ledger, prompts, waits=waits)
        try:
            asked = _ask_missing(ledger, missing, session, config, labels)
        finally:
            ledger.release()
    return Asked(
        n_prompts=count_prompts(prompts, left),
        n_new=len(missing),
        n_evaluated=asked.used.input,
        n_tokens=asked.used.input,
        seconds=time.perf_counter() - started,
        not_kept=(),
        n_written=asked.used.output,
        n_broken_off=asked.n_broken_off,
        n_overruled=asked.n_overruled,
        usd=session.meter(config, "direct").usd(asked.used),
        left=tuple(left),
        n_known=count_known((one for one in prompts if one.question_id not in left), missing),
    )


class _Called(NamedTuple):
    """What calls used, how many broke off, and how many votes were read from the text, as in `DirectLabeler`."""

    used: Usage = Usage()
    n_broken_off: int = 0
    n_overruled: int = 0


def _ask_missing(
    ledger: Ledger, prompts: Sequence[Prompt], session: Session, config: LabelerConfig, labels: LabelSet
) -> _Called:
    if not prompts:
        return _Called()
    provider = session.providers.client(config.remote)
    pacer, meter = session.providers.pacer(config.remote, config.model), session.meter(config, "direct")
    labeler = DirectLabeler(config, labels, provider, pacer, meter, is_proven=not ledger.is_empty)
    try:
        labeler.ask(prompts, lambda vote: ledger.append([vote]))
    except InputError as error:
        if not labeler.n_broken_off:
            raise
        n_broken = labeler.n_broken_off
        twice = f"{n_broken} calls broke off after they were sent and were made again; each may be paid twice"
        raise InputError(error.found, error.expected, f"{error.remedy} ({twice})") from error
    finally:
        ledger.flush()
    return _Called(labeler.used, labeler.n_broken_off, labeler.n_overruled)


def _ask_in_batches(
    stage: str, groups: PromptGroups, corpus: Corpus, config: LabelerConfig, session: Session, runner: Runner
) -> list[Asked]:
    desk = session.desk(config, corpus.labels, runner.progress.say)
    asked: list[Asked] = []
    in_vain = 0
    while True:
        missing = desk.plan(prompt for group in groups() for prompt in group)
        under_way = desk.open_parts()
        if not under_way:
            return asked
        if desk.is_cancelled:
            raise InputError(
                f"{config.label}: batches were cancelled, with {counted(missing, 'vote')} missing",
                "a vote for each prompt",
                "run again to submit the missing ones; everything so far is kept",
            )
        if in_vain == config.remote.max_attempts:
            raise InputError(
                f"{config.label}: {counted(missing, 'vote')} missing, and the last {in_vain} submissions brought none"
                + (f" (the last error: {desk.last_error.message})" if desk.last_error else ""),
                "a vote for each prompt",
                "run again to submit the missing ones; everything so far is kept",
            )
        calls = ((part.n_requests, (config, corpus.labels, part.id)) for part in desk.finished())
        collected = runner.each(
            stage, sum(part.n_requests for part in under_way), collect_part, session, calls, "request"
        )
        in_vain = 0 if any(one.n_new for one in collected) else in_vain + 1
        asked += collected


def collect_part(session: Session, config: LabelerConfig, labels: LabelSet, part_id: str) -> Asked:
    """Put the votes of a finished part into the ledger."""
    started = time.perf_counter()
    desk = session.desk(config, labels)
    results = desk.collect(part_id)
    return Asked(
        n_prompts=len(results.new),
        n_new=len(results.new),
        n_evaluated=results.used.input,
        n_tokens=results.used.input,
        seconds=time.perf_counter() - started,
        not_kept=(),
        n_written=results.used.output,
        usd=session.meter(config, "batch").usd(results.used),
    )
