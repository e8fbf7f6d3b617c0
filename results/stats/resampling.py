"""Resampling a run: its documents, and the votes behind each gold label, are drawn anew.

A gold set is itself an outcome of chance: had the three votes been drawn again, other questions would have been
unanimous. Where the law of the votes is known, each resample draws every question's gold label from it, so that the
interval includes the noise of the labels, however lucky the votes were. Elsewhere the gold labels stay as they were
voted. Where scores are expectations, each question counts with its probability instead, and only documents are drawn.

Documents, not questions, are drawn with replacement (Davison and Hinkley 1997, "Bootstrap Methods and their
Application", section 3.8: resampling whole clusters). All columns share the draws, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from results.stats.clustered import Interval, cluster_sums, effective_number

Array = npt.NDArray[np.float64]
Outcomes = npt.NDArray[np.int64]
EXCLUDED = -1
FEW = 10  # documents from which percentiles cover as often as they say
_BLOCK = 4_000_000  # numbers in one block of resamples


class Law(NamedTuple):
    """What each question counts as, and what it would have counted as with other votes.

    Attributes:
        observed: shape (questions,): index of the outcome, such as the gold label; `EXCLUDED` where it is left out.
        chances: shape (questions, outcomes): probability of each outcome; the rest, up to 1, is the probability of
            being left out.
        clusters: document of each question.
        is_drawn: whether a question counts as what was observed; otherwise it counts as every outcome, with its chance.
    """

    observed: Outcomes
    chances: Array
    clusters: Sequence[str]
    is_drawn: bool = True

    @property
    def weights(self) -> Array:
        """Shape (questions, outcomes): how much each question counts as each outcome."""
        return one_hot(self.observed, self.chances.shape[1]) if self.is_drawn else self.chances

    @property
    def n(self) -> float:
        """How many questions count: those observed to, or as many as their weights are worth."""
        return effective_number(self.weights.sum(axis=1))

    @property
    def n_clusters(self) -> float:
        """How many documents these are on, by number if observed, otherwise as many as their weights are worth."""
        of_question = self.weights.sum(axis=1)
        if self.is_drawn:
            return len({self.clusters[row] for row in np.flatnonzero(of_question).tolist()})
        return effective_number(cluster_sums(of_question, self.clusters)[0])


class Resampled(NamedTuple):
    """Means over the questions that count, column by column.

    Attributes:
        estimates: shape (columns,): the means as observed; NaN where no question counts.
        expected: shape (columns,): the means that the law expects of these questions, whatever was voted.
        draws: shape (resamples, columns): the means of each resample, shifted so that they centre on the estimates.
        n: how many questions count, as `Law.n`.
        n_clusters: how many documents these are on, as `Law.n_clusters`.
        is_drawn: whether a question counts as what was observed, as in `Law`.
    """

    estimates: Array
    expected: Array
    draws: Array
    n: float
    n_clusters: float
    is_drawn: bool = True

    @property
    def covariance(self) -> Array:
        """Shape (columns, columns): covariance of the means."""
        return np.atleast_2d(np.cov(self.draws, rowvar=False))


def fixed_law(observed: Outcomes, n_outcomes: int, clusters: Sequence[str]) -> Law:
    """The law of what does not depend on votes, such as reference labels."""
    chances = np.zeros((len(observed), n_outcomes))
    rows = np.flatnonzero(observed != EXCLUDED)
    chances[rows, observed[rows]] = 1.0
    return Law(observed, chances, clusters)


def both_laws(a: Law, b: Law) -> Law:
    """The joint law of two readers' outcomes: a question counts where it counts for both.

    Their votes are independent; the outcome (i, j) has the index i * (outcomes of b) + j.
    """
    n_b = b.chances.shape[1]
    observed = np.where((a.observed < 0) | (b.observed < 0), EXCLUDED, a.observed * n_b + b.observed)
    chances = (a.chances[:, :, None] * b.chances[:, None, :]).reshape(len(observed), -1)
    return Law(observed, chances, a.clusters, a.is_drawn and b.is_drawn)


def resample_means(values: Array, law: Law, n_resamples: int, seed: int) -> Resampled:
    """Means of columns over the questions that count, observed and resampled.

    Args:
        values: shape (questions, outcomes, columns): what a question adds to each column if it counts as an outcome.
        law: what it counts as.
        n_resamples: number of resamples.
        seed: of the draws.
    """
    observed = _ratio(law.weights[None], values)[0]
    expected = _ratio(law.chances[None], values)[0]
    draws = np.concatenate([_ratio(weights, values) for weights in draw_weights(law, n_resamples, seed)])
    # A resample in which no question counts has no mean; it is left out, as a run without gold questions would be.
    draws = draws[~np.isnan(draws).any(axis=1)]
    # The mean expected over all votes is not the observed one; the interval is centred on what was observed.
    draws += observed - expected
    return Resampled(observed, expected, draws, law.n, law.n_clusters, law.is_drawn)


def draw_weights(law: Law, n_resamples: int, seed: int) -> Iterator[Array]:
    """How much each question counts as each outcome, in blocks of shape (resamples, questions, outcomes)."""
    n_questions, n_outcomes = law.chances.shape
    rng = np.random.default_rng(seed)
    _, codes = np.unique(np.asarray(law.clusters, dtype=object), return_inverse=True)
    n_clusters = int(codes.max()) + 1
    is_certain = not law.is_drawn or bool(np.isin(law.chances, (0.0, 1.0)).all())
    excluded = np.clip(1.0 - law.chances.sum(axis=1, keepdims=True), 0.0, 1.0)
    chances = np.concatenate([law.chances, excluded], axis=1)
    chances /= chances.sum(axis=1, keepdims=True)
    block = max(1, _BLOCK // (n_questions * n_outcomes))
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        drawn = rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=size)[:, codes]
        if is_certain:
            yield drawn[:, :, None] * law.chances
        else:
            # Each copy of a question is voted on anew, as another question of its kind would be.
            yield rng.multinomial(drawn, chances)[:, :, :n_outcomes].astype(np.float64)


def one_hot(observed: Outcomes, n_outcomes: int) -> Array:
    """Shape (questions, outcomes): 1 at the outcome of each question, and 0 everywhere if it is left out."""
    places: Array = (observed[:, None] == np.arange(n_outcomes)).astype(np.float64)
    return places


def _ratio(weights: Array, values: Array) -> Array:
    """Weighted means, shape (resamples, columns)."""
    sums = weights.reshape(len(weights), -1) @ values.reshape(-1, values.shape[2])
    totals = weights.sum(axis=(1, 2))[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Array = sums / totals
    return means


def effective_questions(share: float, error: float, n: float, n_clusters: float) -> float:
    """How many independent questions would measure a share as precisely as the resamples do: from one to all of them.

    Where all questions are alike and nothing varies, their documents may be the reason: the documents are counted.

    Args:
        share: the share that the error belongs to.
        error: its standard error over resamples.
        n: questions.
        n_clusters: documents, at least two.
    """
    if not 0 < share < 1 or error == 0:
        return n_clusters
    return min(n, max(1.0, share * (1 - share) / error**2 * (n_clusters - 1) / n_clusters))


def share_interval(estimate: float, n_effective: float, n_clusters: float, confidence: float) -> Interval:
    """Wilson's score interval of a share at the effective number of questions.

    Korn and Graubard 1998 ("Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data") do the same with an exact interval. Deviation from Wilson: the quantile is Student's,
    with one degree of freedom fewer than documents. A single document says nothing.

    Args:
        estimate: the share.
        n_effective: as `effective_questions`.
        n_clusters: documents.
        confidence: of the interval.
    """
    if n_clusters == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    if n_clusters < 2:
        return Interval(estimate, 0.0, 1.0)
    spread = student_quantile((1 + confidence) / 2, n_clusters - 1) ** 2 / n_effective
    centre = (estimate + spread / 2) / (1 + spread)
    reach = (estimate * (1 - estimate) * spread + spread**2 / 4) ** 0.5 / (1 + spread)
    return Interval(estimate, max(0.0, min(estimate, centre - reach)), min(1.0, max(estimate, centre + reach)))


def expected_interval(estimate: float, error: float, n: float, n_clusters: float, confidence: float) -> Interval:
    """Interval of a mean of probabilities, on the logit, after half a right and half a wrong question are added.

    Expected scores vary less than right and wrong answers do, so Wilson's interval would be too wide for them. The half
    questions (as Agresti and Min 2005 add them to a difference) keep it from shrinking to a point.

    Args:
        estimate: the mean.
        error: its standard error over resampled documents.
        n: questions.
        n_clusters: documents.
        confidence: of the interval.
    """
    if n_clusters < 2:
        return share_interval(estimate, n, n_clusters, confidence)
    centre = (estimate * n + 0.5) / (n + 1)
    added = 0.5 * (1 - centre) ** 2 + 0.5 * centre**2
    widened = ((error * n) ** 2 * n_clusters / (n_clusters - 1) + added) ** 0.5 / (n + 1)
    reach = student_quantile((1 + confidence) / 2, n_clusters - 1) * widened / (centre * (1 - centre))
    low, high = (float(scipy.special.expit(scipy.special.logit(centre) + side * reach)) for side in (-1, 1))
    return Interval(estimate, min(low, estimate), max(high, estimate))


def share_of(means: Resampled, column: int, confidence: float) -> Interval:
    """The share in one column with its interval, as `share_interval`, or as `expected_interval` where it is expected.

    The effective number is that of the share that the law expects, as the resamples vary around it: where few answers
    are wrong, the votes may have made none of them count, or three times as many as expected.
    """
    estimate, expected = float(means.estimates[column]), float(means.expected[column])
    if means.n_clusters < 2:
        return share_interval(estimate, means.n, means.n_clusters, confidence)
    error = float(np.std(means.draws[:, column], ddof=1))
    if not means.is_drawn:
        return expected_interval(estimate, error, means.n, means.n_clusters, confidence)
    n_effective = effective_questions(expected, error, means.n, means.n_clusters)
    return share_interval(estimate, n_effective, means.n_clusters, confidence)


class Difference(NamedTuple):
    """A paired difference of two shares.

    Attributes:
        estimate: as observed.
        low: lower end of its interval.
        high: upper end.
        centre: the middle of the interval, pulled towards 0 by the half questions that are added.
        error: standard error; infinite for a single document, which says nothing.
    """

    estimate: float
    low: float
    high: float
    centre: float
    error: float


def difference_interval(estimate: float, error: float, n: float, n_clusters: float, confidence: float) -> Difference:
    """Interval of a paired difference of shares from its resampled standard error.

    Half a question is added to each cell of the paired table, as in Agresti and Min 2005 ("Simple improved confidence
    intervals for comparing matched proportions"). Deviation: the standard error is that of the resampled documents and
    votes, and the quantile is Student's, with one degree of freedom fewer than documents.

    Args:
        estimate: the difference.
        error: its standard error over resamples.
        n: questions.
        n_clusters: documents.
        confidence: of the interval.
    """
    if n == 0 or n_clusters < 2:
        return Difference(estimate, -1.0, 1.0, estimate, float("inf"))
    (centre,), (widened,) = with_half_questions(np.array([estimate]), np.array([error]), n, n_clusters)
    reach = student_quantile((1 + confidence) / 2, n_clusters - 1) * widened
    low, high = max(-1.0, centre - reach), min(1.0, centre + reach)
    return Difference(estimate, min(low, estimate), max(high, estimate), float(centre), float(widened))


def with_half_questions(estimates: Array, errors: Array, n: float, n_clusters: float) -> tuple[Array, Array]:
    """Paired differences and their standard errors after half a question is added to each cell of the paired table.

    Args:
        estimates: differences of shares, any shape.
        errors: their standard errors over resamples, same shape.
        n: questions.
        n_clusters: documents, at least two.
    """
    centres = estimates * n / (n + 2)
    added = 0.5 * (1 - centres) ** 2 + 0.5 * (1 + centres) ** 2 + centres**2
    widened: Array = np.sqrt((errors * n) ** 2 * n_clusters / (n_clusters - 1) + added) / (n + 2)
    return centres, widened


@cache
def student_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's distribution; every cell asks for the same few."""
    return float(scipy.stats.t.ppf(probability, degrees))


def percentile(resampled: Resampled, column: int, confidence: float) -> Interval:
    """Expanded percentile interval of one column, of a score between 0 and 1.

    Plain percentiles are too narrow, as if the variance were divided by n and the quantile were the normal one; they
    are taken further out by that much (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", section 5.2).
    Deviation: n counts documents. A single document says nothing, as its draws are all the same: the interval is 0 to
    1. Draws of a few documents do not leave the range of these documents (they cover 42, 73 and 88 % with 2, 3 and 5),
    so with fewer than `FEW` the interval holds that of `expected_interval` too.
    """
    n = resampled.n_clusters
    if n < 2:
        return Interval(float(resampled.estimates[column]), 0.0, 1.0)
    reach = student_quantile((1 + confidence) / 2, n - 1) * (n / (n - 1)) ** 0.5
    estimate, draws = float(resampled.estimates[column]), resampled.draws[:, column]
    low, high = (float(end) for end in np.nanquantile(draws, scipy.stats.norm.cdf([-reach, reach])))
    if n < FEW:
        wider = expected_interval(estimate, float(np.nanstd(draws, ddof=1)), n, n, confidence)
        low, high = min(low, wider.low), max(high, wider.high)
    return Interval(estimate, low, high)
