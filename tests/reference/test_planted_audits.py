"""Audits where the truth is planted: how often the interval has it, and how often the promise is kept."""

from functools import cache

import numpy as np
import pytest
from planted_audits import ACCURACIES, CURVES, MODELS
from scipy.stats import binom

from results.gold.audit.accuracy import gold_accuracy
from results.gold.audit.exact import ExactLimits
from results.gold.audit.promise import largest_part, promise

ALPHA = 0.05
ROUNDING = 1e-9
AUDITS = ((100, 20), (100, 80), (500, 40), (5000, 20), (5000, 80), (5000, 160))  # gold set and reviews
limits_of = cache(ExactLimits)  # which remembers what it has computed


def most(n: int) -> int:
    """The most of n that may be wrong, if each is with the probability that is allowed; exceeded once in 100,000."""
    return int(binom.isf(1e-5, n, ALPHA))


def n_missed(maker, size, n, accuracy, n_runs, columns=1):
    """Audits whose interval lacks the truth, and the sum of the ratios of its width to that of the exact interval."""
    limits, missed, ratios = limits_of(n, size, 1 - ALPHA), 0, 0.0
    for run in range(n_runs):
        rng = np.random.default_rng([size, n, run])
        planted = maker(rng, size, accuracy)
        audited = planted.audit(n, rng)
        if columns == 2:
            audited = audited._replace(said=np.column_stack([planted.said, planted.said**3]))
        found = gold_accuracy(audited, 1 - ALPHA, limits)
        missed += not found.share.low - ROUNDING <= planted.right.mean() <= found.share.high + ROUNDING
        ratios += found.width / (found.plain.high - found.plain.low)
    return missed, ratios / n_runs


def of_tier(fast, slow):
    return [pytest.param(*fast, id="few"), pytest.param(*slow, id="many", marks=pytest.mark.slow)]


@pytest.mark.parametrize(("audits", "n_runs"), of_tier((AUDITS[3:4], 12), (AUDITS, 150)))
@pytest.mark.parametrize("name", MODELS)
def test_the_interval_of_the_accuracy_has_the_truth(name, audits, n_runs):
    for size, n in audits:
        missed = [n_missed(MODELS[name], size, n, accuracy, n_runs)[0] for accuracy in ACCURACIES]
        assert max(missed) <= most(n_runs), (size, n, missed)
        assert sum(missed) <= most(n_runs * len(missed)), (size, n, missed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sharp", "half known", "adversarial"])
def test_it_has_it_with_two_columns(name):
    missed = [n_missed(MODELS[name], 5000, n, accuracy, 150, 2)[0] for n in (40, 160) for accuracy in ACCURACIES]
    assert sum(missed) <= most(150 * len(missed))


@pytest.mark.parametrize("n_runs", of_tier((5,), (200,)))
def test_a_reader_that_knows_its_mistakes_narrows_it_and_one_that_does_not_leaves_it(n_runs):
    assert n_missed(MODELS["sharp"], 5000, 160, 0.8, n_runs)[1] < 0.75
    assert n_missed(MODELS["calibrated"], 5000, 160, 0.8, n_runs)[1] < 0.99
    assert n_missed(MODELS["useless"], 5000, 160, 0.8, n_runs)[1] > 0.98


@pytest.mark.parametrize(
    ("audits", "n_runs"), of_tier((((500, 160),), 8), ((*AUDITS[1:3], (500, 160), (5000, 320)), 60))
)
@pytest.mark.parametrize("name", CURVES)
def test_the_promise_is_kept(name, audits, n_runs):
    broken = 0
    for size, n in audits:
        for run in range(n_runs):
            rng = np.random.default_rng([size, n, run])
            planted = CURVES[name](rng, size)
            kept = largest_part(planted.audit(n, rng), 0.95, ALPHA)
            broken += kept is not None and planted.right[planted.said >= kept.threshold].mean() < 0.95 - ROUNDING
    assert broken <= most(n_runs * len(audits))


def test_a_good_gold_set_is_promised_from_enough_reviews():
    told = []
    for run in range(10):
        rng = np.random.default_rng(run)
        planted = CURVES["98 % throughout"](rng, 1000)
        told.append(promise(planted.audit(500, rng), 0.95, 0.95).coverage)
    assert np.mean(told) > 0.8
