"""Draws a vote from a distribution over labels: truncation, temperature, a seeded draw.

Follows llama.cpp's default sampler order (common/common.h, `common_params_sampling::samplers`): top_k, top_p, min_p,
then temperature. They are applied to the labels' distribution instead of the whole vocabulary's, because only labels
can be drawn here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]
COLD = 0.001  # at this temperature the best label wins in all but near ties


class Sampling(NamedTuple):
    """Sampling parameters under llama.cpp's names; the defaults change nothing."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    @property
    def is_greedy(self) -> bool:
        """Whether the most probable label always wins, so that repeated draws are copies."""
        return self.temperature == 0 or self.top_k == 1 or self.min_p == 1


def sampled_distribution(probabilities: Probabilities, sampling: Sampling) -> Probabilities:
    """The distribution from which a label is drawn.

    Args:
        probabilities: shape (..., labels), not negative, no row all zero; rows need not be normalised.
        sampling: how to truncate and flatten the distribution.

    Returns:
        Same shape, each row sums to 1. At temperature 0 the first of the most probable labels has all of it.
    """
    p = probabilities / probabilities.sum(axis=-1, keepdims=True)
    n_labels = p.shape[-1]
    if sampling.is_greedy:
        certain: Probabilities = np.eye(n_labels)[p.argmax(axis=-1)]
        return certain
    order = np.argsort(-p, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1)
    keep = np.ones(p.shape, dtype=bool)
    if sampling.top_k > 0:
        keep[..., sampling.top_k :] = False
    # top_p keeps the fewest top labels whose mass reaches top_p; the most probable label always stays.
    kept_mass = np.where(keep, ranked, 0.0)
    before = (kept_mass / kept_mass.sum(axis=-1, keepdims=True)).cumsum(axis=-1)[..., :-1]
    if sampling.top_p < 1:  # at 1, a sum that rounds up to 1 would drop the rest
        keep[..., 1:] &= before < sampling.top_p
    keep &= ranked >= sampling.min_p * ranked[..., :1]
    truncated = np.zeros(p.shape)
    np.put_along_axis(truncated, order, np.where(keep, ranked, 0.0), axis=-1)
    with np.errstate(divide="ignore", over="ignore"):
        logits = np.log(truncated)
        if sampling.temperature < COLD:  # before it is divided by next to nothing, so that the best stays at 0
            logits -= logits.max(axis=-1, keepdims=True)
        logits /= sampling.temperature
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    distribution: Probabilities = weights / weights.sum(axis=-1, keepdims=True)
    return distribution


def draw(probabilities: Probabilities, sampling: Sampling, seed: int) -> int:
    """Index of the label drawn with this seed."""
    distribution = sampled_distribution(probabilities, sampling)
    uniform = np.random.Generator(np.random.Philox(seed)).random()
    at = int(np.searchsorted(distribution.cumsum(), uniform, side="right"))
    return min(at, len(distribution) - 1)  # rounding may leave the sum short of 1


def top_two_margin(probabilities: Probabilities) -> float:
    """Difference between the two largest normalised probabilities."""
    ranked = np.sort(probabilities / probabilities.sum())
    return float(ranked[-1] - ranked[-2])
