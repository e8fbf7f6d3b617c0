"""`tercet check`: everything that is wrong with an experiment, at once."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flows.cli.options import EXIT_INPUT, data_option
from flows.cli.shell.completion import experiment_argument
from flows.cli.terminal import echo


@click.command()
@experiment_argument
@data_option
def check(experiment: Path, data: Path | None) -> None:
    """Say everything that is wrong with an EXPERIMENT, without asking or fetching anything.

    Its settings are checked together, then its corpus, its models, chunk sizes against the embedder, labels against
    references, and keys of providers. EXPERIMENT is a TOML file or a bundled name. The exit code is 2 if anything is
    wrong.
    """
    from flows.planning.input_check import check_input
    from flows.session.session import Session
    from flows.session.workspace import workspace_of

    # The current folder stands for a store: nothing is written.
    found = check_input(experiment, lambda loaded, base: Session(workspace_of(loaded, Path(), base, data)))
    for mistake in found.mistakes:
        echo(f"tercet: {mistake}", err=True)
    for note in found.notes:
        echo(f"tercet: {note}", err=True)
    if found.mistakes:
        sys.exit(EXIT_INPUT)
    echo(found.line)
