"""`tercet runs`: the finished runs of a store, listed, shown and removed."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from flows.cli.options import store_option
from flows.cli.output import ending, report_of
from flows.cli.shell.completion import RunType
from flows.cli.shell.groups import Listing
from flows.cli.stores.existing import named_run, require_store
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath
    from results.store.listing import Listed

MEGABYTE, KILOBYTE = 1_000_000, 1000
LONGEST_HEADLINE = 100


@click.group(cls=Listing)
def runs() -> None:
    """List, show and remove finished runs."""


@runs.command("list")
@store_option
def list_all(store: StorePath) -> None:
    """List the finished runs of a store, the newest first.

    Each line has the run's folder, its kind, when it ended, how many questions were asked, its size on the disk,
    whether it tells what to use, and the beginning of what it found; `tercet runs show` gives the whole.
    """
    from results.advice.summary import first_finding
    from results.store.listing import list_runs

    listed = list_runs(require_store(store))
    width = max((len(one.path.name) for one in listed), default=0)
    for one in listed:
        kind, ended, questions, room, told = fields(one)
        found = textwrap.shorten(first_finding(one), LONGEST_HEADLINE, placeholder=" ...")
        echo(f"{one.path.name:{width}}  {kind:7}  {ended:16}  {questions:>14}  {room:>8}  {told:8}  {found}")
    if not listed:
        echo(f"No finished runs in {store}.")


@runs.command()
@click.argument("run", type=RunType())
@store_option
def show(run: StorePath, store: StorePath) -> None:
    """Show what a run found.

    RUN is its folder, or its name in the store.
    """
    from results.advice.summary import record
    from results.store.finished import check_format, read_manifest, read_tables
    from results.store.listing import list_run
    from results.store.removing import require_run

    folder = require_run(named_run(run, store))
    manifest = read_manifest(folder)
    check_format(folder, manifest)
    summary = record(manifest, read_tables(folder, manifest))
    echo(f"{folder}: {in_words(list_run(folder))}")
    for line in ending(summary, str(report_of(folder)), None, ()):
        echo(line)


@runs.command()
@click.argument("run", type=RunType())
@store_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(run: StorePath, store: StorePath, yes: bool) -> None:
    """Remove the folder of a run; its votes are kept.

    RUN is its folder, or its name in the store. Running the experiment again makes it anew from the votes in the
    ledger. A run that another process is writing is not removed.
    """
    from results.report.visible import for_terminal
    from results.store.listing import list_run
    from results.store.removing import remove_run, require_run

    folder = require_run(named_run(run, store))
    if not yes:
        question = f"Remove {folder} ({in_words(list_run(folder))})?"
        click.confirm(for_terminal(question), abort=True, err=True)
    echo(f"Removed {folder}: {size(remove_run(folder))} freed; the votes in the ledger are kept.")


def fields(run: Listed) -> tuple[str, str, str, str, str]:
    """What a run is: its kind, when it ended, its questions, its size, and whether it tells what to use."""
    from corpora.errors import counted

    told = {True: "told", False: "not told", None: ""}[run.told]
    questions = counted(run.n_questions, "question") if run.kind else ""
    return run.kind or "damaged", run.finished[:16].replace("T", " "), questions, size(run.n_bytes), told


def in_words(run: Listed) -> str:
    """The same, as one reads it in a sentence."""
    return ", ".join(filter(None, fields(run)))


def size(n_bytes: int) -> str:
    """A size as people read it."""
    if n_bytes >= MEGABYTE:
        return f"{n_bytes / MEGABYTE:.1f} MB"
    return f"{n_bytes / KILOBYTE:.0f} kB"
