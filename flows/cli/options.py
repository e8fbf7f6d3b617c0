"""Options that several commands share, and how the user is asked."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
EXIT_INPUT = 2  # something that the user gave is wrong; click uses the same code for a bad option


class StorePathType(click.ParamType[Any]):
    """A folder, or an address on another file system."""

    name = "folder or address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As `open_store`."""
        from corpora.storage import open_store

        return open_store(value)


class WholeNumber(click.IntRange):
    """As `click.IntRange`, called what people call it."""

    name = "whole number"


class Share(click.FloatRange):
    """As `click.FloatRange`, for a share of 1, which `nan` is not."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As `click.FloatRange`."""
        share = float(super().convert(value, param, ctx))
        if math.isnan(share):
            self.fail(f"{value} is not a number.", param, ctx)
        return share


USUAL_STORE = "runs"
store_option = click.option(
    "--store",
    type=StorePathType(),
    default=USUAL_STORE,
    show_default=True,
    envvar="TERCET_STORE",
    help="Folder for runs, votes and caches, or an address such as s3://bucket/runs (see docs/many-machines.md).",
)
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of your own copies of published corpora (pubmedqa/, boolq/, ...), used before the fetched ones; "
    "by default $TERCET_DATA.",
)
base_option = click.option(
    "--base",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Folder of the experiment's file, from which the paths of its corpus start; for runs of older versions.",
)
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress, only the result.")
threads_option = click.option("--threads", type=WholeNumber(min=1), help="CPU threads for local readers.")
batch_option = click.option("--n-batch", type=WholeNumber(min=32), help="Maximum tokens evaluated in one call.")


class Amount(click.FloatRange):
    """A finite number of US dollars: `nan` and `inf` would be no limit at all."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As `click.FloatRange`."""
        amount = float(super().convert(value, param, ctx))
        if not math.isfinite(amount):
            self.fail(f"{value} is not a finite amount.", param, ctx)
        return amount


max_cost_option = click.option(
    "--max-cost",
    type=Amount(min=0),
    help="US dollars that this run may spend on remote readers; without it, you are asked first.",
)
until_told_option = click.option(
    "--until-told",
    is_flag=True,
    help="Read in looks, each of twice as many questions, and stop once the advice is told ([reading] stop = told).",
)

READING = ("run", "sweep")  # the commands that let readers read chunks
UNTOLD, WORSE = "untold", "worse"
FAIL_HELP = "a cell is shown to be worse than in the earlier run, by more than the margin"


def reading_options(kind: str) -> Callable[[Command], Command]:
    """The options of a command that lets readers read; others have none of them."""
    if kind not in READING:
        return lambda command: command
    options = (
        click.option(
            "--against", type=StorePathType(), metavar="RUN", help="The earlier run for `--fail-if worse`: its folder."
        ),
        click.option(
            "--fail-if",
            multiple=True,
            type=click.Choice([UNTOLD, WORSE]),
            help=f"End with exit code 1. untold: nothing is recommended for the first reader, or for retrieval "
            f"where there are no readers. worse: {FAIL_HELP}. May be given twice.",
        ),
        until_told_option,
    )

    def decorate(command: Command) -> Command:
        for option in options:
            command = option(command)
        return command

    return decorate


dask_option = click.option(
    "--dask",
    default="",
    metavar="ADDRESS",
    help="Let the workers of this Dask scheduler (tcp://...) run the readers and embed (see docs/many-machines.md).",
)
prefect_option = click.option("--prefect", is_flag=True, help="Run as a Prefect flow, with task states and artifacts.")


def ask_user(question: str) -> bool:
    """Ask on a terminal; without one there is nobody to ask, and the answer is no."""
    from results.report.visible import for_terminal

    return sys.stdin.isatty() and click.confirm(for_terminal(question), err=True)
