"""`tercet batches`: submit tonight, look and collect tomorrow, on this machine or another with the same store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.options import ask_user, data_option, max_cost_option, store_option
from flows.cli.shell.completion import experiment_argument
from flows.cli.shell.groups import Listing
from flows.cli.stores.existing import require_store
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath


@click.group(cls=Listing)
def batches() -> None:
    """Submit, list, collect and cancel the batches of remote readers.

    Their state is kept in the store with the votes, so any machine that has the store and the key can continue.
    """


@batches.command()
@experiment_argument
@store_option
@data_option
@max_cost_option
def submit(experiment: Path, store: StorePath, data: Path | None, max_cost: float | None) -> None:
    """Submit the batches of an EXPERIMENT without waiting.

    They ask its batch readers for their votes on whole documents; `tercet label` continues from there.
    """
    from flows.planning.batch_jobs import submit as submit_batches
    from flows.session.experiment import experiment_file, load_experiment
    from flows.session.session import Session
    from flows.session.workspace import workspace_of

    loaded = load_experiment(experiment).with_settings(max_cost=max_cost)
    with Session(workspace_of(loaded, store, experiment_file(experiment).resolve().parent, data)) as session:
        session.providers.say = lambda line: click.echo(line, err=True)
        for line in submit_batches(loaded, session, ask_user):
            echo(line)


@batches.command("list")
@store_option
def list_batches(store: StorePath) -> None:
    """List the batches in this store, without asking the provider."""
    from flows.planning.batch_jobs import describe_jobs

    for line in list(describe_jobs(require_store(store))) or [f"No batches in {store}."]:
        echo(line)


@batches.command()
@store_option
@click.option("--wait", is_flag=True, help="Wait until all batches have ended.")
def collect(store: StorePath, wait: bool) -> None:
    """Put the votes of all finished batches into the ledger."""
    from flows.planning.batch_jobs import collect_jobs

    for line in collect_jobs(require_store(store), wait=wait):
        echo(line)


@batches.command()
@click.argument("part")
@store_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def forget(part: str, store: StorePath, yes: bool) -> None:
    """Give up a batch whose results the provider does not deliver.

    PART is its id in `tercet batches list`. The provider is asked once more, and the answers that are there are kept;
    the others will be asked for and paid for again.
    """
    from flows.planning.batch_jobs import forget_part

    def confirm(loss: str) -> bool:
        return yes or click.confirm(f"Nothing more will be collected of it: {loss}. Forget it?", abort=True, err=True)

    echo(forget_part(require_store(store), part, confirm))


@batches.command()
@store_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def cancel(store: StorePath, yes: bool) -> None:
    """Cancel all batches under way.

    Answers that were ready by then can still be collected.
    """
    from flows.planning.batch_jobs import batches as in_words
    from flows.planning.batch_jobs import cancel_jobs, count_open

    n = count_open(require_store(store))
    if n and not yes:
        click.confirm(f"Cancel {in_words(n)}?", abort=True, err=True)
    for line in cancel_jobs(store):
        echo(line)
