"""`tercet store`: is what a store keeps still as it was written, and taking over the answers of another."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from flows.cli.options import EXIT_INPUT, StorePathType, store_option
from flows.cli.shell.groups import Listing
from flows.cli.stores.existing import require_store
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath


@click.group(cls=Listing)
def store() -> None:
    """Check what a store keeps, and take over the answers of another."""


@store.command()
@store_option
@click.option(
    "--set-aside",
    "sets_aside",
    is_flag=True,
    help="Move damaged files into folders named `damaged`; the next run makes again what was in them, and no more.",
)
def check(store: StorePath, sets_aside: bool) -> None:
    """Name the files of a store that are damaged.

    These are votes, people's labels, cached vectors, pinned samples, and the manifests and tables of finished runs;
    plots and reports are made from these. A damaged vote is never used: a run stops where it finds one. The exit code
    is 2 if damage is left.
    """
    from corpora.reading.damage import set_aside
    from flows.run.stores.damage import find_damage
    from flows.session.workspace import Workspace

    n_damaged = 0
    for damage in find_damage(Workspace(require_store(store))):
        n_damaged += 1
        if sets_aside:
            then = f"set aside as {set_aside(damage)}: {damage.effect}"
        else:
            then = f"once it is set aside, {damage.effect}"
        echo(f"tercet: {damage.path}: {damage.found}; {then}.", err=True)
    if n_damaged and not sets_aside:
        echo(f"tercet: {n_damaged} damaged; restore from a backup, or run this command with --set-aside.", err=True)
        sys.exit(EXIT_INPUT)
    echo(f"{store}: {f'{n_damaged} set aside' if n_damaged else 'nothing is damaged'}.")


@store.command()
@click.argument("other", type=StorePathType())
@store_option
def take(other: StorePath, store: StorePath) -> None:
    """Take over the answers of OTHER, so that what was asked there is not asked again here.

    OTHER is a store, or the folder of a published run that has its answers in `ledger`. Runs, labels of people and
    vectors are not taken. Answers that are here already stay as they are.
    """
    from corpora.errors import counted
    from flows.run.stores.taking import take_answers
    from flows.session.workspace import Workspace

    taken = take_answers(Workspace(store), require_store(other))
    if taken.is_silent:
        echo(
            f"Note: {other} has no kernels.json, which says how its models were run, so repack = on is assumed. If the "
            "store that it was copied from has that file, copy it too, and take both into a new --store.",
            err=True,
        )
    echo(f"{store}: {counted(taken.n_new, 'answer')} taken from {other}; {taken.n_known:,} were here already.")
    echo(f"Next: tercet plan EXPERIMENT --store {shlex.quote(str(store))}  # what is still to be asked")
