"""The lowest threshold on P(unanimous) above which the gold set is right as often as wished, as a promise.

It is risk control by testing (Angelopoulos, Bates, Candes, Jordan and Lei 2021, "Learn then Test", arXiv:2110.01052):
for each threshold of a list, an exact test whether the questions above it are right less often than wished, corrected
so that a wrong threshold is named with a probability of at most 1 - confidence. The tests go from the highest threshold
down by the fallback procedure (Wiens and Dmitrienko 2005, "The fallback procedure for evaluating a single family of
hypotheses"): each has its share of the error rate, and hands it on with all that it was handed when it succeeds. With
one share that is fixed-sequence testing, with equal ones it is never worse than Bonferroni's correction.

So the promise holds however accuracy depends on P(unanimous), also where it falls. Conformal risk control
(Angelopoulos et al. 2022, arXiv:2208.02814) was not taken: it needs a loss that never rises with the threshold, and
bounds only the average over many audits; a person has one. The thresholds and the shares depend on the gold set and on
the size of the sample alone, not on what was drawn, so what lies above a threshold is a simple random sample of that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from results.gold.audit.exact import p_below
from results.gold.audit.sample import Audited

STEPS = 12  # thresholds that are tried
MOST_STARTS = 3  # of them with an error rate of their own
DECIMALS = 3  # of a threshold
# A part of the gold set is looked at for what it would take if it has this share of it, and so many of the sample.
LEAST_SHARE, LEAST_SEEN = 0.1, 20


class Above(NamedTuple):
    """The questions of a gold set whose P(unanimous) is at least a threshold.

    Attributes:
        threshold: on P(unanimous).
        total: questions of the gold set.
        n: of them in the sample.
        n_wrong: of these, on which people give another label or have not settled on one.
    """

    threshold: float
    total: int
    n: int
    n_wrong: int


class Promise(NamedTuple):
    """What can be promised of a gold set.

    Attributes:
        wished: share of the kept questions that should be right.
        confidence: probability with which the promise holds.
        kept: the questions above the lowest threshold that can be promised; None if there is none.
        coverage: their share of the gold set; 0 if there is none.
        n: questions in the sample.
        total: questions in the gold set.
        needed: a sample of about this size would promise a threshold, if the shares stay as they are; None where one
            can be promised, and where no part of the sample is right as often as wished.
    """

    wished: float
    confidence: float
    kept: Above | None
    coverage: float
    n: int
    total: int
    needed: int | None


def promise(audited: Audited, wished: float, confidence: float) -> Promise | None:
    """The lowest threshold above which a gold set is right as often as wished.

    Args:
        audited: the gold set and a simple random sample of it.
        wished: share of the kept questions that should be right, above 0 and below 1.
        confidence: probability with which that should hold.

    Returns:
        None where P(unanimous) is not known of every question: then there is nothing to put a threshold on.
    """
    if not audited.total or np.isnan(audited.p_unanimous).any():
        return None
    alpha = 1 - confidence
    kept = largest_part(audited, wished, alpha)
    coverage = kept.total / audited.total if kept else 0.0
    needed = None if kept else _needed(audited, wished, alpha)
    return Promise(wished, confidence, kept, coverage, audited.n, audited.total, needed)


def largest_part(audited: Audited, wished: float, alpha: float) -> Above | None:
    """What lies above the lowest threshold that can be promised; None if there is none.

    Args:
        audited: the gold set and a simple random sample of it, with P(unanimous) of every question.
        wished: share of the kept questions that should be right.
        alpha: probability with which the promise may be wrong.
    """
    parts = parts_to_try(audited, wished, alpha)
    return fallback(parts, error_rates(len(parts), starts_of(audited.n, wished, alpha), alpha), wished)


def fewest_reviews(wished: float, alpha: float) -> int:
    """The fewest questions, all of them right, that promise anything of an endless list: 59 for 95 % at 95 %."""
    return math.ceil(math.log(alpha) / math.log(wished))


def starts_of(n: int, wished: float, alpha: float) -> int:
    """How many of the tests get an error rate of their own: as many as a sample of this size can feed."""
    return max(1, min(MOST_STARTS, n // fewest_reviews(wished, alpha)))


def parts_to_try(audited: Audited, wished: float, alpha: float) -> list[Above]:
    """The questions above each threshold that is tried, highest threshold first.

    About so many of the sample lie above the first one that it can be promised if all of them are right; the last
    keeps the whole gold set.
    """
    fewest = fewest_reviews(wished, alpha / starts_of(audited.n, wished, alpha))
    return _parts(audited, (fewest + math.sqrt(fewest)) / max(1, audited.n))  # a standard deviation more than it takes


def _parts(audited: Audited, first: float) -> list[Above]:
    """The questions above each of some thresholds, from one that keeps a share of the gold set to one that keeps it."""
    ranked = np.sort(audited.p_unanimous)[::-1]
    places = [max(1, round(share * audited.total)) - 1 for share in np.geomspace(min(1.0, first), 1.0, STEPS).tolist()]
    # Rounded down before anything is counted, so that what is told is what was tested.
    scale = 10**DECIMALS
    thresholds = {math.floor(ranked[place] * scale + 1e-9) / scale for place in places}
    in_sample, is_wrong = audited.p_unanimous[audited.rows], np.nan_to_num(audited.right, nan=0.0) < 1
    return [
        Above(
            one, int((audited.p_unanimous >= one).sum()), int((in_sample >= one).sum()),
            int(is_wrong[in_sample >= one].sum()),
        )
        for one in sorted(thresholds, reverse=True)
    ]  # fmt: skip


def error_rates(n_tests: int, n_starts: int, alpha: float) -> list[float]:
    """The error rate of each test before any is handed on: equal shares for some that are evenly spread."""
    places = np.linspace(0, n_tests - 1, n_starts).round().astype(int) if n_starts > 1 else np.zeros(1, dtype=int)
    counts = np.bincount(places, minlength=n_tests)
    rates: list[float] = (alpha * counts / n_starts).tolist()
    return rates


def fallback(parts: Sequence[Above], rates: Sequence[float], wished: float) -> Above | None:
    """The last of some nested parts that is shown to be right as often as wished; None if none is.

    Args:
        parts: highest threshold first.
        rates: the error rate of each test; their sum is that of all.
        wished: share that should be right.
    """
    found, handed_on = None, 0.0
    for part, rate in zip(parts, rates, strict=True):
        level = handed_on + rate
        is_shown = p_below(part.n_wrong, part.n, part.total, wished) <= level
        found, handed_on = (part, level) if is_shown else (found, 0.0)
    return found


def _needed(audited: Audited, wished: float, alpha: float) -> int | None:
    """The smallest sample that would promise some threshold if each part stays as wrong as it is."""
    parts = _parts(audited, max(LEAST_SHARE, LEAST_SEEN / max(1, audited.n)))
    return min((n for part in parts if (n := _needed_for(part, audited, wished, alpha)) is not None), default=None)


def _needed_for(part: Above, audited: Audited, wished: float, alpha: float) -> int | None:
    # What was seen often enough is not taken to be without a fault.
    unseen = 0.5 if part.n >= LEAST_SEEN else 0.0
    wrong = (part.n_wrong + unseen) / (part.n + 2 * unseen) if part.n else 0.0
    if 1 - wrong <= wished:
        return None
    share = part.total / audited.total

    def is_enough(n: int) -> bool:
        level = alpha / starts_of(math.ceil(n / share), wished, alpha)
        return p_below(math.ceil(wrong * n - 1e-9), n, part.total, wished) <= level

    fewest, most = 1, part.total
    while fewest < most:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if is_enough(middle) else (middle + 1, most)
    return max(audited.n + 1, math.ceil(fewest / share))
