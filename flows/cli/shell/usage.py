"""A mistake in how a command is typed is told in one line, as every other mistake is; click would print three."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from flows.cli.options import EXIT_INPUT
from flows.cli.terminal import echo


class UsageLineError(click.ClickException):
    """What is wrong with a command line, and where its options are listed."""

    exit_code = EXIT_INPUT

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line to standard error."""
        echo(f"tercet: {self.message}", err=True)


@contextmanager
def usage_in_one_line() -> Iterator[None]:
    """Turn click's errors about the command line into `UsageLineError`.

    Raises:
        UsageLineError: as said.
    """
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:  # no mistake: the help is printed
        raise
    except click.UsageError as error:
        see = f"; see `{error.ctx.command_path} --help`" if error.ctx else ""
        raise UsageLineError(f"{_found(error)}{see}.") from error


def _found(error: click.UsageError) -> str:
    """What click found, without a capital and a full stop."""
    if isinstance(error, click.NoSuchOption):
        from corpora.errors import did_you_mean

        params = error.ctx.command.params if error.ctx else []
        known = [name for one in params for name in (*one.opts, *one.secondary_opts) if name.startswith("-")]
        return f"no such option {error.option_name!r}{did_you_mean(error.option_name, known)}"
    found = " ".join(error.format_message().split()).rstrip(".")
    return found[:1].lower() + found[1:]
