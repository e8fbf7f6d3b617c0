"""`tercet schema`: the JSON Schemas that editors and programs read."""

from __future__ import annotations

import json

import click

EXPERIMENT, SUMMARY, DIFF = "experiment", "summary", "diff"


@click.command()
@click.option(
    "--of", "what", type=click.Choice([EXPERIMENT, SUMMARY, DIFF]), default=EXPERIMENT, show_default=True,
    help="An experiment's TOML file, or what `--json` prints: the summary of a run, or of `tercet diff`.",
)  # fmt: skip
def schema(what: str) -> None:
    """Print the JSON Schema of an experiment, for editors, or of what `--json` prints.

    A TOML file names it in its first line, as `tercet init` writes it: editors with Even Better TOML or Taplo then
    complete its keys and mark what is wrong.
    """
    if what == EXPERIMENT:
        from flows.session.experiment_schema import schema_text

        click.echo(schema_text(), nl=False)
        return
    from flows.run.difference import difference_schema
    from results.advice.summary import summary_schema

    found = summary_schema() if what == SUMMARY else difference_schema()
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
