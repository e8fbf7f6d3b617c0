"""How often two columns of labels agree beyond chance: by permutation, and clustered by document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from results.stats.clustered import Comparison, linearised


class ChanceAgreement(NamedTuple):
    """How often two columns of labels agree, and how often they would if one were shuffled.

    Attributes:
        n: pairs of labels.
        observed: share that agree.
        expected: share that would agree by chance: the exact mean over all shuffles.
        p_value: one-sided, of at least this many agreements.
    """

    n: int
    observed: float
    expected: float
    p_value: float


def agreement_against_chance(
    a: Sequence[str], b: Sequence[str], strata: Sequence[str] | None = None, n_shuffles: int = 20_000, seed: int = 0
) -> ChanceAgreement:
    """Agreement of two columns of labels, compared with that of shuffled columns.

    A permutation test: tables of counts with the same margins are drawn at random, which is what shuffling does to them
    (Patefield 1981, algorithm AS 159). The p-value counts the observed table among the drawn ones and is never 0. Items
    are taken as independent; see `above_chance` for clusters.

    Args:
        a: labels.
        b: labels of the same items.
        strata: shuffle only among items of the same stratum, such as those with the same reference label.
        n_shuffles: tables drawn.
        seed: of the draws.
    """
    if not a:
        return ChanceAgreement(0, float("nan"), float("nan"), 1.0)
    of_stratum: dict[str, Counter[tuple[str, str]]] = {}
    for label_a, label_b, stratum in zip(a, b, strata or [""] * len(a), strict=True):
        of_stratum.setdefault(stratum, Counter())[label_a, label_b] += 1
    rng = np.random.default_rng(seed)
    expected, drawn = 0.0, np.zeros(n_shuffles, dtype=np.int64)
    for counts in of_stratum.values():
        in_a, in_b = _margin(counts, 0), _margin(counts, 1)
        expected += sum(n * in_b.get(label, 0) for label, n in in_a.items()) / counts.total()
        drawn += _agreements(in_a, in_b, n_shuffles, rng)
    observed = sum(x == y for x, y in zip(a, b, strict=True))
    p_value = (1 + int((drawn >= observed).sum())) / (n_shuffles + 1)
    return ChanceAgreement(len(a), observed / len(a), expected / len(a), p_value)


def _margin(counts: Counter[tuple[str, str]], side: int) -> dict[str, int]:
    margin: Counter[str] = Counter()
    for pair, n in counts.items():
        margin[pair[side]] += n
    return dict(sorted(margin.items()))


def _agreements(
    in_a: dict[str, int], in_b: dict[str, int], n_shuffles: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Agreements in random tables with these margins, shape (n_shuffles,)."""
    both = [label for label in in_a if label in in_b]
    if min(len(in_a), len(in_b)) == 1:
        # Only one table is possible; SciPy 1.17's sampler goes wrong on such margins, and on labels that nobody gave.
        return np.full(n_shuffles, sum(min(in_a[label], in_b[label]) for label in both))
    tables = scipy.stats.random_table(list(in_a.values()), list(in_b.values())).rvs(n_shuffles, random_state=rng)
    rows, columns = ([list(margin).index(label) for label in both] for margin in (in_a, in_b))
    agreements: npt.NDArray[np.int64] = tables[:, rows, columns].sum(axis=-1)
    return agreements


def above_chance(
    a: Sequence[str], b: Sequence[str], clusters: Sequence[str], confidence: float, strata: Sequence[str] | None = None
) -> Comparison:
    """How much more often two columns of labels agree than if one were shuffled, with a clustered interval.

    The observed agreement minus the product of the margins, linearised as in `clustered.kept_accuracy`: each item adds
    its own agreement, minus how often its two labels would agree with those of all other items.

    Args:
        a: labels, at least one.
        b: labels of the same items.
        clusters: cluster of each item.
        confidence: of the interval.
        strata: shuffle only among items of the same stratum.
    """
    excess = np.zeros(len(a))
    places: dict[str, list[int]] = {}
    for at, stratum in enumerate(strata or [""] * len(a)):
        places.setdefault(stratum, []).append(at)
    for of_stratum in places.values():
        in_a, in_b = (
            {label: n / len(of_stratum) for label, n in Counter(column[at] for at in of_stratum).items()}
            for column in (a, b)
        )
        by_chance = sum(share * in_b.get(label, 0.0) for label, share in in_a.items())
        for at in of_stratum:
            excess[at] = (a[at] == b[at]) - in_b.get(a[at], 0.0) - in_a.get(b[at], 0.0) + by_chance
    return linearised(float(excess.mean()), excess - excess.mean(), clusters, confidence)


def p_above_chance(
    a: Sequence[str], b: Sequence[str], clusters: Sequence[str], strata: Sequence[str] | None = None
) -> float:
    """One-sided p-value of agreeing more often than by chance.

    It is that of the permutation test. This test takes items as independent, so where clusters hold several items, the
    clustered test must agree: the larger of the two p-values counts. It is 1 where there are no items.
    """
    shuffled = agreement_against_chance(a, b, strata).p_value
    if len(set(clusters)) == len(clusters):
        return shuffled
    clustered = above_chance(a, b, clusters, 0.95, strata)
    return max(shuffled, clustered.p_value / 2 if clustered.difference > 0 else 1.0)
