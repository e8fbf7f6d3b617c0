"""What reading until told saves: an experiment played again from a ledger that holds its full grid.

    python -m tests.benchmarks.until_told EXPERIMENT --store STORE

The store is only read. Both ways of reading get a new store with the pinned sample and the embeddings of that one, and
a reader that answers from its ledger, so each asks for what it would ask the model for; what counts is the tokens of
these prompts, votes on whole documents and the other arms included, before prefixes are shared.
"""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click

from flows.run.pipeline import execute
from flows.session.experiment import Experiment, experiment_file, load_experiment
from flows.session.session import OpenEmbedder, Session, open_embedder
from flows.session.speeds import Speeds
from flows.session.workspace import workspace_of
from flows.stages.progress import Bars
from flows.stages.runner import Runner
from tests.doubles.replayed import ReplayedReaders

KEPT = ("samples", "embeddings", "kernels.json")


class Read(NamedTuple):
    """What one reader was asked, and what it is advised."""

    setting: str | None
    cut: str | None
    questions: int
    tokens: int


def read_again(
    experiment: Experiment, source: Session, folder: Path, opens: OpenEmbedder = open_embedder
) -> dict[str, Read]:
    """Run a sweep in a new store on the votes of another one.

    Args:
        experiment: whose readers are all on this machine.
        source: the session of the store with the votes.
        folder: the new store.
        opens: opens the embedders.
    """
    folder.mkdir(parents=True)
    for name in KEPT:
        kept = Path(source.workspace.root) / name
        if kept.is_dir():
            shutil.copytree(kept, folder / name)
        elif kept.is_file():
            shutil.copy(kept, folder / name)
    workspace = source.workspace._replace(root=folder)
    with Session(workspace, ReplayedReaders(source), opens, Speeds(folder)) as session:
        outcome = execute(experiment, "sweep", session, Runner(Bars()))
    manifest = json.loads((Path(outcome.folder) / "manifest.json").read_text(encoding="utf-8"))
    return {one["reader"]: _read(one, manifest) for one in manifest["recommendations"]}


def _read(advice: dict[str, Any], manifest: dict[str, Any]) -> Read:
    asked = [row for stage in manifest["sessions"][-1]["asked"].values() for row in stage]
    tokens = sum(row["tokens"] for row in asked if row["reader"] == advice["reader"])
    return Read(advice["setting"], advice["cut"], manifest["readers"][advice["reader"]]["questions"], tokens)


def both_ways(experiment: Experiment, source: Session, folder: Path, opens: OpenEmbedder = open_embedder) -> list[str]:
    """One line a reader: whether the advice is the same, and the share of its tokens that is saved."""
    ways = [
        read_again(
            experiment.model_copy(update={"reading": experiment.reading.model_copy(update={"stop": stop})}),
            source, folder / stop, opens,
        )
        for stop in ("all", "told")
    ]  # fmt: skip
    return [_line(name, whole, ways[1][name]) for name, whole in ways[0].items()]


def _line(name: str, whole: Read, told: Read) -> str:
    named = [f"{one.setting} at {one.cut}" if one.setting else "nothing yet" for one in (whole, told)]
    advice = f"the same advice, {named[0]}" if named[0] == named[1] else f"{named[1]} instead of {named[0]}"
    saved = 1 - told.tokens / whole.tokens
    return (
        f"{name}: {advice}, after {told.questions} of {whole.questions} questions; {told.tokens:,} of {whole.tokens:,} "
        f"tokens, {saved:.0%} saved"
    )


@click.command()
@click.argument("experiment", type=click.Path(path_type=Path))
@click.option("--store", type=click.Path(path_type=Path, exists=True), required=True, help="The store with the grid.")
def main(experiment: Path, store: Path) -> None:
    """Play EXPERIMENT again in both ways."""
    loaded = load_experiment(experiment)
    workspace = workspace_of(loaded, store, experiment_file(experiment).resolve().parent)
    with TemporaryDirectory() as folder, Session(workspace) as source:
        for line in both_ways(loaded, source, Path(folder)):
            click.echo(line)


if __name__ == "__main__":
    main()
