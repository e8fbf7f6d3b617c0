"""`tercet schema`: the JSON Schemas that editors and programs read."""

from __future__ import annotations

import json

import click

EXPERIMENT, SUMMARY = "experiment", "summary"


@click.command()
@click.option(
    "--of", "what", type=click.Choice([EXPERIMENT, SUMMARY]), default=EXPERIMENT, show_default=True,
    help="An experiment's TOML file, or the summary of a run that `--json` prints.",
)  # fmt: skip
def schema(what: str) -> None:
    """Print the JSON Schema of an experiment, for editors, or of a summary.

    A TOML file names it in its first line, as `tercet init` writes it: editors with Even Better TOML or Taplo then
    complete its keys and mark what is wrong.
    """
    if what == EXPERIMENT:
        from flows.session.experiment_schema import schema_text

        click.echo(schema_text(), nl=False)
        return
    from results.advice.summary import summary_schema

    click.echo(json.dumps(summary_schema(), indent=2, ensure_ascii=False))
