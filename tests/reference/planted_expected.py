"""Populations of documents on which advice from expected scores is tried: what is true of them is known exactly.

A document has one question or several. A question counts with the probability g, and a setting answers it rightly with
the probability a. The best setting answers with `BASE`; a rival loses d of that, and the mean of d, weighted by g, is
what the population plants: the margin, where advising the rival would be just wrong, or 0, where settings are equal.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from results.stats.worst_case import Weighted

Floats = npt.NDArray[np.float64]
BASE = 0.7
MARGIN = 0.05


class Population(NamedTuple):
    """How documents are drawn.

    Attributes:
        weights: g of each question, shape (documents, questions of a document).
        losses: d of each question for one rival, with the weighted mean `lost`; of the same shape.
    """

    weights: Callable[[np.random.Generator, int], Floats]
    losses: Callable[[np.random.Generator, Floats, float], Floats]


def draw(population: Population, n: int, n_rivals: int, lost: float, rng: np.random.Generator) -> Weighted:
    """Documents with the best setting in the first column and rivals that lose `lost` in the others."""
    weights = population.weights(rng, n)
    scores = [np.full(weights.shape, BASE)]
    scores += [BASE - population.losses(rng, weights, lost) for _ in range(n_rivals)]
    sums = np.stack([(weights * one).sum(axis=1) for one in scores], axis=1)
    return Weighted(weights.sum(axis=1), sums)


def even(rng: np.random.Generator, n: int) -> Floats:
    return rng.uniform(0.3, 1.0, (n, 1))


def skewed(rng: np.random.Generator, n: int) -> Floats:
    """Most questions hardly count, and a few count fully."""
    return rng.beta(0.25, 0.5, (n, 1)) + 1e-6


def fours(rng: np.random.Generator, n: int) -> Floats:
    """Documents of four questions."""
    return rng.uniform(0.3, 1.0, (-(-n // 4), 4))


def heavy(rng: np.random.Generator, n: int) -> Floats:
    """One question in ten counts five times as much as the others."""
    return np.where(rng.random((n, 1)) < 0.1, 1.0, 0.2)


def smooth(rng: np.random.Generator, weights: Floats, lost: float) -> Floats:
    return lost + rng.uniform(-0.2, 0.2, weights.shape)


def wide(rng: np.random.Generator, weights: Floats, lost: float) -> Floats:
    """Mostly small differences, and some of either sign that are large: as of the 1.5b reader on PubMedQA."""
    size = np.where(rng.random(weights.shape) < 0.7, 0.03, 0.28)
    return lost + size * rng.uniform(-1, 1, weights.shape)


def flips(share: float, by: float) -> Callable[[np.random.Generator, Floats, float], Floats]:
    """A share of the documents on which all answers flip; elsewhere a small difference makes up for the rest."""

    def losses(rng: np.random.Generator, weights: Floats, lost: float) -> Floats:
        is_flipped = rng.random((len(weights), 1)) < share
        rest = (lost - share * by) / (1 - share)
        return np.broadcast_to(np.where(is_flipped, by, rest), weights.shape)

    return losses


def heavy_flips(rng: np.random.Generator, weights: Floats, lost: float) -> Floats:
    """Flips in the questions that count most, and in no others: the mean of g there is .1 of .28."""
    is_heavy = weights > 0.5
    by, share = 0.7, 0.2
    rest = (lost * 0.28 - 0.1 * share * by) / (0.28 - 0.1 * share)
    is_flipped = is_heavy & (rng.random(weights.shape) < share)
    return np.where(is_flipped, by, rest)


# The populations on which the test has to be valid.
POPULATIONS = {
    "smooth": Population(even, smooth),
    "wide": Population(even, wide),
    "rare flips": Population(even, flips(1 / 40, 0.7)),
    "clustered": Population(fours, flips(1 / 20, 0.6)),
    "skewed": Population(skewed, wide),
    "skewed, rare flips": Population(skewed, flips(1 / 30, 0.7)),
    "rarest flips": Population(even, flips(1 / 90, 0.7)),
}
# Where it is known to fail, because what is rare is heavy too.
HEAVY = {"heavy flips": Population(heavy, heavy_flips)}
