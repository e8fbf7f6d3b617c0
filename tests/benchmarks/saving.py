"""What a benchmark found, as a page below `results/published`: with the command that makes it, and the day."""

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click


def show(title: str, command: str, lines: Iterable[str], save: Path | None) -> None:
    """Print some lines of Markdown as they come, and write them to a page if one is wanted."""
    kept = []
    for line in lines:
        click.echo(line)
        kept.append(line)
    if save:
        made = f"{datetime.now(UTC):%Y-%m-%d}, Tercet {version('tercet')}, numpy {version('numpy')}."
        save.write_text("\n".join([f"# {title}", "", f"`{command}`", "", made, "", *kept, ""]), encoding="utf-8")


save_option = click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Also write the table to this page."
)
