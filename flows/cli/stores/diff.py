"""`tercet diff`: two finished runs compared."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from flows.cli.guards import EXIT_FAILED
from flows.cli.options import FAIL_HELP, WORSE, Share
from flows.cli.output import json_of
from flows.cli.shell.completion import RunType
from flows.cli.terminal import echo

if TYPE_CHECKING:
    from corpora.storage import StorePath


@click.command()
@click.argument("old", type=RunType())
@click.argument("new", type=RunType())
@click.option("--fail-if", type=click.Choice([WORSE]), help=f"End with exit code 1. worse: {FAIL_HELP}.")
@click.option(
    "--margin",
    type=Share(min=0, max=1, max_open=True),
    help="The largest drop that is acceptable, as a share; by default the margin of the NEW run.",
)
@click.option("--json", "is_json", is_flag=True, help="Print only JSON (docs/report.md).")
def diff(old: StorePath, new: StorePath, fail_if: str | None, margin: float | None, is_json: bool) -> None:
    """Compare two runs: which labels differ, and is NEW worse than OLD?

    The cell that OLD recommends, or else every cell that both have, is scored on the questions that both asked, by the
    gold set of OLD. Labels that differ are counted, and how fragile they were: for runs that differ in the number of
    threads, in --n-batch or in the build of llama.cpp. Make those in different stores: in one store the second run
    finds the votes of the first.
    """
    from flows.run.difference import compare_finished

    found = compare_finished(old, new, margin, needs_drops=fail_if is not None)
    failed = found.record.sentences if fail_if and found.record.is_worse else ()
    if is_json:
        click.echo(json_of(found.record.model_copy(update={"failed": failed})))
    else:
        echo("\n\n".join(filter(None, (found.agreement, "\n".join(found.record.sentences)))))
    if failed:
        sys.exit(EXIT_FAILED)
