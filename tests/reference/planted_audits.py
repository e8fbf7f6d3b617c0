"""Gold sets on which an audit is tried: which labels are right is known, and so is what the reader says of them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from results.gold.audit.sample import Audited

Floats = npt.NDArray[np.float64]
PER_DOCUMENT = 5


class Planted(NamedTuple):
    """A gold set: which labels are right (1 or 0), and what the reader says of each."""

    right: Floats
    said: Floats

    def audit(self, n: int, rng: np.random.Generator) -> Audited:
        """People look at some questions, drawn without replacement, and give the true label."""
        rows = rng.choice(len(self.right), n, replace=False)
        return Audited(rows, self.right[rows], self.said[:, None], self.said)


Maker = Callable[[np.random.Generator, int, float], Planted]


def _right(rng: np.random.Generator, chances: Floats) -> Floats:
    return (rng.random(len(chances)) < chances).astype(np.float64)


def _beta(rng: np.random.Generator, size: int, mean: float, weight: float) -> Floats:
    return rng.beta(mean * weight, (1 - mean) * weight, size)


def calibrated(rng: np.random.Generator, size: int, accuracy: float) -> Planted:
    """What the reader says is the chance that it is right, from a reader that is mostly sure of itself."""
    said = _beta(rng, size, accuracy, 4)
    return Planted(_right(rng, said), said)


def sharp(rng: np.random.Generator, size: int, accuracy: float) -> Planted:
    """The same of a reader that knows very well which of its labels are wrong."""
    said = _beta(rng, size, accuracy, 0.5)
    return Planted(_right(rng, said), said)


def overconfident(rng: np.random.Generator, size: int, accuracy: float) -> Planted:
    """A reader that says far more than the chance that it is right."""
    chances = _beta(rng, size, accuracy, 4)
    return Planted(_right(rng, chances), 1 - 0.5 * (1 - chances) ** 3)


def useless(rng: np.random.Generator, size: int, accuracy: float) -> Planted:
    """What the reader says has nothing to do with whether it is right."""
    return Planted(_right(rng, np.full(size, accuracy)), _beta(rng, size, accuracy, 4))


def adversarial(rng: np.random.Generator, size: int, accuracy: float) -> Planted:
    """The reader is the surer the more probably it is wrong."""
    chances = _beta(rng, size, accuracy, 4)
    return Planted(_right(rng, chances), 1 - chances)


def clustered(rng: np.random.Generator, size: int, accuracy: float) -> Planted:
    """Five questions a document, which are right or wrong together, and the reader is calibrated."""
    of_document = _beta(rng, -(-size // PER_DOCUMENT), accuracy, 1.5)
    said = np.repeat(of_document, PER_DOCUMENT)[:size]
    return Planted(_right(rng, said), said)


def half_known(rng: np.random.Generator, size: int, accuracy: float) -> Planted:
    """Half of the wrong labels are known to the reader for certain; the others look like the right ones."""
    right = _right(rng, np.full(size, accuracy))
    is_known = (right == 0) & (rng.random(size) < 0.5)
    return Planted(right, np.where(is_known, 0.05, 0.99))


def rare(rng: np.random.Generator, size: int, accuracy: float) -> Planted:
    """The reader is unsure, and nearly always wrong, on 3 % of the questions; it knows nothing of the others."""
    is_unsure = rng.random(size) < 0.03
    return Planted(_right(rng, np.where(is_unsure, 0.1, accuracy)), np.where(is_unsure, 0.1, 0.97))


MODELS: dict[str, Maker] = {
    "calibrated": calibrated,
    "sharp": sharp,
    "overconfident": overconfident,
    "useless": useless,
    "adversarial": adversarial,
    "clustered": clustered,
    "half known": half_known,
    "rare": rare,
}
ACCURACIES = (0.6, 0.8, 0.9, 0.95, 0.99)


def by_confidence(chances: Callable[[Floats], Floats | float]) -> Callable[[np.random.Generator, int], Planted]:
    """Gold sets whose labels are right with a chance that depends on P(unanimous), which lies mostly above a half."""

    def make(rng: np.random.Generator, size: int) -> Planted:
        sure = rng.beta(3, 1, size)
        return Planted(_right(rng, np.broadcast_to(chances(sure), size)), sure)

    return make


CURVES = {
    "rises slowly": by_confidence(lambda sure: 1 - 0.12 * (1 - sure)),
    "rises steeply": by_confidence(lambda sure: 1 / (1 + np.exp(-8 * (sure - 0.45)))),
    "one step": by_confidence(lambda sure: np.where(sure > 0.7, 0.985, 0.7)),
    "98 % throughout": by_confidence(lambda _: 0.98),
    "95 % throughout": by_confidence(lambda _: 0.95),
    "just too low": by_confidence(lambda sure: np.where(sure > 0.8, 0.949, 0.9)),
    "wrong at the top": by_confidence(lambda sure: np.where(sure > 0.95, 0.8, np.where(sure > 0.6, 0.99, 0.7))),
    "falls": by_confidence(lambda sure: 0.99 - 0.1 * sure),
}
