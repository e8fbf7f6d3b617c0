"""The exact law of three votes: from the recorded label distributions, without drawing and without asking again.

A vote draws from the recorded distribution after truncation and temperature, independently of the other two, so the
law of the three follows by multiplication: with one prompt, P(unanimous) is the sum of p^3 over the labels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from labeling.votes.sampling import Probabilities, Sampling, sampled_distribution
from labeling.votes.vote import N_VOTES


class VoteLaw(NamedTuple):
    """Probabilities of what the three votes of each question say, in canonical label order.

    Attributes:
        single: shape (questions, labels): a vote picked at random from the three says this label.
        unanimous: shape (questions, labels): all three say this label.
        majority: shape (questions, labels): at least two say this label.
        tie: shape (questions,): all three differ.
    """

    single: Probabilities
    unanimous: Probabilities
    majority: Probabilities
    tie: Probabilities


def vote_law(probabilities: Probabilities, sampling: Sampling) -> VoteLaw:
    """The law of three independent draws.

    Args:
        probabilities: shape (questions, 3, labels): the recorded distribution of each vote, not normalised.
        sampling: truncation and temperature of the draws, not necessarily those of the recorded votes.
    """
    drawn = sampled_distribution(probabilities, sampling)
    first, second, third = (drawn[:, vote, :] for vote in range(N_VOTES))
    unanimous = first * second * third
    majority = first * second + first * third + second * third - 2 * unanimous
    tie = np.maximum(0.0, 1.0 - majority.sum(axis=-1))
    return VoteLaw(drawn.mean(axis=1), unanimous, majority, tie)


def most_probable(probabilities: Probabilities) -> npt.NDArray[np.int64]:
    """Index of the label with the highest mean probability over the three votes, each normalised; shape (questions,).

    Args:
        probabilities: shape (questions, 3, labels), as recorded.
    """
    normalised = probabilities / probabilities.sum(axis=-1, keepdims=True)
    best: npt.NDArray[np.int64] = normalised.mean(axis=1).argmax(axis=-1)
    return best


class Distributions(NamedTuple):
    """Recorded label distributions of questions whose three votes all have one.

    Attributes:
        question_ids: their ids.
        probabilities: shape (questions, 3, labels), not normalised: the rest up to 1 lies outside the labels.
        n_unknown: number of questions left out because a vote failed or came without a distribution.
    """

    question_ids: list[str]
    probabilities: Probabilities
    n_unknown: int


def distributions(votes: pl.DataFrame, n_labels: int) -> Distributions:
    """Stack the recorded distributions of a frame of schema `VOTES`, questions in order of their ids."""
    each = votes.sort("question_id", "vote").group_by("question_id", maintain_order=True).agg("probabilities")
    lengths = pl.col("probabilities").list.eval(pl.element().list.len() == n_labels)
    known = each.filter((pl.col("probabilities").list.len() == N_VOTES) & lengths.list.all())
    flat = known["probabilities"].explode().explode().to_numpy() if len(known) else np.zeros(0)
    stacked = np.asarray(flat, dtype=np.float64).reshape(len(known), N_VOTES, n_labels)
    return Distributions(known["question_id"].to_list(), stacked, len(each) - len(known))
