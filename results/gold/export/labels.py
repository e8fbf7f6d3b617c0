"""Reads people's labels back: out of Label Studio, Argilla or a CSV, each to its question by our own id, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl

from corpora.errors import InputError, listed, shown
from results.gold.export.formats.argilla import read_argilla
from results.gold.export.formats.given import Given
from results.gold.export.formats.label_studio import read_label_studio
from results.gold.export.formats.spreadsheet import read_spreadsheet
from results.gold.review.reviews import REVIEWS, check_reviewer, check_spelling
from results.gold.shown import ShownQuestion

_READERS: dict[str, Callable[[Path], Iterable[Given]]] = {
    "label-studio": read_label_studio,
    "argilla": read_argilla,
    "csv": read_spreadsheet,
}
KINDS = tuple(_READERS)
_UNCHANGED = "the text as it was exported"


class LabelsError(InputError):
    """A file of labels that cannot be taken over; nothing of it is.

    Attributes:
        problems: everything that is wrong with it, a line each.
    """

    def __init__(self, problems: Sequence[InputError]) -> None:
        first, n_more = problems[0], len(problems) - 1
        more = f"{first.found} (and {n_more} more problem{'s' * (n_more > 1)} in that file)" if n_more else first.found
        super().__init__(more, first.expected, first.remedy)
        self.problems = tuple(problems)


def read_labels(
    path: Path, kind: str, asked: Mapping[str, ShownQuestion], labels: Sequence[str], *, reviewer: str = "",
    known: Sequence[str] = (),
) -> pl.DataFrame:  # fmt: skip
    """The labels that people gave in another program; questions that nobody answered there are passed over.

    Args:
        path: Label Studio's JSON or JSON-MIN export; a folder that Argilla's `to_disk` wrote, or its records.json; or a
            CSV of our own export with its last columns filled in.
        kind: one of `KINDS`.
        asked: the questions of the run by id, as they would be shown now.
        labels: the label set.
        reviewer: who reviewed what the file gives no name for; empty to refuse that.
        known: the names of reviewers whose labels are kept already.

    Returns:
        Frame of schema `REVIEWS`, in the order in which labels were given, where the file tells. `reviewed_at` is null
        where the file has no time; `label` is null where the question was skipped.

    Raises:
        LabelsError: a question that the run has not, a label outside the label set, a text that changed, a reviewer
            without a name or with one that cannot be kept, or two words of one reviewer on one question; it lists all
            of them.
        InputError: the file cannot be read.
    """
    if not path.exists():
        raise InputError(f"there is no {path}", f"a file of labels ({listed(KINDS)})", "check the path")
    given = [_with_name(one, reviewer) for one in _READERS[kind](path)]
    problems = [problem for one in given for problem in _problems(one, asked, labels)]
    problems += [*_names(given, known), *_contradictions(given)]
    if problems:
        raise LabelsError(problems)
    rows = [
        (one.question_id, one.reviewer, _label(one, labels), one.note, kind, one.reason,
         asked[str(one.question_id)].digest or one.text_digest, one.reviewed_at)
        for one in given
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=REVIEWS, orient="row").sort("reviewed_at", nulls_last=False, maintain_order=True)


def _with_name(one: Given, otherwise: str) -> Given:
    """The same with the name as it is kept; a name that cannot be kept is left as it is, to be refused."""
    name = one.reviewer or otherwise
    with suppress(InputError):
        name = check_reviewer(name)
    return one._replace(reviewer=name)


def _problems(one: Given, asked: Mapping[str, ShownQuestion], labels: Sequence[str]) -> Iterator[InputError]:
    """Everything for which a label cannot be taken over."""
    if one.question_id is None:
        yield InputError(
            f"{one.place} has no question_id", "the question_id of the export, which brings the label back",
            "export again, and keep that field",
        )  # fmt: skip
        return
    where = f"{one.place}, question {one.question_id!r}"
    if one.question_id not in asked:
        yield InputError(
            f"{where}: the run has no such question", "a question of this run", "name the run that was exported"
        )
        return
    allowed = asked[one.question_id].labels or labels
    if one.label is not None and _label(one, allowed) is None:
        yield InputError(
            f"{where}: the label is {shown(one.label)}",
            listed(list(allowed)),
            "correct the label, or skip the question",
        )
    if not one.reviewer:
        yield InputError(
            f"{where}: nobody is named as its reviewer", "a reviewer", "name one in the file, or with --reviewer"
        )
    yield from _changes(one, asked[one.question_id], where)


def _names(given: Sequence[Given], known: Sequence[str]) -> Iterator[InputError]:
    """Names that cannot be kept, each at the first place where it is."""
    taken, first = list(known), dict[str, str]()
    for one in given:
        first.setdefault(one.reviewer, one.place)
    for name, place in first.items():
        try:
            check_spelling(check_reviewer(name) if name else name, taken)
        except InputError as error:
            yield InputError(f"{place}: {error.found}", error.expected, error.remedy)
        taken.append(name)


def _contradictions(given: Sequence[Given]) -> Iterator[InputError]:
    """Questions about which somebody says two things in one file, of which only one could be kept."""
    words: dict[tuple[str, str], list[Given]] = {}
    for one in given:
        if one.question_id and one.reviewer:
            words.setdefault((one.question_id, one.reviewer), []).append(one)
    for (question_id, name), each in words.items():
        labels = {one.label and one.label.strip().casefold(): shown(one.label) for one in each if one.label}
        if len(labels) > 1:
            said = f"gave the labels {listed([*labels.values()], 'and')}"
        elif labels and _is_skipped_after(each):
            said = f"gave the label {next(iter(labels.values()))} and skipped it"
        elif len({one.note for one in each if one.label or not labels}) > 1:
            said = "wrote different notes"
        else:
            continue
        yield InputError(
            f"{_places(each)}, question {question_id!r}: {name} {said}", "one word of each reviewer on a question",
            "keep the one that is meant",
        )  # fmt: skip


def _is_skipped_after(each: Sequence[Given]) -> bool:
    """Whether a label may have been taken back: a skip is not known to be older than it."""
    skips, labelled = ([one.reviewed_at for one in each if (one.label is None) == skipped] for skipped in (True, False))
    return any(skip is None or at is None or skip >= at for skip in skips for at in labelled)


def _places(each: Sequence[Given]) -> str:
    """The places of several rows: "labels.csv, rows 3 and 7"."""
    numbers: dict[str, list[str]] = {}
    for head, _, number in (one.place.rpartition(" ") for one in each):
        if number not in numbers.setdefault(head, []):
            numbers[head].append(number)
    return " and ".join(f"{head}{'s' * (len(those) > 1)} {listed(those, 'and')}" for head, those in numbers.items())


def _label(one: Given, labels: Sequence[str]) -> str | None:
    """The label of the label set that is meant; no two of them differ only in case."""
    folded = {label.strip().casefold(): label for label in labels}
    return folded.get(one.label.strip().casefold()) if one.label is not None else None


def _changes(one: Given, now: ShownQuestion, where: str) -> Iterator[InputError]:
    """Whether the reviewer saw another text than the run has: the label would be about something else."""
    remedy = "export again, and review this question anew"
    if one.text_digest and now.digest and one.text_digest != now.digest:
        yield InputError(f"{where}: the run has another text than the one that was reviewed", _UNCHANGED, remedy)
        return
    if not one.text_digest:
        yield InputError(f"{where}: it has no text_digest", "the text_digest of the export", remedy)
    for name, there, here in (("question", one.question, now.question), ("document", one.document, now.document)):
        if there is not None and here is not None and _lines(there) != _lines(here):
            yield InputError(f"{where}: the {name} in the file was changed", _UNCHANGED, remedy)


def _lines(text: str) -> str:
    """A text with one kind of line end: programs change these, and nobody sees it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
