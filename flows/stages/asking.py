"""Asking a reader on this machine, except for what the ledger already answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import polars as pl

from corpora.schema import Corpus, LabelSet, Question, iter_questions
from flows.session.session import Session
from labeling.prompting.labeler import LabelerConfig, PromptWriter
from labeling.votes.choices import at_their_places
from labeling.votes.ledger import Ledger
from labeling.votes.vote import KEY, VOTES, Failure, Labeler, Prompt, Vote, votes_frame
from retrieval.context import assemble

# A prompt that did not fit costs nothing to refuse again, and fits once num_ctx is raised.
NOT_KEPT: Failure = "prompt_too_long"
PromptGroups = Callable[[], Iterator[list[Prompt]]]  # the prompts of each question, written anew at every call


class Asked(NamedTuple):
    """The cost of asking a shard, and what it left undone.

    Attributes:
        n_prompts: distinct prompts, not counting those of questions that were left.
        n_new: how many of them the ledger had no vote for.
        n_evaluated: model tokens evaluated for them, after prefix sharing.
        n_tokens: their model tokens, each prompt counted in full.
        seconds: wall-clock.
        not_kept: failed votes that the ledger does not keep.
        left: ids of questions that another run was asking.
        n_known: how many questions had all their votes in the ledger.
        n_written: tokens that a remote reader wrote.
        n_broken_off: calls that broke off after they were sent and were made again; in the worst case paid twice.
        n_overruled: votes that were read from a server's text, because it does not fit the server's distribution.
        usd: the cost in US dollars, at the price table's prices.
    """

    n_prompts: int
    n_new: int
    n_evaluated: int
    n_tokens: int
    seconds: float
    not_kept: tuple[Vote, ...]
    n_written: int = 0
    n_broken_off: int = 0
    n_overruled: int = 0
    usd: float = 0.0
    left: tuple[str, ...] = ()
    n_known: int = 0


def ask(
    session: Session, config: LabelerConfig, labels: LabelSet, prompts: Sequence[Prompt], waits: bool = False
) -> Asked:
    """Ask a reader the prompts of some questions and put its votes into the ledger.

    The prompts of one question, or of one sheet, go to the model together and enter the ledger together, so that their
    order of evaluation does not depend on shards or resumes.

    Args:
        session: opens the ledger and the reader.
        config: the reader.
        labels: the allowed answers.
        prompts: grouped by question.
        waits: whether to wait for questions that another run is asking; otherwise they are left.

    Raises:
        InputError: the model is missing or broken, or the ledger cannot be written.
    """
    started = time.perf_counter()
    ledger = session.ledger(config, labels)
    n_new, evaluated, n_tokens, seconds = 0, 0, 0, 0.0
    not_kept: list[Vote] = []
    left: list[str] = []
    upcoming = ledger.missing(prompts)
    n_known = count_known(prompts, upcoming)
    for together, group in groupby(upcoming, key=lambda prompt: prompt.sheet or prompt.question_id):
        missing = list(group)
        if not ledger.claim(together, wait=waits):
            left += dict.fromkeys(prompt.question_id for prompt in missing)
            continue
        # Another run may have answered between the look at the ledger and the claim.
        missing = ledger.missing(missing) if ledger.has_claims else missing
        if not missing:
            continue
        labeler = session.labeler(config, labels, for_votes=True)
        asked = time.perf_counter()
        votes, n_evaluated = _ask_model(labeler, missing)
        seconds += time.perf_counter() - asked
        kept = [vote for vote in votes if vote.failure != NOT_KEPT]
        if ledger.append(kept):
            ledger.release()
        n_new += len(missing)
        evaluated += n_evaluated
        n_tokens += sum(vote.n_prompt_tokens for vote in kept)
        not_kept += [vote for vote in votes if vote.failure == NOT_KEPT]
    if evaluated:
        session.note_speed(config, evaluated, seconds)
    return Asked(
        n_prompts=count_prompts(prompts, left),
        n_new=n_new,
        n_evaluated=evaluated,
        n_tokens=n_tokens,
        seconds=time.perf_counter() - started,
        not_kept=tuple(not_kept),
        left=tuple(left),
        n_known=n_known,
    )


def count_known(prompts: Iterable[Prompt], missing: Iterable[Prompt]) -> int:
    """How many of the questions that these prompts ask have all their votes."""
    return len({prompt.question_id for prompt in prompts} - {prompt.question_id for prompt in missing})


def count_prompts(prompts: Iterable[Prompt], left: Collection[str]) -> int:
    """How many distinct prompts these are, without those of questions that are left to other runs."""
    return len({(prompt.hash, prompt.vote) for prompt in prompts if prompt.question_id not in left})


def claim_missing(ledger: Ledger, prompts: Sequence[Prompt], *, waits: bool) -> tuple[list[Prompt], list[str]]:
    """Claim the questions of a shard together.

    Returns:
        The prompts that have no vote yet, and the ids of questions that other runs are asking.
    """
    while True:
        missing = ledger.missing(prompts)
        questions = dict.fromkeys(prompt.question_id for prompt in missing)
        busy = [one for one in questions if not ledger.claim(one)]
        if not (busy and waits):
            break
        ledger.claim(busy[0], wait=True)
    # Another run may have answered between the look at the ledger and the claims.
    return ledger.missing([prompt for prompt in missing if prompt.question_id not in busy]), busy


def _ask_model(labeler: Labeler, prompts: list[Prompt]) -> tuple[list[Vote], int]:
    """The votes on the prompts of one question, and the tokens evaluated for them."""
    before = labeler.n_evaluated
    votes = labeler.ask(prompts)
    return votes, labeler.n_evaluated - before


def collect(
    session: Session,
    config: LabelerConfig,
    labels: LabelSet,
    prompts: Iterable[Prompt],
    not_kept: Sequence[Vote] = (),
) -> pl.DataFrame:
    """The votes on these prompts; frame of schema `VOTES`, one row a distinct prompt, in a canonical order.

    Where questions have choices of their own, labels are their places, as in `at_their_places`.

    Only the key of each prompt is held, so that a generator of prompts costs no memory.
    """
    ledger = session.ledger(config, labels)
    ledger.flush()
    choices: dict[str, tuple[str, ...]] = {}

    def keys() -> Iterator[tuple[str, str, int, int]]:
        for prompt in prompts:
            digest = prompt.hash
            if prompt.choices:
                choices[digest] = prompt.choices
            yield digest, prompt.arm, prompt.vote, prompt.seed

    wanted = pl.DataFrame(
        list(keys()),
        schema=pl.Schema({name: VOTES[name] for name in KEY[1:]}),
        orient="row",
    ).unique()
    known = pl.concat([ledger.votes(), votes_frame(not_kept)]).unique(KEY, keep="first", maintain_order=True)
    votes = known.join(wanted, on=list(KEY[1:]), how="semi").sort("question_id", *KEY[1:])
    return at_their_places(votes, choices, labels) if labels.of_question else votes


def document_prompts(corpus: Corpus, reader: LabelerConfig) -> Iterator[list[Prompt]]:
    """The three prompts of each question, its gold documents as context; written one question at a time.

    Questions on the same documents follow each other, so that what their prompts share is evaluated once.
    """
    writer = PromptWriter(reader, corpus.labels)

    def context(question: Question) -> str:
        return assemble([corpus.texts[document_id] for document_id in question.document_ids])

    for question in iter_questions(by_document(corpus.questions)):
        yield writer.votes(question, "document", context(question))


def by_document(questions: pl.DataFrame) -> pl.DataFrame:
    """Frame of schema `QUESTIONS` in its order, but those on the same documents follow the first of them."""
    placed = questions.select(pl.int_range(pl.len()).alias("place"), on=pl.col("document_ids").list.join("\x1f"))
    return questions[placed.select(pl.col("place").sort_by(pl.col("place").min().over("on"), "place")).to_series()]
