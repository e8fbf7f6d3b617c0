"""A vote: one answer of a reader to one prompt, a label or a named failure, with the distribution behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple, Protocol

import polars as pl

from corpora.schema import LabelSet
from labeling.votes.parsing import Parse, Problem

Arm = Literal["closed_book", "random", "document", "oracle_chunk", "retrieved"]
Failure = Literal["prompt_too_long", "rejected", "no_label_mass", "empty", "refused", "truncated", "off_label"]

N_VOTES = 3  # what "unanimous" means in this project

VOTES = pl.Schema(
    {
        "labeler": pl.String(),
        "prompt_hash": pl.String(),
        "arm": pl.String(),
        "vote": pl.Int16(),
        "seed": pl.Int64(),
        "question_id": pl.String(),
        "label": pl.String(),
        "failure": pl.String(),
        "probabilities": pl.List(pl.Float64()),
        "outside_mass": pl.Float64(),
        "margin": pl.Float64(),
        "n_prompt_tokens": pl.Int32(),
        "text": pl.String(),
        "parse": pl.String(),
        "problem": pl.String(),
        "n_generated": pl.Int32(),
        "served": pl.String(),
    }
)
KEY = ("labeler", "prompt_hash", "arm", "vote", "seed")


class VoteKey(NamedTuple):
    """Which of a reader's votes this is.

    Attributes:
        prompt_hash: digest of the prompt.
        arm: which context the reader saw.
        vote: number of the vote.
        seed: seed of the draw.
        question_id: the question; it follows from the prompt and the seed.
    """

    prompt_hash: str
    arm: Arm
    vote: int
    seed: int
    question_id: str

    @property
    def id(self) -> str:
        """The key as 32 hexadecimal digits, to name it to a provider."""
        return vote_id(self.prompt_hash, self.arm, self.vote, self.seed).hex()


def vote_id(prompt_hash: str, arm: str, vote: int, seed: int) -> bytes:
    """A vote's key within one reader as 16 bytes, short enough to keep millions in memory."""
    return hashlib.blake2b(f"{prompt_hash}\x1f{arm}\x1f{vote}\x1f{seed}".encode(), digest_size=16).digest()


class Prompt(NamedTuple):
    """One prompt to ask: everything about it except the model.

    Attributes:
        question_id: the question that it asks.
        arm: which context it shows.
        vote: number of the vote, 0 to 2.
        seed: seed of the draw, from the experiment's seed, the question and the vote.
        system: system message.
        message: user message, context and question filled in.
        start: how the answer starts; the label comes next.
        choices: what may be answered, where the question has choices of its own; votes and distributions are in these.
        n_before: characters of the message that come before the question, where they show its whole document: all
            questions on the document begin with them. 0 for other prompts.
        sheet: prompts that follow each other with the same sheet go to the model together, as those of one question do;
            empty for the question alone.
    """

    question_id: str
    arm: Arm
    vote: int
    seed: int
    system: str
    message: str
    start: str = ""
    choices: tuple[str, ...] = ()
    n_before: int = 0
    sheet: str = ""

    @property
    def hash(self) -> str:
        """Digest of what the model sees, and of what it may answer where that is the question's own."""
        seen = f"{self.system}\x1e{self.message}\x1e{self.start}"
        answers = f"\x1e{json.dumps(self.choices)}" if self.choices else ""
        return hashlib.sha256(f"{seen}{answers}".encode()).hexdigest()[:32]

    def labels(self, of_corpus: LabelSet) -> LabelSet:
        """What may be answered: the question's own choices, or the labels of its corpus."""
        return LabelSet(self.choices) if self.choices else of_corpus

    @property
    def key(self) -> VoteKey:
        """Which vote this prompt asks for."""
        return VoteKey(self.hash, self.arm, self.vote, self.seed, self.question_id)


@dataclass(frozen=True, slots=True)
class Vote:
    """One answer; exactly one of `label` and `failure` is set.

    Attributes:
        labeler: fingerprint of the reader.
        prompt_hash: digest of the prompt.
        arm: which context the reader saw.
        vote: number of the vote.
        seed: seed of the draw.
        question_id: the question.
        label: the label drawn, or None.
        failure: why there is no label, or None.
        probabilities: probability of each label in canonical order, not normalised; empty on failure.
        outside_mass: probability of everything that is not a label.
        margin: difference between the two largest probabilities, normalised over the labels; small means fragile.
        n_prompt_tokens: length of the prompt in the model's tokens; 0 if a server does not say.
        text: what was generated, or a provider's words about a rejected request; None in label mode on this machine, as
            are the next three.
        parse: how the label was read: `strict`, `lenient` or `repaired`.
        problem: what was wrong with the text before a repair, if anything: empty, refused, truncated, off_label.
        n_generated: tokens generated, the repair included.
        served: what a provider says it answered with, model and build; None on this machine.
    """

    labeler: str
    prompt_hash: str
    arm: Arm
    vote: int
    seed: int
    question_id: str
    label: str | None
    failure: Failure | None
    probabilities: tuple[float, ...]
    outside_mass: float | None
    margin: float | None
    n_prompt_tokens: int
    text: str | None = None
    parse: Parse | None = None
    problem: Problem | None = None
    n_generated: int | None = None
    served: str | None = None

    @property
    def id(self) -> str:
        """Its key, as in `VoteKey.id`."""
        return vote_id(self.prompt_hash, self.arm, self.vote, self.seed).hex()


def failed_vote(labeler: str, key: VoteKey, failure: Failure, n_prompt_tokens: int) -> Vote:
    """A vote without a label or a distribution."""
    return Vote(
        labeler=labeler,
        **key._asdict(),
        label=None,
        failure=failure,
        probabilities=(),
        outside_mass=None,
        margin=None,
        n_prompt_tokens=n_prompt_tokens,
    )


class Labeler(Protocol):
    """A reader that is ready to be asked: it turns the prompts of one question into votes."""

    @property
    def fingerprint(self) -> str:
        """Digest of everything about the reader that changes its votes."""
        ...

    @property
    def n_evaluated(self) -> int:
        """Tokens evaluated so far, after prefix sharing."""
        ...

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt as the model sees it."""
        ...

    def ask(self, prompts: list[Prompt]) -> list[Vote]:
        """Answer the prompts of one question, in order, with one vote each."""
        ...


def votes_frame(votes: Iterable[Vote]) -> pl.DataFrame:
    """Frame of schema `VOTES`, one row per vote."""
    return pl.DataFrame([asdict(vote) for vote in votes], schema=VOTES)


def vote_seed(seed: int, question_id: str, vote: int) -> int:
    """A 63-bit seed for one draw, from the reader's seed, the question and the number of the vote."""
    digest = hashlib.blake2b(f"{seed}\x1f{question_id}\x1f{vote}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
