"""`python -m flows.cli`: the same as the command `tercet`."""

from flows.cli.main import main

main(prog_name="tercet")
