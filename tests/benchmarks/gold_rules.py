"""Which rule keeps the better gold labels at the same coverage: three votes that agree, or most confidence.

    python -m tests.benchmarks.gold_rules results/published/pubmedqa-labelers results/published/evidence-inference

Both rules are judged by the reference labels on the votes of finished runs, in expectation over the votes' law; a
question whose three votes agree counts if the label is also the most probable one. Intervals resample the questions.
"""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt
import polars as pl

from labeling.votes.sampling import Sampling
from labeling.votes.vote_law import distributions, most_probable, vote_law
from results.stats.clustered import effective_number
from tests.benchmarks.saving import save_option, show

RESAMPLES = 1000
COLUMNS = ("run", "reader", "questions", "coverage", "unanimous", "confident", "difference", "worth")
Floats = npt.NDArray[np.float64]


class Kept(NamedTuple):
    """Questions of a reader: how probable it is that each is kept, whether its label is right, and how they rank."""

    kept: Floats
    right: Floats
    confidence: Floats

    @property
    def coverage(self) -> float:
        return float(self.kept.mean())

    @property
    def unanimous(self) -> float:
        """Accuracy where three votes agree on the most probable label."""
        return float(self.kept @ self.right / self.kept.sum())

    @property
    def confident(self) -> float:
        """Accuracy of as many questions, those on which three votes would most probably agree."""
        n_kept = self.kept.sum()
        order = np.argsort(-self.confidence, kind="stable")
        counted = np.clip(n_kept - np.arange(len(order)), 0, 1)
        return float(counted @ self.right[order] / n_kept)

    def at(self, rows: npt.NDArray[np.int64]) -> "Kept":
        return Kept(*(part[rows] for part in self))


def questions_of(votes: pl.DataFrame, references: dict[str, str], labels: list[str], sampling: Sampling) -> Kept:
    """Judge a reader's votes on whole documents."""
    known = distributions(votes, len(labels))
    law = vote_law(known.probabilities, sampling).unanimous
    top = most_probable(known.probabilities)
    right = [references[question] == labels[label] for question, label in zip(known.question_ids, top, strict=True)]
    return Kept(law[np.arange(len(top)), top], np.array(right, dtype=np.float64), law.sum(axis=1))


def table(runs: tuple[Path, ...]) -> Iterator[str]:
    """The table of some finished runs."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|" + "---|" * len(COLUMNS)
    for run in runs:
        yield from rows(run)


def rows(run: Path) -> Iterator[str]:
    """The table's rows of a finished run."""
    manifest: dict[str, Any] = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    votes = pl.read_parquet(run / "votes.parquet")
    references = dict(pl.read_parquet(run / "questions.parquet").select("question_id", "reference").iter_rows())
    temperature = {
        one.get("name") or one["model"]: one.get("temperature", 1.0) for one in manifest["config"]["readers"]
    }
    for (name,), mine in votes.group_by(["reader"], maintain_order=True):
        sampling = Sampling(temperature=temperature[str(name)])
        found = questions_of(mine.drop("reader"), references, manifest["corpus"]["labels"], sampling)
        rng, n = np.random.default_rng(0), len(found.right)
        drawn = (found.at(rng.integers(0, n, n)) for _ in range(RESAMPLES))
        low, high = np.quantile([one.confident - one.unanimous for one in drawn], [0.025, 0.975])
        yield (
            f"| {run.name} | {name} | {n} | {found.coverage:.2f} | {found.unanimous:.3f} | {found.confident:.3f} | "
            f"{found.confident - found.unanimous:+.3f} ({low:+.3f} to {high:+.3f}) | "
            f"{effective_number(found.kept) / n:.2f} against {found.coverage:.2f} |"
        )


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@save_option
def main(runs: tuple[Path, ...], save: Path | None) -> None:
    """Print the table of some RUNS as Markdown."""
    command = shlex.join(["python", "-m", "tests.benchmarks.gold_rules", *map(str, runs)])
    show("Which rule keeps the better gold set", command, table(runs), save)


if __name__ == "__main__":
    main()
