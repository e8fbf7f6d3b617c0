"""Calibration against label bias: a reader's preference for a label, whatever it is asked, is divided out.

Batch calibration (Zhou et al. 2023, arXiv:2309.17249, equation 4): the mean distribution over a batch of questions is
the label prior of the prompt, and subtracting its logarithm from the log-probabilities removes it. The prior of a
class-balanced batch can be fitted too; it shows the reader alone and not the corpus as well. Deviation: each of the
three prompts has its own prior, because another label order or wording has another bias.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from labeling.votes.sampling import Probabilities

# Limits how far a label with next to no probability on the tune questions is scaled up.
LEAST_PRIOR = 1e-3


class CalibrationConfig(BaseModel):
    """The tune questions on which the label bias of a reader is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_label: int = Field(
        16, ge=0, description="tune questions to ask for each label, drawn by the corpus's seed; 0 for no calibration"
    )


def fit_prior(
    probabilities: Probabilities,
    references: npt.NDArray[np.int64] | None = None,
    shares: npt.NDArray[np.float64] | None = None,
) -> Probabilities:
    """The label prior of each vote's prompt.

    Args:
        probabilities: shape (questions, votes, labels), of tune questions only; not normalised.
        references: shape (questions,): index of each question's reference label, so that every label that occurs
            weighs the same; None for the plain mean.
        shares: shape (labels,): weight of each reference label in place of equal weights, such as its share of the
            whole corpus when the questions were drawn with equal numbers for each label.

    Returns:
        Shape (votes, labels), each row sums to 1.

    Raises:
        ValueError: there are no questions.
    """
    if len(probabilities) == 0:
        raise ValueError("a prior needs at least one question")
    p = probabilities / probabilities.sum(axis=-1, keepdims=True)
    if references is None:
        prior: Probabilities = p.mean(axis=0)
        return prior
    occurring = np.unique(references)
    of_label = [p[references == label].mean(axis=0) for label in occurring]
    weighted: Probabilities = np.average(of_label, axis=0, weights=None if shares is None else shares[occurring])
    return weighted


def calibrate(probabilities: Probabilities, prior: Probabilities) -> Probabilities:
    """Divide the prior out of label distributions.

    Args:
        probabilities: shape (questions, votes, labels).
        prior: shape (votes, labels), from `fit_prior`.

    Returns:
        Shape (questions, votes, labels), each row sums to 1.
    """
    weights = probabilities / np.maximum(prior, LEAST_PRIOR)
    calibrated: Probabilities = weights / weights.sum(axis=-1, keepdims=True)
    return calibrated
