"""The share of a list that is right, from a random sample and from what a model says of every question of the list.

The estimate is that of prediction-powered inference with power tuning (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic
2023, "Prediction-powered inference", arXiv:2301.09633; Angelopoulos, Duchi and Zrnic 2023, "PPI++", arXiv:2311.01453):

    mean of y in the sample - slope * (mean of f in the sample - mean of f in the list)

with y 1 for right and 0 for wrong, f what the model says, and the slope that makes the variance least: that of the
regression of y on f. For a sample without replacement it is the regression estimator of survey sampling (Cochran 1977,
"Sampling Techniques", chapter 7), which is the tuned one of PPI++ with all variances taken from the sample. The slope
may be negative, so a model that is right where it is unsure helps as well; one that says nothing has a slope around 0.

The interval differs from the published one, which takes the estimate as normal: with 20 to 160 reviews and an accuracy
near 1 that covers far too rarely. Here the exact interval of `results.gold.audit.exact`, taken at the estimate, is
shrunk by the square root of the share of the variance that the model leaves. That share is made larger on purpose:

* one imagined question is added that the model gets wholly wrong, so that a model which happens to explain the few
  wrong questions of the sample is not believed to explain those that were not seen;
* it is multiplied by (t / z)^2, Student's quantile over the normal one, with one degree of freedom for each question of
  the rarer kind, right or wrong, less one for each column of f.

Where the share is then 1 or more, the exact interval of the sample alone is used. That happens whenever fewer than two
questions are wrong: no valid interval can be narrower then without trusting the model.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy

from results.gold.audit.exact import Ends, ExactLimits
from results.stats.resampling import Array

IMAGINED = 1.0  # squared residual of the imagined question
_ROUNDING = 1e-9


class Powered(NamedTuple):
    """A share estimated with the help of a model.

    Attributes:
        estimate: of the share that is right.
        left: share of the variance that the model leaves, made larger as described above; 1 where it does not help.
    """

    estimate: float
    left: float

    @property
    def helps(self) -> bool:
        """Whether the model narrows the interval."""
        return self.left < 1


def power(right: Array, said: Array, mean_said: Array, confidence: float) -> Powered:
    """Estimate the share of a list that is right.

    Args:
        right: shape (sample,): 1 for right, 0 for wrong.
        said: shape (sample, columns): what a model says of each question of the sample; any number of columns.
        mean_said: shape (columns,): the mean of the same over the whole list.
        confidence: of the interval that the share of the variance is meant for.
    """
    n, columns = said.shape
    plain = Powered(float(right.mean()), 1.0)
    rarer = min(right.sum(), n - right.sum())
    if not columns or rarer - columns < 1 or n - 1 - columns < 1:
        return plain
    centred, around = said - said.mean(axis=0), right - right.mean()
    slope = np.linalg.lstsq(centred, around, rcond=None)[0]
    unexplained = float(((around - centred @ slope) ** 2).sum()) * (n - 1) / (n - 1 - columns)
    quantile = (1 + confidence) / 2
    caution = float(scipy.stats.t.ppf(quantile, rarer - columns) / scipy.stats.norm.ppf(quantile)) ** 2
    left = (unexplained + IMAGINED) / float((around**2).sum()) * caution
    if left >= 1:
        return plain
    estimate = plain.estimate - float(slope @ (said.mean(axis=0) - mean_said))
    return Powered(min(1.0, max(0.0, estimate)), left)


def powered_limits(powered: Powered, n_right: int, limits: ExactLimits) -> Ends:
    """The interval around the estimate; ends are whole numbers of questions, and what was seen is certain.

    Args:
        powered: the estimate.
        n_right: right questions in the sample.
        limits: the exact intervals of samples of this size from this list.
    """
    if not powered.helps:
        return limits.at(n_right)
    low, high = limits.at(powered.estimate * limits.n)
    shrunk = math.sqrt(powered.left)
    low, high = (powered.estimate + shrunk * (end - powered.estimate) for end in (low, high))
    total = limits.total
    # What was seen is certain, and a sample of all is no estimate.
    fewest, most = n_right, total - limits.n + n_right
    least = min(most, max(fewest, math.floor(low * total + _ROUNDING)))
    greatest = min(most, max(fewest, math.ceil(high * total - _ROUNDING)))
    return least / total, greatest / total
