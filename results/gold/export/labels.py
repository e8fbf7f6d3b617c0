"""Reads people's labels back: out of Label Studio, Argilla or a CSV, each to its question by our own id, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from corpora.errors import InputError, listed, shown
from results.gold.export.formats.argilla import read_argilla
from results.gold.export.formats.given import Given
from results.gold.export.formats.label_studio import read_label_studio
from results.gold.export.formats.spreadsheet import read_spreadsheet
from results.gold.review.reviews import REVIEWS
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
    path: Path, kind: str, asked: Mapping[str, ShownQuestion], labels: Sequence[str], *, reviewer: str = ""
) -> pl.DataFrame:
    """The labels that people gave in another program; questions that nobody answered there are passed over.

    Args:
        path: Label Studio's JSON or JSON-MIN export; a folder that Argilla's `to_disk` wrote, or its records.json; or a
            CSV of our own export with its last columns filled in.
        kind: one of `KINDS`.
        asked: the questions of the run by id, as they would be shown now.
        labels: the label set.
        reviewer: who reviewed what the file gives no name for; empty to refuse that.

    Returns:
        Frame of schema `REVIEWS`, in the order in which labels were given, where the file tells. `reviewed_at` is null
        where the file has no time; `label` is null where the question was skipped.

    Raises:
        LabelsError: a question that the run has not, a label outside the label set, a text that changed, or a reviewer
            without a name; it lists all of them.
        InputError: the file cannot be read.
    """
    if not path.exists():
        raise InputError(f"there is no {path}", f"a file of labels ({listed(KINDS)})", "check the path")
    given = list(_READERS[kind](path))
    problems = [problem for one in given for problem in _problems(one, asked, labels, reviewer)]
    if problems:
        raise LabelsError(problems)
    rows = [
        (one.question_id, one.reviewer or reviewer, _label(one, labels), one.note, kind, one.reason,
         asked[str(one.question_id)].digest or one.text_digest, one.reviewed_at)
        for one in given
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=REVIEWS, orient="row").sort("reviewed_at", nulls_last=False, maintain_order=True)


def _problems(
    one: Given, asked: Mapping[str, ShownQuestion], labels: Sequence[str], reviewer: str
) -> Iterator[InputError]:
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
    if one.label is not None and _label(one, labels) is None:
        yield InputError(
            f"{where}: the label is {shown(one.label)}", listed(list(labels)), "correct the label, or skip the question"
        )
    if not (one.reviewer or reviewer):
        yield InputError(f"{where}: nobody is named as its reviewer", "a reviewer", "name one in the file, or for it")
    yield from _changes(one, asked[one.question_id], where)


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
