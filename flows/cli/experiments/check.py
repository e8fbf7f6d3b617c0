"""`tercet check`: everything that is wrong with an experiment, at once."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.options import EXIT_INPUT, data_option, store_option
from flows.cli.output import Given
from flows.cli.shell.completion import experiment_argument
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath
    from flows.session.experiment import Experiment


@click.command()
@experiment_argument
@store_option
@data_option
def check(experiment: Path, store: StorePath, data: Path | None) -> None:
    """Say everything that is wrong with an EXPERIMENT, without asking or fetching anything.

    Its settings are checked together, then its corpus, its models, chunk sizes against the embedder, labels against
    references, and keys of providers. EXPERIMENT is a TOML file or a bundled name. The exit code is 2 if anything is
    wrong.
    """
    from flows.planning.checking.input_check import Drafting, check_input
    from flows.run.questions.missing import drafter, too_long_to_draft
    from flows.session.session import Session
    from flows.session.workspace import workspace_of

    # The store is looked at for specialists alone: nothing is written.
    def opened(loaded: Experiment, base: Path) -> Session:
        return Session(workspace_of(loaded, store, base, data))

    found = check_input(experiment, opened, Drafting(drafter, too_long_to_draft))
    for mistake in found.mistakes:
        echo(f"tercet: {mistake}", err=True)
    for note in found.notes:
        echo(f"tercet: {note}", err=True)
    if found.mistakes:
        sys.exit(EXIT_INPUT)
    echo(found.line)
    planned = f"tercet plan {shlex.quote(str(experiment))}{Given(store, data).options}"
    echo(f"Next: {planned}  # what a run would ask, and how long it would take")
