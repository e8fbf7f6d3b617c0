"""TOML files: experiments, price tables."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from corpora.errors import InputError, one_line
from corpora.reading.text import read_text


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        InputError: it is not text or not TOML, or a value is too large for Python.
    """
    text = read_text(file)
    with one_line(f"{file} cannot be read", "a TOML file"):
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{file} is not valid TOML ({error})", "a TOML file", "correct it there") from error
        except RecursionError as error:
            found, most = f"{file} is nested too deeply", sys.getrecursionlimit()
            raise InputError(found, f"fewer than {most} levels", "remove or flatten that value") from error
        except ValueError as error:  # all that is left: Python does not convert so many digits
            most = sys.get_int_max_str_digits()
            found = f"{file} holds a whole number of more than {most} digits"
            raise InputError(found, f"numbers of at most {most} digits", "shorten the number") from error
