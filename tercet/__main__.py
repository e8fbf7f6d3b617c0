"""`python -m tercet`: the same as the command `tercet`."""

from flows.cli.main import main

if __name__ == "__main__":
    main(prog_name="tercet")
