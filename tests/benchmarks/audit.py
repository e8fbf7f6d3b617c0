"""What an audit tells, where the truth is planted: does the interval have it, what is it worth, is the promise kept.

    python -m tests.benchmarks.audit              some minutes on one core
    python -m tests.benchmarks.audit --runs 100   fewer audits of each kind
    ... --save results/published/audit.md         also as a published page

Three intervals see the same audits: the exact one of the sample, the one that Tercet gives, and PPI++ as published,
with its normal approximation, a slope between 0 and 1 and the questions that were not drawn as the unlabeled ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from scipy.stats import binom, norm

from results.gold.audit.accuracy import gold_accuracy
from results.gold.audit.exact import ExactLimits
from results.gold.audit.promise import largest_part
from results.gold.audit.sample import Audited
from tests.benchmarks.saving import save_option, show
from tests.reference.planted_audits import ACCURACIES, CURVES, MODELS, Floats, Maker, Planted

CONFIDENCE, WISHED = 0.95, 0.95
REVIEWS = (20, 40, 80, 160)
GOLD_SETS = (100, 500, 5000)
PROMISED_FROM = (40, 80, 160, 320)
LARGE = 5000
PLAIN_SIZES = tuple(range(20, 521, 20))
limits_of = cache(ExactLimits)  # which remembers what it has computed


class Tried(NamedTuple):
    """Shares of audits whose interval has the truth, and mean widths: exact, Tercet's, PPI++ as published."""

    covered: Floats
    width: Floats


def as_published(planted: Planted, audited: Audited) -> tuple[float, float]:
    """The interval of PPI++ for a mean (arXiv:2311.01453, section 6), as normal."""
    n, rest = audited.n, np.delete(planted.said, audited.rows)
    y, f = audited.right, planted.said[audited.rows]
    spread = float(planted.said.var())
    slope = float(np.cov(y, f)[0, 1]) / (1 + n / len(rest)) / spread if spread else 0.0
    slope = min(1.0, max(0.0, slope))
    centre = float(y.mean() - slope * (f.mean() - rest.mean()))
    error = float(np.sqrt((y - slope * f).var(ddof=1) / n + slope**2 * rest.var() / len(rest)))
    reach = float(norm.ppf((1 + CONFIDENCE) / 2)) * error
    return centre - reach, centre + reach


def try_audits(maker: Maker, size: int, n: int, accuracy: float, runs: int) -> Tried:
    """Audit as many gold sets."""
    covered, width = np.zeros(3), np.zeros(3)
    for run in range(runs):
        rng = np.random.default_rng([size, n, run])
        planted = maker(rng, size, accuracy)
        audited, truth = planted.audit(n, rng), planted.right.mean()
        found = gold_accuracy(audited, CONFIDENCE, limits_of(n, size, CONFIDENCE))
        ends = np.array([found.plain[1:], found.share[1:], as_published(planted, audited)])
        covered += (ends[:, 0] <= truth + 1e-9) & (truth - 1e-9 <= ends[:, 1])
        width += ends[:, 1] - ends[:, 0]
    return Tried(covered / runs, width / runs)


@cache
def plain_width(n: int, accuracy: float) -> float:
    """Mean width of the exact interval of so many reviews of a large gold set."""
    at = np.unique(binom.ppf(np.linspace(0.01, 0.99, 50), n, accuracy)).astype(int)
    chances = binom.pmf(at, n, accuracy)
    widths = [high - low for low, high in (limits_of(n, LARGE, CONFIDENCE).at(float(x)) for x in at)]
    return float(chances @ widths / chances.sum())


def saved(tried: Tried, n: int, accuracy: float) -> float:
    """Share of the reviews of a plain audit that are saved, for the width that n reviews gave."""
    # The sampled widths of one audit size serve both, so that only the model differs.
    wished = plain_width(n, accuracy) * tried.width[1] / tried.width[0]
    widths = [plain_width(size, accuracy) for size in PLAIN_SIZES]
    needed = float(np.interp(-wished, [-one for one in widths], PLAIN_SIZES))
    return max(0.0, 1 - n / needed)


def percent(shares: Sequence[float]) -> str:
    """The range of some shares."""
    low, high = (f"{100 * one:.0f}" for one in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def intervals(runs: int) -> Iterator[str]:
    """Coverage and worth, as two tables."""
    tried = {}
    yield "## Does the interval have the truth?"
    yield ""
    yield f"Share of {runs} audits; ranges are over gold sets of 100, 500 and 5,000 questions, accuracies of .6 to .99."
    yield ""
    yield "| the reader's probabilities | reviews | exact | prediction-powered | PPI++ as published |"
    yield "|---|---|---|---|---|"
    for name, maker in MODELS.items():
        for n in REVIEWS:
            for size in (one for one in GOLD_SETS if one > n):
                for accuracy in ACCURACIES:
                    tried[name, n, size, accuracy] = try_audits(maker, size, n, accuracy, runs)
            each = np.array([of.covered for (model, k, *_), of in tried.items() if (model, k) == (name, n)])
            yield f"| {name} | {n} | {' | '.join(percent(column.tolist()) for column in each.T)} |"
        sys.stderr.write(f"{name}\n")
    yield ""
    yield "## How many reviews fewer than a plain audit?"
    yield ""
    yield f"For the same mean width, from a gold set of {LARGE:,} questions, by its accuracy."
    yield ""
    yield f"| the reader's probabilities | reviews | {' | '.join(f'{one:g}' for one in ACCURACIES)} |"
    yield "|---|---|" + "---|" * len(ACCURACIES)
    for name in MODELS:
        for n in REVIEWS:
            row = (f"{saved(tried[name, n, LARGE, one], n, one):.0%}" for one in ACCURACIES)
            yield f"| {name} | {n} | {' | '.join(row)} |"
    yield ""


def promises(runs: int) -> Iterator[str]:
    """How often a threshold is promised, how often that is wrong, and how much it keeps."""
    yield "## Is the promise kept?"
    yield ""
    yield f"Of {runs} audits: right in {WISHED:.0%} above the threshold, at {CONFIDENCE:.0%} confidence."
    yield ""
    yield "| accuracy by P(unanimous) | gold set | reviews | threshold promised | broken | kept where promised |"
    yield "|---|---|---|---|---|---|"
    for name, maker in CURVES.items():
        for size in (500, LARGE):
            for n in PROMISED_FROM:
                told = [
                    _promised(maker(rng := np.random.default_rng([size, n, run]), size), n, rng) for run in range(runs)
                ]
                kept = [coverage for coverage, _ in told if coverage]
                broken = np.mean([is_broken for _, is_broken in told])
                share = f"{np.mean(kept):.0%}" if kept else "—"
                yield f"| {name} | {size:,} | {n} | {len(kept) / runs:.0%} | {broken:.1%} | {share} |"
        sys.stderr.write(f"{name}\n")


def _promised(planted: Planted, n: int, rng: np.random.Generator) -> tuple[float, bool]:
    kept = largest_part(planted.audit(n, rng), WISHED, 1 - CONFIDENCE)
    if kept is None:
        return 0.0, False
    above = planted.said >= kept.threshold
    return float(above.mean()), bool(planted.right[above].mean() < WISHED - 1e-9)


def table(runs: int) -> Iterator[str]:
    """All tables."""
    yield from intervals(runs)
    yield from promises(runs)


@click.command()
@click.option("--runs", default=400, show_default=True, help="audits of each kind")
@save_option
def main(runs: int, save: Path | None) -> None:
    """Print what audits of planted gold sets tell, as Markdown."""
    show("What an audit tells", f"python -m tests.benchmarks.audit --runs {runs}", table(runs), save)


if __name__ == "__main__":
    main()
