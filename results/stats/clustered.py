"""Shares and paired differences, clustered by document: intervals, exact tests, detectable differences.

Questions on one document are right or wrong together, so documents, not questions, are resampled and permuted
(Miller 2024, "Adding Error Bars to Evals", arXiv:2411.00640, section 2.2, argues the same for clustered standard
errors). Deviation: exact sign flips instead of normal theory, as gold sets may be small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

Scores = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with the ends of its interval."""

    estimate: float
    low: float
    high: float


class Comparison(NamedTuple):
    """A paired difference of means: estimate and interval, standard error, and the sign-flip p-value."""

    difference: float
    low: float
    high: float
    standard_error: float
    p_value: float


NOTHING_KEPT = Comparison(float("nan"), float("nan"), float("nan"), float("inf"), 1.0)


def cluster_sums(scores: Scores, clusters: Sequence[str]) -> tuple[Scores, Scores]:
    """Sum of scores and number of questions per cluster, clusters in sorted order.

    Args:
        scores: shape (questions,) or (questions, columns).
        clusters: cluster of each question.

    Returns:
        Shapes (clusters,) or (clusters, columns), and (clusters,).
    """
    _, codes = np.unique(np.asarray(clusters, dtype=object), return_inverse=True)
    n_clusters = int(codes.max()) + 1
    sums = np.zeros((n_clusters, *scores.shape[1:]))
    np.add.at(sums, codes, scores)
    return sums, np.bincount(codes, minlength=n_clusters).astype(np.float64)


def effective_number(weights: Scores) -> float:
    """How many equal weights are worth as much: the square of their sum over the sum of their squares.

    Kish 1965, "Survey Sampling", section 8.2.
    """
    largest = float(weights.max(initial=0.0))
    if not largest:
        return 0.0
    scaled = weights / largest
    return float(scaled.sum()) ** 2 / float((scaled**2).sum())


def compare_paired(a: Scores, b: Scores, clusters: Sequence[str], confidence: float) -> Comparison:
    """Difference of the means of two paired right-or-wrong columns, a minus b.

    The interval is that of Agresti and Min 2005 ("Simple improved confidence intervals for comparing matched
    proportions": half a question added to each cell of the paired table), so that it does not shrink to a point where
    two columns never disagree. Deviation: squared deviations are summed over clusters, and the quantile is Student's,
    with one degree of freedom fewer than clusters of equal size that these are worth. Fewer than two say nothing: the
    interval is the whole range.

    The p-value comes from flipping the sign of each cluster's summed difference, over all patterns of signs. With one
    question per cluster it is McNemar's exact test.

    Args:
        a: shape (questions,), 0 or 1.
        b: shape (questions,), 0 or 1, same questions.
        clusters: cluster of each question.
        confidence: of the interval.
    """
    sums, sizes = cluster_sums(a - b, clusters)
    n = float(sizes.sum()) + 2
    centre = float(sums.sum()) / n
    added = 0.5 * (1 - centre) ** 2 + 0.5 * (1 + centre) ** 2 + centre**2
    standard_error = float(np.sqrt(((sums - sizes * centre) ** 2).sum() + added)) / n
    n_documents = effective_number(sizes)
    if n_documents < 2:
        return Comparison(float((a - b).mean()), -1.0, 1.0, float("inf"), sign_flip(sums) if len(sums) > 1 else 1.0)
    reach = float(scipy.stats.t.ppf((1 + confidence) / 2, n_documents - 1)) * standard_error
    low, high = max(-1.0, centre - reach), min(1.0, centre + reach)
    return Comparison(float((a - b).mean()), low, high, standard_error, sign_flip(sums))


def sign_flip(sums: Scores, alternative: Literal["two-sided", "greater"] = "two-sided") -> float:
    """Exact p-value of a sum of whole numbers under random signs.

    Sums of equal size flip as a binomial, and convolution combines the sizes, so every pattern of signs is counted.

    Args:
        sums: shape (clusters,), whole numbers.
        alternative: whether a negative sum counts against the null too.
    """
    moved = np.abs(np.rint(sums)).astype(np.int64)
    sizes, counts = np.unique(moved[moved > 0], return_counts=True)
    # chances[i] is the probability of the sum 2 i - total.
    chances = np.ones(1)
    # Imported here: it takes longer to load than all else together, and `tercet plan` does without.
    from scipy.signal import convolve

    for size, count in zip(sizes, counts, strict=True):
        of_size = np.zeros(size * count + 1)
        of_size[::size] = scipy.stats.binom.pmf(np.arange(count + 1), count, 0.5)
        chances = convolve(chances, of_size)
    total = int(moved.sum())
    values = 2 * np.arange(total + 1) - total
    reached = int(np.rint(sums.sum()))
    as_far = values >= reached if alternative == "greater" else np.abs(values) >= abs(reached)
    return float(min(1.0, max(0.0, chances[as_far].sum())))


def kept_accuracy(kept: Scores, right: Scores, clusters: Sequence[str], confidence: float) -> Comparison:
    """Accuracy of what a filter keeps, where questions are kept with a probability: sum(right) / sum(kept).

    The standard error is that of a ratio of means, linearised (Cochran 1977, "Sampling Techniques", section 2.11),
    summed over clusters; the quantile is Student's, at as many equal clusters as what is kept is worth: where most of
    it is on one, its deviation from the ratio vanishes, and the count of clusters would promise far too much. With
    fewer than two the interval is the whole range. The interval is built on the logit, as a share near 1 is skewed.
    Half a right and half a wrong question are added first, so that it does not shrink to a point (as Agresti and Min
    2005 do for a difference). The p-value is that of being 0, which means nothing here. Where nothing is kept, the
    estimate and its interval are NaN.

    Args:
        kept: shape (questions,): probability that a question is kept.
        right: shape (questions,): probability that it is kept with the right label.
        clusters: cluster of each question.
        confidence: of the interval.
    """
    if kept.sum() == 0:
        return NOTHING_KEPT
    more = _with_half_questions(kept, right, clusters)
    centre = _ratio(more.right, more.kept)
    influence = (more.right - centre * more.kept) / more.kept.mean()
    n_documents = effective_number(cluster_sums(kept, clusters)[0])
    found = linearised(centre, influence, more.clusters, confidence, n_documents, n_added=2)
    found = found._replace(difference=_ratio(right, kept))
    if not np.isfinite(found.standard_error):
        return found._replace(low=0.0)
    reach = float(scipy.stats.t.ppf((1 + confidence) / 2, n_documents - 1)) * found.standard_error
    reach /= centre * (1 - centre)
    low, high = (float(scipy.special.expit(scipy.special.logit(centre) + side * reach)) for side in (-1, 1))
    return _around(found._replace(low=low, high=high))


def gain_by_filter(
    kept: Scores, right: Scores, single: Scores, clusters: Sequence[str], confidence: float
) -> Comparison:
    """By how much a filter raises accuracy: what it keeps, minus a single vote on all questions.

    Linearised as in `kept_accuracy`, with the same two half questions added. A single vote is right on the one that the
    filter gets wrong, so they do not pull the gain either way.

    Args:
        kept: shape (questions,): probability that a question is kept.
        right: shape (questions,): probability that it is kept with the right label.
        single: shape (questions,): probability that a single vote is right.
        clusters: cluster of each question.
        confidence: of the interval.
    """
    if kept.sum() == 0:
        return NOTHING_KEPT
    more = _with_half_questions(kept, right, clusters)
    weights, other = np.append(np.ones(len(kept)), [0.5, 0.5]), np.append(single, [0.0, 0.5])
    accuracy, alone = _ratio(more.right, more.kept), _ratio(other, weights)
    influence = (more.right - accuracy * more.kept) / more.kept.mean() - (other - alone * weights) / weights.mean()
    n_documents = effective_number(cluster_sums(kept, clusters)[0])
    found = linearised(accuracy - alone, influence, more.clusters, confidence, n_documents, n_added=2)
    return _around(found._replace(difference=_ratio(right, kept) - float(single.mean())))


def mean_of_shares(shares: Scores, clusters: Sequence[str], confidence: float) -> Comparison:
    """Mean of probabilities with a linearised, clustered interval; half a question at 0 and half at 1 are added."""
    more = _with_half_questions(np.ones(len(shares)), shares, clusters)
    mean = _ratio(more.right, more.kept)
    influence = (more.right - mean * more.kept) / more.kept.mean()
    n_documents = effective_number(cluster_sums(shares, clusters)[1])
    found = linearised(mean, influence, more.clusters, confidence, n_documents, n_added=2)
    return _around(found._replace(difference=float(shares.mean()), low=max(0.0, found.low)))


def _around(found: Comparison) -> Comparison:
    """The half questions pull the interval inwards; it must still contain the estimate, even one of 0 or 1."""
    return found._replace(low=min(found.low, found.difference), high=max(found.high, found.difference))


class _More(NamedTuple):
    kept: Scores
    right: Scores
    clusters: list[str]


def _with_half_questions(kept: Scores, right: Scores, clusters: Sequence[str]) -> _More:
    """Add half a right and half a wrong question, each a cluster of its own, kept as often as what is kept typically.

    That is the mean of `kept` over what is kept, so that questions that are never kept change nothing.
    """
    half = float((kept**2).sum() / kept.sum()) / 2
    more = [*clusters, "\x00 right", "\x00 wrong"]
    return _More(np.append(kept, [half, half]), np.append(right, [half, 0.0]), more)


def _ratio(right: Scores, kept: Scores) -> float:
    return float(right.sum() / kept.sum())


def linearised(
    estimate: float, influence: Scores, clusters: Sequence[str], confidence: float, n_documents: float | None = None,
    n_added: int = 0,
) -> Comparison:  # fmt: skip
    """Interval of an estimate from what each question adds to it, clustered; a single cluster says nothing.

    The p-value is Student's, but never below that of a sign test on the clusters.

    Args:
        estimate: the estimate.
        influence: shape (questions,): what each question adds to it.
        clusters: cluster of each question.
        confidence: of the interval.
        n_documents: how many equal clusters the real ones are worth; if None, by their numbers of questions.
        n_added: how many of the clusters were added and are not real.
    """
    sums, sizes = cluster_sums(influence, clusters)
    n_real = effective_number(sizes) if n_documents is None else n_documents
    if n_real < 2:
        return Comparison(estimate, -1.0, 1.0, float("inf"), 1.0)
    n_all = n_real + n_added
    error = float(np.sqrt((sums**2).sum() * n_all / (n_all - 1)) / sizes.sum())
    reach = float(scipy.stats.t.ppf((1 + confidence) / 2, n_real - 1)) * error
    p_value = 2 * float(scipy.stats.t.sf(abs(estimate) / error, n_real - 1)) if error > 0 else float(estimate == 0)
    # Few clusters that happen to be alike prove no more than that all of them have the same sign.
    p_value = max(p_value, 2.0 ** (1 - n_real))
    return Comparison(estimate, max(-1.0, estimate - reach), min(1.0, estimate + reach), error, p_value)


def mcnemar_exact(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Exact two-sided McNemar test on paired right / wrong answers (binomial on the discordant pairs)."""
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    if only_a + only_b == 0:
        return 1.0
    return float(scipy.stats.binomtest(only_a, only_a + only_b).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values (Holm 1979), in the given order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def wilson(n_right: int, n: int, confidence: float = 0.95) -> Interval:
    """A share with its Wilson score interval; NaN throughout for n = 0."""
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    return _score_interval(n_right / n, n, confidence)


def _score_interval(share: float, n: float, confidence: float) -> Interval:
    """Wilson 1927, in closed form: a curve needs one at every question, and SciPy's takes a third of a millisecond."""
    spread = float(scipy.stats.norm.ppf((1 + confidence) / 2)) ** 2 / n
    centre = (share + spread / 2) / (1 + spread)
    reach = float(np.sqrt(share * (1 - share) * spread + spread**2 / 4)) / (1 + spread)
    return Interval(share, max(0.0, centre - reach), min(1.0, centre + reach))


def wilson_clustered(right: Scores, clusters: Sequence[str], confidence: float) -> Interval:
    """A share with its Wilson score interval at the effective number of questions; NaN throughout without questions.

    Questions on one document tell less than as many independent ones: n is divided by the design effect (the clustered
    variance of the share over the binomial variance) where that is above 1 (Korn and Graubard 1998, for exact
    intervals). Documents count as many as equal ones that they are worth. With one question per cluster it is Wilson's
    own interval.

    Args:
        right: shape (questions,), 0 or 1.
        clusters: cluster of each question.
        confidence: of the interval.
    """
    n = len(right)
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    share = float(right.mean())
    sums, sizes = cluster_sums(right - share, clusters)
    n_documents = effective_number(sizes)
    effect = 1.0
    if n_documents < 2:
        effect = float(n)  # one document is one observation, and so are several if nearly all questions are on one
    elif len(sums) < n and 0 < share < 1:
        effect = max(1.0, float((sums**2).sum()) * n_documents / (n_documents - 1) / (n * share * (1 - share)))
    elif len(sums) < n:
        effect = n / n_documents  # all alike: their documents may be the reason
    return _score_interval(share, n / effect, confidence)


def detectable_difference(standard_error: float, n_comparisons: int, confidence: float, power: float = 0.8) -> float:
    """The smallest difference that a comparison with this standard error would have found with probability `power`.

    (z_(1 - alpha/2m) + z_power) * SE, after Miller 2024, equation 9, with alpha divided by the number of comparisons.
    """
    alpha = (1 - confidence) / n_comparisons
    return float((scipy.stats.norm.ppf(1 - alpha / 2) + scipy.stats.norm.ppf(power)) * standard_error)


def missed(detectable: float | None) -> str:
    """What a comparison was too small to see."""
    if detectable is None or detectable >= 1:
        return "a run this small could not have shown any difference"
    return f"a true difference under {100 * detectable:.0f} points would probably have been missed"
