"""A specialist as a reader: what it sees of a prompt's question and context, and the label that it draws."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from corpora.schema import LabelSet
from labeling.prompting.labeler import LabelerConfig, fingerprint
from labeling.prompting.pairs import read_pair
from labeling.specialist.look import Head, Look, Scores
from labeling.votes.sampling import draw, top_two_margin
from labeling.votes.vote import Prompt, Vote, failed_vote


class Given(NamedTuple):
    """What a specialist gives for one question and context.

    Attributes:
        probabilities: shape (labels,); None if the question alone is too long.
        n_tokens: tokens that were evaluated.
    """

    probabilities: Scores | None
    n_tokens: int


class SpecialistLabeler:
    """Answers prompts with a specialist.

    Args:
        config: the sampling.
        labels: the allowed answers.
        look: sees question and context.
        head: gives the labels' probabilities.
        digest: of the specialist.
    """

    def __init__(self, config: LabelerConfig, labels: LabelSet, look: Look, head: Head, digest: str) -> None:
        self.config, self.labels = config, labels
        self.fingerprint = fingerprint(config, labels, digest)
        self.n_evaluated = 0
        self._look, self._head = look, head

    def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of question and context, whole, as the embedder sees them."""
        return tokens_of(self._look, prompt)

    def ask(self, prompts: list[Prompt]) -> list[Vote]:
        """Answer the prompts of one question; what several of them show is read once.

        A question that is too long for the embedder is never shortened: its votes are failures `prompt_too_long`.
        """
        given = {message: self._read(message) for message in dict.fromkeys(prompt.message for prompt in prompts)}
        self.n_evaluated += sum(one.n_tokens for one in given.values())
        return [self._vote(prompt, given[prompt.message]) for prompt in prompts]

    def _read(self, message: str) -> Given:
        pair = read_pair(message)
        seen = self._look.look(*pair)
        if seen is None:
            return Given(None, 0)
        n_tokens = seen.n_tokens + self._head.n_tokens(pair.question, seen)
        return Given(self._head.probabilities(pair.question, seen), n_tokens)

    def _vote(self, prompt: Prompt, given: Given) -> Vote:
        failed = failed_vote(self.fingerprint, prompt.key, "prompt_too_long", len(self.tokenize(prompt)))
        if given.probabilities is None:
            return failed
        probabilities = np.asarray(given.probabilities, dtype=np.float64)
        return replace(
            failed,
            label=self.labels.labels[draw(probabilities, self.config.sampling, prompt.seed)],
            failure=None,
            probabilities=tuple(map(float, probabilities)),
            outside_mass=0.0,
            margin=top_two_margin(probabilities),
        )


def tokens_of(look: Look, prompt: Prompt) -> tuple[int, ...]:
    """Token ids of a prompt's question and context."""
    pair = read_pair(prompt.message)
    return (*look.tokenize(pair.question), *look.tokenize(pair.context))
