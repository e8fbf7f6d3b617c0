"""What the command line prints: everything goes through here, so that no name or message acts on the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click


def echo(text: object, *, err: bool = False) -> None:
    """Print to standard output or standard error, with everything spelt out that a terminal would obey."""
    # Imported here: `--help` prints nothing through this.
    from results.report.visible import for_terminal

    click.echo(for_terminal(str(text)), err=err)


@contextmanager
def warnings_printed() -> Iterator[None]:
    """Print what the program warns about, a line each, to standard error."""
    logger, printer = logging.getLogger("tercet"), _Printer()
    logger.addHandler(printer)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(printer)
        logger.propagate = True


class _Printer(logging.Handler):
    """Prints to where standard error is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        echo(f"tercet: {' '.join(record.getMessage().split())}", err=True)
