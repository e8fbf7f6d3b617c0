"""How many questions have to be asked until the advice is told: expected scores beside drawn ones, on planted readers.

    python -m tests.benchmarks.questions_needed            all populations; minutes on one core
    python -m tests.benchmarks.questions_needed --runs 50  fewer runs of each
    ... --save results/published/questions-needed.md       also as a published page

Both ways of scoring see the very same reader and are charged for the questions that are asked, not for those that are
kept: the drawn scores keep a question if three votes agree on the most probable label, and mark the most probable
answer right or wrong, as `scoring.answers = "drawn"` does. Errors are counted where every rival is worse by exactly the
margin in the way of scoring that is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import t as student

from results.stats.clustered import effective_number, holm
from results.stats.looks import look_shares
from results.stats.resampling import with_half_questions
from results.stats.worst_case import Weighted
from results.sweep.pairwise import shown_within
from tests.benchmarks.saving import save_option, show

Floats = npt.NDArray[np.float64]
MARGIN, ALPHA, N_LABELS = 0.05, 0.05, 3
SIZES = tuple(round(20 * 2 ** (step / 2)) for step in range(15))  # 20 to 2,560
TRIED_FOR_ERRORS = SIZES[:9]  # to 320
LOOKS = tuple(64 * 2**step for step in range(6))
SETTINGS = (2, 4, 16)
CALIBRATED_ON = 200_000
COLUMNS = (
    "population", "kept", "worth", "settings", "expected", "in looks (mean)", "drawn", "times fewer",
    "wrong, expected", "wrong, drawn",
)  # fmt: skip


class Reader(NamedTuple):
    """How sure a reader is of its most probable label, given the whole document: the logit of its probability."""

    mean: float
    spread: float


class Population(NamedTuple):
    """Settings that miss the evidence of some questions.

    Attributes:
        reader: what reads the contexts.
        noise: how much an answer's logit varies from one context to another.
        missed: share of questions whose evidence the best setting misses.
        lost: how much lower the accuracy of the others is.
    """

    reader: Reader
    noise: float
    missed: float
    lost: float


SURE, UNSURE = Reader(2.0, 1.2), Reader(0.0, 1.0)
POPULATIONS = {
    "equal, sure reader": Population(SURE, 0.5, 0.2, 0.0),
    "equal, unsure reader": Population(UNSURE, 0.5, 0.2, 0.0),
    "equal, hardly any noise": Population(SURE, 0.1, 0.02, 0.0),
    "equal, much noise": Population(UNSURE, 1.5, 0.3, 0.0),
    "one best by .10, sure reader": Population(SURE, 0.5, 0.2, 0.1),
    "one best by .10, unsure reader": Population(UNSURE, 0.5, 0.2, 0.1),
}


class Sample(NamedTuple):
    """What is known of some questions: how probable it is that each is kept, whether it was, and the answers."""

    kept: Floats
    was_kept: npt.NDArray[np.bool_]
    probable: Floats
    right: Floats

    def first(self, n: int) -> Sample:
        return Sample(*(part[:n] for part in self))


def draw(population: Population, extra: float, n: int, n_settings: int, rng: np.random.Generator) -> Sample:
    """Questions with the best setting in the first column; the others miss the evidence of `extra` more of them."""
    certain = rng.normal(population.reader.mean, population.reader.spread, n)
    top = 1 / N_LABELS + (1 - 1 / N_LABELS) * expit(certain)
    missed = np.full(n_settings, population.missed)
    missed[1:] += extra
    is_missed = rng.random((n, n_settings)) < missed
    found = expit(logit(top)[:, None] + population.noise * rng.normal(size=(n, n_settings)))
    answers = np.where(is_missed, rng.beta(1, N_LABELS - 1, (n, n_settings)), found)
    return Sample(top**3, rng.random(n) < top**3, answers, (answers > 1 / N_LABELS).astype(float))


def expected(sample: Sample) -> Floats:
    """Accuracy of each setting, as an expectation."""
    accuracies: Floats = (sample.kept @ sample.probable) / sample.kept.sum()
    return accuracies


def drawn(sample: Sample) -> Floats:
    """Accuracy of each setting on the questions that were kept."""
    accuracies: Floats = sample.right[sample.was_kept].mean(axis=0)
    return accuracies


def misses_more(population: Population, lost: float, score: Callable[[Sample], Floats]) -> float:
    """How many more questions a rival has to miss to lose this much in a way of scoring."""

    def gap(extra: float) -> float:
        accuracies = score(draw(population, extra, CALIBRATED_ON, 2, np.random.default_rng(0)))
        return float(accuracies[0] - accuracies[1]) - lost

    return float(brentq(gap, 0.0, 0.6, xtol=1e-3)) if lost else 0.0


def p_expected(sample: Sample, shares: tuple[float, ...] = ()) -> Floats:
    """Adjusted p-values, as for `scoring.answers = "expected"`."""
    documents = Weighted(sample.kept, sample.kept[:, None] * sample.probable)
    return np.array(shown_within(documents, range(sample.right.shape[1]), MARGIN, shares=shares))


def p_drawn(sample: Sample) -> Floats:
    """Adjusted p-values, as for `scoring.answers = "drawn"`, with each question in a document of its own."""
    right = sample.right[sample.was_kept]
    n, n_settings = right.shape
    if n < 2:
        return np.ones(n_settings)
    leads = right.mean(axis=0)[None, :] - right.mean(axis=0)[:, None]
    covariance = np.atleast_2d(np.cov(right, rowvar=False, bias=True)) / n
    variances = np.diag(covariance)
    errors = np.sqrt(np.maximum(0, variances[:, None] + variances[None, :] - 2 * covariance))
    centres, errors = with_half_questions(leads, errors, n, n)
    p_values = student.cdf((centres - MARGIN) / errors, n - 1)
    np.fill_diagonal(p_values, 0.0)
    return np.array(holm(p_values.max(axis=1).tolist()))


class Found(NamedTuple):
    """Shares of runs that are told at each number of `SIZES`, and that are wrong at each of `TRIED_FOR_ERRORS`."""

    told: Floats
    wrong: Floats


def try_out(
    population: Population,
    extra: float,
    at_margin: float,
    n_settings: int,
    test: Callable[[Sample], Floats],
    n_runs: int,
) -> Found:
    """Share of runs that tell, and share of runs that advise a rival which is worse by the margin."""
    told, wrong = np.zeros(len(SIZES)), np.zeros(len(TRIED_FOR_ERRORS))
    for run in range(n_runs):
        sample = draw(population, extra, SIZES[-1], n_settings, np.random.default_rng([1, n_settings, run]))
        edge = draw(
            population, at_margin, TRIED_FOR_ERRORS[-1], n_settings, np.random.default_rng([2, n_settings, run])
        )
        told += [test(sample.first(n)).min() < ALPHA for n in SIZES]
        wrong += [test(edge.first(n))[1:].min() < ALPHA for n in TRIED_FOR_ERRORS]
    return Found(told / n_runs, wrong / n_runs)


def until_told(population: Population, extra: float, n_settings: int, n_runs: int) -> float:
    """Mean number of questions until an advice is told, in looks."""
    shares, total = tuple(look_shares(LOOKS, n_settings, ALPHA)), 0
    for run in range(n_runs):
        sample = draw(population, extra, LOOKS[-1], n_settings, np.random.default_rng([3, n_settings, run]))
        told = (n for n in LOOKS if p_expected(sample.first(n), shares).min() < ALPHA)
        total += next(told, LOOKS[-1])
    return total / n_runs


def needed(shares: Floats) -> int | None:
    """The fewest questions with which half of the runs tell."""
    return next((n for n, share in zip(SIZES, shares, strict=True) if share >= 0.5), None)


def rows(n_runs: int) -> Iterator[str]:
    """The table: the share of questions that is kept, what they are worth, how many are needed, how often it errs."""
    ratios, wrong = [], np.zeros(2)
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|" + "---|" * len(COLUMNS)
    for name, population in POPULATIONS.items():
        many = draw(population, 0.0, CALIBRATED_ON, 2, np.random.default_rng(4))
        worth = effective_number(many.kept) / len(many.kept)
        extra = misses_more(population, population.lost, expected)
        edges = [misses_more(population, MARGIN, score) for score in (expected, drawn)]
        for n_settings in SETTINGS:
            now, before = (
                try_out(population, extra, edge, n_settings, test, n_runs)
                for edge, test in zip(edges, (p_expected, p_drawn), strict=True)
            )
            few, more = needed(now.told), needed(before.told)
            fewer = f"{more / few:.1f}" if few and more else f"> {SIZES[-1] / few:.1f}" if few else "-"
            ratios.append((more or SIZES[-1]) / (few or SIZES[-1]))
            wrong = np.maximum(wrong, [now.wrong.mean(), before.wrong.mean()])
            looks = until_told(population, extra, n_settings, n_runs)
            yield (
                f"| {name} | {many.kept.mean():.2f} | {worth:.2f} | {n_settings} | {few or '-'} | {looks:.0f} | "
                f"{more or f'> {SIZES[-1]}'} | {fewer} | {now.wrong.mean():.1%} | {before.wrong.mean():.1%} |"
            )
    yield ""
    yield (
        f"Over all rows: {np.median(ratios):.1f} times fewer questions at the median ({min(ratios):.1f} to "
        f"{max(ratios):.1f}). The largest share of false advice is {wrong[0]:.1%} with expected scores and "
        f"{wrong[1]:.1%} with drawn ones, over {n_runs} runs at each of {len(TRIED_FOR_ERRORS)} numbers of questions."
    )


@click.command()
@click.option("--runs", default=200, show_default=True, help="Runs of each population.")
@save_option
def main(runs: int, save: Path | None) -> None:
    """Print the table as Markdown."""
    command = f"python -m tests.benchmarks.questions_needed --runs {runs}"
    show("How many questions advice takes", command, rows(runs), save)


if __name__ == "__main__":
    main()
