"""The error that a user's input can cause, in one line: what was found, what was expected, what to do."""

from __future__ import annotations

import contextlib
import difflib
import errno
from collections.abc import Iterable, Iterator, Sequence

_ROWS_NAMED = 5  # of many rows with the same mistake


class InputError(Exception):
    """Something in the user's input is wrong; the command line prints the error as one line and exits with code 2.

    The line reads "FOUND: expected EXPECTED; REMEDY.", so each part is a phrase without a capital or a full stop.

    Args:
        found: what was found, with the offending value and its place.
        expected: what is accepted, by its name ("a sha256 of 64 hexadecimal digits", never "them" or "one").
        remedy: what the user can do about it, beginning with a verb; left out where nothing is known to help.
    """

    def __init__(self, found: str, expected: str, remedy: str = "") -> None:
        self.found, self.expected, self.remedy = found, expected, remedy
        end = f"; {remedy}" if remedy else ""
        super().__init__(" ".join(f"{found}: expected {expected}{end}.".split()))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback: the mistake is in the input, not in the code."""
        return [f"{type(self).__name__}: {self}"]


class RowError(InputError):
    """A bad row of an input file, located by file, row (counted from 1, or an id) and field."""

    def __init__(self, where: str, row: int | str, field: str, found: str, expected: str, remedy: str = "") -> None:
        self.where, self.row, self.field, self.what = where, row, field, found
        self.reason = " ".join(f"{field}: {found} (expected {expected})".split())
        super().__init__(f"{where}, row {row}, field {field!r}: {found}", expected, remedy)


class FileError(RowError):
    """A file that cannot be used as a whole.

    Args:
        where: the file.
        found: what was found, as a clause about the file ("is encrypted").
        expected: as in `InputError`.
        remedy: as in `InputError`.
    """

    def __init__(self, where: str, found: str, expected: str, remedy: str = "") -> None:
        super().__init__(where, "", "file", found, expected, remedy)
        self.reason = " ".join(f"{found} (expected {expected})".split())
        InputError.__init__(self, f"{where} {found}", expected, remedy)


def said_once(errors: Iterable[InputError]) -> list[InputError]:
    """The same errors in their order, with one for all rows of a file in which a field has the same mistake."""
    rows: dict[tuple[object, ...], list[InputError]] = {}
    for error in errors:
        key: tuple[object, ...] = (str(error),)
        if isinstance(error, RowError):
            key = (error.where, error.field, error.what, error.expected, error.remedy)
        rows.setdefault(key, []).append(error)
    return [_all_rows(same) for same in rows.values()]


def _all_rows(same: Sequence[InputError]) -> InputError:
    first, n_more = same[0], len(same) - _ROWS_NAMED
    if len(same) == 1 or not isinstance(first, RowError):
        return first
    named = [str(one.row) for one in same[:_ROWS_NAMED] if isinstance(one, RowError)]
    rows = f"{', '.join(named)} and {n_more} more" if n_more > 0 else listed(named, "and")
    return InputError(f"{first.where}, rows {rows}, field {first.field!r}: {first.what}", first.expected, first.remedy)


@contextlib.contextmanager
def one_line(
    found: str, expected: str, remedy: str = "", *, passing: type[Exception] = InputError
) -> Iterator[None]:  # fmt: skip
    """Turn whatever a parser raises into an `InputError`; put nothing but the parser's own call into the block.

    Args:
        found: what cannot be read, as in `InputError`; the parser's reason is added in brackets.
        expected: as in `InputError`.
        remedy: as in `InputError`.
        passing: an error with which the parser says what is wrong; the caller knows how to put it.

    Raises:
        InputError: the block raised anything but an interruption, an `InputError`, an `OSError` or what is passing; or
            memory ran out.
    """
    try:
        yield
    except (InputError, passing):
        raise
    except BaseException as error:
        if is_out_of_memory(error):  # which says nothing about what is parsed
            raise out_of_memory(f"{found}, because memory ran out", error) from error
        if isinstance(error, OSError):
            raise
        # A panic of a library in Rust, such as Polars, is no `Exception`; nor are interruptions, Prefect's among them.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = next(iter(str(error).splitlines()), "")[:200]
        kind = type(error).__name__
        raise InputError(f"{found} ({kind}: {reason})" if reason else f"{found} ({kind})", expected, remedy) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left, as Python, the system or torch puts it."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "you tried to allocate" in str(error))


def out_of_memory(found: str, error: BaseException) -> InputError:
    """The error where memory ran out; it is never taken for damage of a file.

    Args:
        found: as in `InputError`; what the library says is added in brackets.
        error: what was raised.
    """
    reason = next(iter(str(error).splitlines()), "")[:200]
    return InputError(
        f"{found} ({reason})" if reason else found,
        "enough free memory",
        "end other programs or ask for less, and run again: what was answered is kept",
    )


def shown(value: object) -> str:
    """A value from a file as an error shows it: in the words of JSON, at most 60 characters."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    try:
        return f"{value!r:.60}"
    except (RecursionError, ValueError):  # nested too deeply, or a number with too many digits
        return "a value that is too large to show"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A question to add to an error, with the known name that a wrong one is most like; empty if none is like it.

    Args:
        name: what the user wrote.
        known: the names there are.
    """
    near = nearest(name, known)
    return f" (did you mean {near!r}?)" if near else ""


def nearest(name: object, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that another is most like, whatever its case; None if it is like none of them."""
    if not isinstance(name, str):
        return None
    folded = {one.casefold(): one for one in known}
    swapped = next((one for one in folded if sorted(one) == sorted(name.casefold())), None)
    if swapped is not None:
        return folded[swapped]
    near = difflib.get_close_matches(name.casefold()[:200], folded, 1, cutoff)
    return folded[near[0]] if near else None


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 label", "2 labels", "1,000 labels"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def listed(names: Sequence[str], word: str = "or") -> str:
    """Names as one would list them: "a, b or c"."""
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
