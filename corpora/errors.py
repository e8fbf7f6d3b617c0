"""The error that a user's input can cause, in one line: what was found, what was expected, what to do."""

from __future__ import annotations


class InputError(Exception):
    """Something in the user's input is wrong; the command line prints the error as one line and exits with code 2.

    The line reads "FOUND: expected EXPECTED; REMEDY.", so each part is a phrase without a capital or a full stop.

    Args:
        found: what was found, with the offending value and its place.
        expected: what is accepted, by its name ("a sha256 of 64 hexadecimal digits", never "them" or "one").
        remedy: what the user can do about it, beginning with a verb.
    """

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        self.found, self.expected, self.remedy = found, expected, remedy
        super().__init__(" ".join(f"{found}: expected {expected}; {remedy}.".split()))


class RowError(InputError):
    """A bad row of an input file, located by file, row (counted from 1, or an id) and field."""

    def __init__(self, where: str, row: int | str, field: str, found: str, expected: str, remedy: str) -> None:
        self.where, self.row, self.field = where, row, field
        super().__init__(f"{where}, row {row}, field {field!r}: {found}", expected, remedy)
