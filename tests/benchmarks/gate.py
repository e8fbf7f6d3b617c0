"""Holds newly measured ratios to the published ones, and publishes them if none has fallen.

    python -m tests.benchmarks.gate build/bench results/published

Every ratio says how much better Tercet does than something else measured beside it, so less is worse. A ratio that has
fallen by more than a tenth is named, and nothing is published. Figures that lack a published ratio, as this machine
could not measure it, do not take the place of those that have it.

After a quick benchmark, with `--quick`, only ratios that were not measured at all are named: those of a few questions
say nothing about the published ones, and nothing is published.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

SLACK = 0.1
# Measured only where they can be: the one needs its repository, the other a processor that has the instructions.
OPTIONAL = ("Chroma's evaluation", "bfloat16")
Ratios = dict[str, float]


class Fallen(NamedTuple):
    """A ratio that is lower than it may be; None if it was not measured at all."""

    name: str
    published: float
    found: float | None

    @property
    def line(self) -> str:
        """What was found, what was expected, what to do."""
        least = f"at least {self.published * (1 - SLACK):.2f}"
        if self.found is None:
            return f"{self.name} was not measured: expected {least}; measure it, or take it out of what is published."
        return (
            f"{self.name} fell from {self.published:.2f} to {self.found:.2f}: expected {least}; "
            "mend what became slower, or publish it as it is with --accept."
        )


def ratios_of_sweep(figures: Mapping[str, Any]) -> Ratios:
    """How many times faster each way to embed is than torch in float32."""
    return {f"sweep, {arm}: speed": one["ratio"] for arm, one in figures["arms"].items() if arm != "torch float32"}


def ratios_of_votes(figures: Mapping[str, Any]) -> Ratios:
    """How many times longer three votes take as three passes of chat completion, or as three calls of it."""
    passes = figures["chat completion, 3 passes"]["seconds"]
    ratios = {"votes, resample: three passes beside it": passes / figures["label mode, 3 votes, resample"]["seconds"]}
    for diversity in ("permute", "paraphrase"):
        calls = figures[f"chat completion, 3 calls, {diversity}"]["seconds"]
        mine = figures[f"label mode, 3 votes, {diversity}"]["seconds"]
        ratios[f"votes, {diversity}: three calls beside it"] = calls / mine
    return ratios


def ratios_of_peers(figures: Mapping[str, Any]) -> Ratios:
    """How many times Tercet's time and memory each peer needs."""
    return {f"peers, {grid}, {name}": ratio for grid, one in figures.items() for name, ratio in one["ratios"].items()}


READ: Mapping[str, Callable[[Mapping[str, Any]], Ratios]] = {
    "sweep": ratios_of_sweep,
    "votes": ratios_of_votes,
    "peers": ratios_of_peers,
}


def read_ratios(folder: Path, names: Iterable[str] = READ) -> Ratios:
    """The ratios of these figures in a folder, or of all; files that are not there have none."""
    ratios: Ratios = {}
    for name, read in ((one, READ[one]) for one in names):
        file = folder / f"{name}.json"
        if file.exists():
            ratios |= read(json.loads(file.read_text(encoding="utf-8")))
    return ratios


def fallen(published: Ratios, found: Ratios) -> list[Fallen]:
    """The published ratios that were not measured, or came out lower by more than a tenth."""
    return [
        Fallen(name, ratio, found.get(name))
        for name, ratio in published.items()
        if (name in found or not is_optional(name)) and found.get(name, 0.0) < ratio * (1 - SLACK)
    ]


def is_optional(name: str) -> bool:
    """Whether a ratio cannot be measured everywhere."""
    return any(one in name for one in OPTIONAL)


def lacking(published: Path, measured: Path) -> dict[str, list[str]]:
    """The published ratios that new figures do not have, by the name of the file."""
    missing = {
        name: [one for one in read_ratios(published, [name]) if one not in read_ratios(measured, [name])]
        for name in READ
        if (measured / f"{name}.json").exists()
    }
    return {name: ratios for name, ratios in missing.items() if ratios}


@click.command()
@click.argument("measured", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("published", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--accept", is_flag=True, help="Publish what was measured, whatever has fallen.")
@click.option("--quick", is_flag=True, help="See only that every ratio was measured, and publish nothing.")
def main(measured: Path, published: Path, accept: bool, quick: bool) -> None:
    """Compare, and publish what was measured if nothing has fallen; exit code 1 if something has."""
    if quick and accept:
        raise click.UsageError("--quick publishes nothing: leave out --accept.")
    before, now = read_ratios(published), read_ratios(measured)
    for name, ratio in now.items():
        was = f" (published: {before[name]:.2f})" if name in before else ""
        click.echo(f"{name}: {ratio:.2f}{was}")
    low = [one for one in fallen(before, now) if not quick or one.found is None]
    for one in low:
        click.echo(one.line, err=True)
    if low and not accept:
        sys.exit(1)
    if quick:
        click.echo("Every published ratio was measured; on so little they are not compared, and nothing is published.")
        return
    kept = {} if accept else lacking(published, measured)
    for name, ratios in kept.items():
        click.echo(f"{name} stays as published: it has {', '.join(ratios)}, not measured here; --accept replaces it.")
    for file in measured.iterdir():
        if file.stem not in kept:
            shutil.copyfile(file, published / file.name)


if __name__ == "__main__":
    main()
