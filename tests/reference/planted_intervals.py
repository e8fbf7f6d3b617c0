"""Answers of planted accuracy, and how often the intervals of that accuracy and of a difference hold the truth."""

import numpy as np

from results.stats.resampling import Law, resample_means, share_of
from results.sweep.pairwise import difference


def covered(n, n_runs, draw_scores, seed):
    """Shares of runs whose intervals of an accuracy, and of a difference, hold the truth."""
    truth = expectations(draw_scores)
    found = []
    for run in range(n_runs):
        weights, scores = draw_scores(np.random.default_rng([seed, n, run]), n)
        law = Law(
            np.zeros(n, dtype=np.int64), weights[:, None], [f"d{number:04d}" for number in range(n)], is_drawn=False
        )
        means = resample_means(scores[:, None, :], law, 400, run)
        share = share_of(means, 0, 0.95)
        gap = difference(means, means.covariance, 0, 1, 0.95)
        found.append((share.low <= truth[0] <= share.high, gap.low <= truth[0] - truth[1] <= gap.high))
    return np.mean(found, axis=0)


def expectations(draw_scores):
    """The accuracies, from very many questions."""
    weights, scores = draw_scores(np.random.default_rng(0), 400_000)
    return (weights @ scores) / weights.sum()


def graded(rng, n):
    """Answers of every degree of certainty; a question that is kept more often is answered better."""
    ease = rng.beta(2, 1, n)
    other = np.clip(ease + rng.normal(-0.05, 0.15, n), 0, 1)
    return ease**3, np.stack([ease, other], axis=1)


def nearly_sure(rng, n):
    """Most answers are nearly certain, and one in eight is nearly certainly wrong."""
    wrong = rng.random(n) < 0.125
    flipped = wrong ^ (rng.random(n) < 0.1)
    return rng.uniform(0.5, 1, n), np.stack([np.where(wrong, 0.05, 0.97), np.where(flipped, 0.05, 0.97)], axis=1)


DRAWN = {"of every degree of certainty": graded, "nearly certain": nearly_sure}
