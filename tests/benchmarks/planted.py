"""How often advice and intervals are wrong where the truth is planted: every population, size and number of settings.

    python -m tests.benchmarks.planted --runs 400 --save results/published/planted-truth.md

The slow tests hold bounds on a part of this; here the shares themselves are shown. Every rival is worse than the best
by exactly the margin, so advising one is just wrong; where settings are equal, calling two of them different is wrong.
"""

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from results.stats.looks import look_shares
from results.stats.worst_case import Weighted, p_better_by
from results.sweep.pairwise import shown_within
from tests.benchmarks.saving import save_option, show
from tests.reference.planted_expected import HEAVY, MARGIN, POPULATIONS, draw
from tests.reference.planted_intervals import DRAWN, covered

ALPHA = 0.05
SIZES = (20, 40, 80, 160, 320)
SETTINGS = (2, 4, 16)
LOOKS = (64, 128, 256)


def false_advice(name: str, n: int, n_settings: int, n_runs: int, *, strict: bool = False) -> float:
    """Share of runs in which a rival that is worse by the margin is advised, at one size."""
    wrong = 0
    for run in range(n_runs):
        rng = np.random.default_rng([11, n, n_settings, run])
        documents = draw({**POPULATIONS, **HEAVY}[name], n, n_settings - 1, MARGIN, rng)
        wrong += min(shown_within(documents, range(n_settings), MARGIN, strict=strict)[1:]) < ALPHA
    return wrong / n_runs


def false_in_looks(name: str, n_settings: int, n_runs: int) -> float:
    """The same over looks, as `stop = "told"` takes them."""
    shares, wrong = look_shares(LOOKS, n_settings, ALPHA), 0
    for run in range(n_runs):
        rng = np.random.default_rng([12, n_settings, run])
        documents = draw({**POPULATIONS, **HEAVY}[name], LOOKS[-1], n_settings - 1, MARGIN, rng)
        per = LOOKS[-1] // len(documents.weights)  # questions of a document
        looks = (Weighted(documents.weights[: n // per], documents.sums[: n // per]) for n in LOOKS)
        wrong += any(min(shown_within(one, range(n_settings), MARGIN, shares=shares)[1:]) < ALPHA for one in looks)
    return wrong / n_runs


def called_different(name: str, n: int, n_runs: int) -> float:
    """Share of runs in which one of two equal settings is shown to be better, at any difference."""
    wrong = 0
    for run in range(n_runs):
        documents = draw({**POPULATIONS, **HEAVY}[name], n, 1, 0.0, np.random.default_rng([13, n, run]))
        better = p_better_by(documents, np.zeros((2, 2)))
        wrong += 2 * min(better[0, 1], better[1, 0]) < ALPHA
    return wrong / n_runs


def _table(header: list[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def advice_rows(n_runs: int) -> Iterator[list[str]]:
    """By population and number of settings: false advice at each size, and over looks."""
    for name in (*POPULATIONS, *HEAVY):
        for n_settings in SETTINGS:
            shares = [false_advice(name, n, n_settings, n_runs) for n in SIZES]
            yield [name, str(n_settings), *map(percent, [*shares, false_in_looks(name, n_settings, n_runs)])]
    for name in HEAVY:
        shares = [false_advice(name, n, 2, n_runs, strict=True) for n in SIZES]
        yield [f"{name}, strict", "2", *map(percent, shares), "-"]


def percent(share: float) -> str:
    """With one place."""
    return f"{share:.1%}"


def pages(n_runs: int) -> Iterator[str]:
    """The three tables."""
    sizes = [f"{n} questions" for n in SIZES]
    yield f"{n_runs} runs of each; 5 % may be wrong. The populations are in `tests/reference/planted_expected.py`."
    yield ""
    yield "**A setting that is worse by the margin is advised**"
    yield ""
    yield from _table(["population", "settings", *sizes, f"looks at {', '.join(map(str, LOOKS))}"], advice_rows(n_runs))
    yield ""
    yield "**Equal settings are called different**"
    yield ""
    yield from _table(
        ["population", *sizes],
        ([name, *(percent(called_different(name, n, n_runs)) for n in SIZES)] for name in (*POPULATIONS, *HEAVY)),
    )
    yield ""
    yield "**95 % intervals hold the truth**: of an accuracy, and of the difference of two settings"
    yield ""
    yield from _table(
        ["answers", *sizes],
        (
            [name, *(" and ".join(map(percent, covered(n, n_runs, how, 7))) for n in SIZES)]
            for name, how in DRAWN.items()
        ),
    )


@click.command()
@click.option("--runs", default=400, show_default=True, help="Runs of each population.")
@save_option
def main(runs: int, save: Path | None) -> None:
    """Print the tables as Markdown."""
    show("Planted truth", f"python -m tests.benchmarks.planted --runs {runs}", pages(runs), save)


if __name__ == "__main__":
    main()
