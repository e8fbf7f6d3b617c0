"""`tercet schema`: the JSON Schemas that editors and programs read."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of an experiment, for editors.

    A TOML file names it in its first line, as `tercet init` writes it: editors with Even Better TOML or Taplo then
    complete its keys and mark what is wrong.
    """
    from flows.session.experiment_schema import schema_text

    click.echo(schema_text(), nl=False)
