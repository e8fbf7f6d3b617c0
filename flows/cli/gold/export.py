"""`tercet export`: the gold sets of a run in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.options import base_option, data_option
from flows.cli.shell.completion import run_argument
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath

FORMATS = ("datasets", "jsonl", "label-studio", "argilla", "csv")


@click.command()
@run_argument
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--as", "kind", type=click.Choice(FORMATS), default="datasets", show_default=True, help="The format to write."
)
@click.option(
    "--reader", "readers", multiple=True, metavar="NAME", help="Only this reader; may be given several times."
)
@click.option("--corpus", metavar="NAME", help="Which corpus of a run that has several; by default the first.")
@click.option("--references", is_flag=True, help="Refer to documents by ids and offsets, and leave their texts out.")
@click.option("--no-reviews", is_flag=True, help="Leave out the labels that people gave, and the reviewers' names.")
@click.option("--force", is_flag=True, help="Replace an earlier export in FOLDER.")
@data_option
@base_option
def export(
    run: StorePath, folder: Path, kind: Any, readers: tuple[str, ...], corpus: str | None, references: bool,
    no_reviews: bool, force: bool, data: Path | None, base: Path | None,
) -> None:  # fmt: skip
    """Take the gold sets of a run away, in the format of another program.

    RUN is the folder of a finished run. FOLDER is made, with a card that says how the questions were labeled. Each
    reader has files of its own: the questions that it keeps, and those that it excludes, with the reason. Each question
    has its votes, and what people said of it in `tercet review`.

    datasets: Parquet that `datasets.load_dataset` reads. jsonl: a JSON object for each question. label-studio, argilla:
    for people to review there. csv: for a spreadsheet, with empty columns for a reviewer.
    """
    from flows.run.gold.exporting import Wanted, export_run

    wanted = Wanted(readers, corpus, not references, data, base, with_reviews=not no_reviews)
    for line in export_run(run, folder, kind, wanted, replaces=force):
        echo(line)
