"""Groups of commands: their help is never cut off, and errors in the user's input end in one line and exit code 2."""

from __future__ import annotations

from typing import Any

import click

from flows.cli.options import EXIT_INPUT
from flows.cli.shell.endings import ended_as_by_ctrl_c, exit_code
from flows.cli.shell.failures import explain
from flows.cli.shell.usage import usage_in_one_line
from flows.cli.terminal import echo, warnings_printed


class Listing(click.Group):
    """A group that lists its commands with their whole summaries, and suggests the command that was meant."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; click would end each line at the width of the terminal."""
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        # No first sentence has so many characters.
        rows = [(name, one.get_short_help_str(limit=1000)) for name, one in commands if not one.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an error names the nearest one."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from corpora.errors import did_you_mean

            raise click.UsageError(f"no such command {args[0]!r}{did_you_mean(args[0], self.commands)}", ctx)
        return super().resolve_command(ctx, args)


class Commands(Listing):
    """The group of all commands, which turns errors in the user's input into one line and exit code 2."""

    group_class = Listing

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the options before the command."""
        with usage_in_one_line():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke a command."""
        from corpora.errors import InputError

        try:
            with ended_as_by_ctrl_c(), warnings_printed(), usage_in_one_line():
                return super().invoke(ctx)
        except InputError as error:
            echo(f"tercet: {error}", err=True)
            ctx.exit(EXIT_INPUT)
        except KeyboardInterrupt as interrupt:
            echo("tercet: interrupted; the answers so far are kept. Run the command again to continue.", err=True)
            ctx.exit(exit_code(interrupt))
        except (OSError, RuntimeError, MemoryError) as error:
            said = explain(error)
            if said is None:  # a bug, or one of click's own
                raise
            echo(f"tercet: {said}", err=True)
            ctx.exit(EXIT_INPUT)
