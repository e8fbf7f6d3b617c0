"""When a batch's word is final: the only ground on which a request may be submitted, and paid for, again.

A look at a batch is one answer of the provider: a status, the ids of two files, and counts. Any of it may be early,
late or missing for a while: a status that goes back, an end without its files, counts of a moment ago. What is never
taken back are a result line, which names its request, and a count of requests that are done. So a look is judged
together with the files that it names, read whole. The first row that fits counts:

| status | files | lines and counts | verdict |
|---|---|---|---|
| not an end | any | any | `AT_WORK`: look again, for as long as it works |
| an end | any | an answer to every request | `FINAL` |
| an end | any | more answers counted than are here | `WAITS`: they were paid for, and must be somewhere |
| an end | any | a line for every request | `FINAL` |
| failed | no output | no answer counted or here; errors are given | `VOID` if the next look agrees: it did nothing |
| failed | no output | no answer counted or here; no errors, but counts | `VOID` if two later looks agree |
| failed | no output | neither errors nor counts | `WAITS` |
| expired, cancelled | none named | nothing counted at all (as before its start) | `FINAL` if two later looks agree |
| an end | any | no counts, or counts of other requests | `WAITS` |
| an end | one is missing, cut or broken | some requests without a line | `WAITS` |
| an end | read whole | more requests counted as done than have lines | `WAITS` |
| an end | output read whole | every counted answer is here | `FINAL`: the other requests have none |
| expired, cancelled | no output | no answer is counted | `FINAL` if two later looks agree |
| completed | no output | fewer requests counted as done than were asked | `WAITS` |

`AT_WORK` after an end is an end that was reported too early; the part is watched as before. `WAITS` is looked at again,
with longer and longer pauses, a limited number of times (`patience`). Then a run stops and submits nothing, unless the
counts alone say that the others have no answer (`is_enough`: only the reasons are missing), and two later looks agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

STOPPED = ("failed", "expired", "cancelled")  # ended before all of it was done
ENDED = ("completed", *STOPPED)


class Verdict(Enum):
    """What follows from one look at a batch and its files."""

    AT_WORK = auto()
    WAITS = auto()
    VOID = auto()
    FINAL = auto()


class Counts(NamedTuple):
    """How many requests a provider counts; None for a number that it does not give."""

    total: int | None = None
    completed: int | None = None
    failed: int | None = None


class Look(NamedTuple):
    """What a provider says about a batch at one moment.

    Attributes:
        status: its word; "unknown" if it gives none.
        output_id: the file of answers; None if it names none.
        error_id: the file of errors; None if it names none.
        counts: how many requests it counts.
        has_errors: whether it says why the whole batch failed.
    """

    status: str
    output_id: str | None = None
    error_id: str | None = None
    counts: Counts = Counts()
    has_errors: bool = False


class Found(NamedTuple):
    """What the files of a look hold, by request; lines of other requests do not count.

    Attributes:
        n_named: requests with a line in either file.
        n_done: requests with a line in the output file, or with an answer.
        n_answers: requests with an answer.
        has_output: whether the output file was named and read whole.
        is_whole: whether every file that was named was read whole.
    """

    n_named: int = 0
    n_done: int = 0
    n_answers: int = 0
    has_output: bool = False
    is_whole: bool = True


class Word(NamedTuple):
    """A verdict, and how far it is to be believed.

    Attributes:
        verdict: what follows.
        n_more: later looks that must say the same before it is believed.
        is_enough: in spite of `WAITS`, the counts say that all requests without a line have no answer.
    """

    verdict: Verdict
    n_more: int = 0
    is_enough: bool = False


def read_look(batch: Mapping[str, Any]) -> Look:
    """A provider's answer about a batch, whatever its shape: what is not as it should be counts as not given."""
    status = batch.get("status")
    counts = batch.get("request_counts")
    numbers = counts if isinstance(counts, dict) else {}
    return Look(
        status if isinstance(status, str) and re.fullmatch(r"[a-z_]{1,30}", status) else "unknown",
        _name(batch.get("output_file_id")),
        _name(batch.get("error_file_id")),
        Counts(*(_number(numbers.get(name)) for name in Counts._fields)),
        bool(listed_errors(batch)),
    )


def listed_errors(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why a whole batch failed; its `errors` are a bare list, or a list under `data`."""
    errors = batch.get("errors")
    listed = errors.get("data") if isinstance(errors, dict) else errors
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def judge(look: Look, n_requests: int, found: Found) -> Word:
    """What follows from a look, as in the table of this module.

    Args:
        look: what the provider says.
        n_requests: how many requests the batch was made of.
        found: what the files hold that the look names.
    """
    if look.status not in ENDED:
        return Word(Verdict.AT_WORK)
    if found.n_answers == n_requests:
        return Word(Verdict.FINAL)
    if (look.counts.completed or 0) > found.n_done:
        return Word(Verdict.WAITS)
    if found.n_named == n_requests:
        return Word(Verdict.FINAL)
    if look.status == "failed" and look.output_id is None and found.is_whole and not found.n_answers:
        return _failed(look)
    return _unnamed(look, n_requests, found)


def _failed(look: Look) -> Word:
    """A batch that failed as a whole, with nothing to show."""
    if look.has_errors:
        return Word(Verdict.VOID, n_more=1)
    return Word(Verdict.WAITS) if look.counts.completed is None else Word(Verdict.VOID, n_more=2)


def _unnamed(look: Look, n_requests: int, found: Found) -> Word:
    """An end with requests that no line names: only counts can say that these have no answer."""
    total, completed, failed = look.counts
    if total is None or completed is None or failed is None:
        return Word(Verdict.WAITS)
    is_stopped = look.status in STOPPED
    if is_stopped and look.counts == Counts(0, 0, 0) and look.output_id is None and look.error_id is None:
        return Word(Verdict.FINAL, n_more=2)
    agrees = total == n_requests and found.n_answers <= completed  # the opposite was excluded before
    is_all = agrees and completed + failed == total
    has_all_answers = found.has_output or (completed == 0 and look.output_id is None)
    is_enough = is_all or (agrees and is_stopped and has_all_answers)
    if not found.is_whole or not agrees or completed + failed > found.n_named:
        return Word(Verdict.WAITS, is_enough=is_enough)
    if found.has_output:
        return Word(Verdict.FINAL)
    return Word(Verdict.FINAL, n_more=2) if is_stopped else Word(Verdict.WAITS)
