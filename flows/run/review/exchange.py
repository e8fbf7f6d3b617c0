"""The queue as files for another program, and people's labels back from there."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from corpora.errors import InputError
from corpora.storage import StorePath, move
from flows.run.gold.exporting import Wanted, take_run
from flows.run.review.opened import Opened, review_store
from results.advice.wording import count, listed
from results.gold.export.folder import export_folder
from results.gold.export.formats.argilla import write_argilla
from results.gold.export.formats.label_studio import write_label_studio
from results.gold.export.formats.spreadsheet import LABEL, NOTE, REVIEWER, write_rows
from results.gold.export.items import Items
from results.gold.export.labels import read_labels
from results.gold.export.place import check_place
from results.gold.review.reviews import REVIEWS, check_reviewer, counted_reviews
from results.store.finished import read_manifest

KINDS = ("csv", "label-studio", "argilla")
_Writer = Callable[[Items, str, Path, Mapping[str, str]], object]
_WRITERS: Mapping[str, _Writer] = {"label-studio": write_label_studio, "argilla": write_argilla}
_NAME = "queue"


def export_queue(opened: Opened, target: Path, kind: str, *, with_labels: bool = False) -> str:
    """Write what there is to review, in the order in which it should be.

    Args:
        opened: the run.
        target: a file for csv, a folder for the others; nothing may be there.
        kind: one of `KINDS`.
        with_labels: for csv, a row for each label that people gave; a question that nobody reviewed has a blank one.

    Returns:
        A line that says what was written.

    Raises:
        InputError: there is nothing to review, something is there already, or the place is in a run or in a folder of
            a store.
    """
    check_place(target)
    if opened.chosen.is_empty():
        raise InputError("an empty queue", "at least one question to review", "choose another --only, or a larger --n")
    order = opened.chosen.select("question_id")
    rows = order.join(opened.items.rows, on="question_id", how="left", maintain_order="left")
    items = opened.items._replace(rows=rows)
    reasons = dict(opened.chosen.select("question_id", "reason").iter_rows())
    if kind == "csv":
        _write_file(items, target, reasons, opened.reviews().reviews if with_labels else None)
    else:
        with export_folder(target, replaces=False) as work:
            _WRITERS[kind](items, _NAME, work, reasons)
    return f"Wrote {target}, as {kind}: {count(len(rows), 'question')} in the order of the queue."


def _write_file(items: Items, target: Path, reasons: Mapping[str, str], reviews: pl.DataFrame | None) -> None:
    if target.exists():  # somebody may have filled it in
        raise InputError(f"{target} exists already", "a file that does not exist yet", "name another file")
    partial = target.with_name(f".{target.name}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_rows(items, partial, reasons)
        if reviews is not None:
            _fill_in(partial, reviews)
        move(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _fill_in(file: Path, reviews: pl.DataFrame) -> None:
    """Give each row of a CSV export the labels of its question: a row for each reviewer."""
    said: dict[str, list[dict[str, Any]]] = {}
    for review in reviews.iter_rows(named=True):
        said.setdefault(review["question_id"], []).append(review)
    with file.open(encoding="utf-8-sig", newline="") as content:
        columns, *rows = csv.reader(content)
    places = [columns.index(name) for name in ("question_id", REVIEWER, LABEL, NOTE)]
    with file.open("w", encoding="utf-8-sig", newline="") as content:
        table = csv.writer(content)
        table.writerow([*columns, "reviewed_at"])
        for row in rows:
            for one in said.get(row[places[0]], [{}]):
                for place, name in zip(places[1:], ("reviewer", "label", "note"), strict=True):
                    row[place] = one.get(name) or ""
                at = one.get("reviewed_at")
                table.writerow([*row, at.isoformat() if at else ""])


class Imported(NamedTuple):
    """What a file brought.

    Attributes:
        new: labels on questions that their reviewer had not reviewed.
        changed: labels that take the place of an earlier word of their reviewer.
        known: labels that their reviewer had given already.
        older: labels that were given before the last word of their reviewer, which stays.
        reviewers: who gave them.
        readers: of the run that they are about.
    """

    new: int
    changed: int
    known: int
    older: int
    reviewers: tuple[str, ...]
    readers: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many labels the file holds."""
        return self.new + self.changed + self.known + self.older

    @property
    def line(self) -> str:
        """The same as a sentence."""
        if not self.total:
            return "no labels in it yet."
        by = f" by {listed(self.reviewers)}" if self.reviewers else ""
        rest = [
            f"{self.known:,} known already" if self.known else "",
            f"{self.older:,} older than the last word of their reviewer, which stays" if self.older else "",
        ]
        parts = listed([one for one in (f"{self.new:,} new", f"{self.changed:,} changed", *rest) if one])
        return f"{count(self.total, 'label')}{by}: {parts}."


def import_labels(
    folder: StorePath, file: Path, kind: str, reviewer: str = "", data: Path | None = None, base: Path | None = None
) -> Imported:
    """Take over the labels that people gave in another program.

    Args:
        folder: of the run that the questions were exported from, or of another one on the same questions.
        file: what that program wrote.
        kind: one of `KINDS`.
        reviewer: who reviewed what the file gives no name for; empty to refuse that.
        data: folder of the user's own copies of published corpora.
        base: folder that the paths of the corpus start from.

    Raises:
        InputError: the file holds a question that the run has not, another text, or a label that is not in the label
            set; then nothing is taken over.
    """
    store = review_store(folder, read_manifest(folder))
    made, each = take_run(folder, Wanted(data=data, base=base))
    asked = {str(row["question_id"]): shown for items in each for row, shown in items.shown()}
    labels = tuple(made.corpus["labels"])
    known = store.reviewers()
    given = read_labels(file, kind, asked, labels, reviewer=reviewer and check_reviewer(reviewer), known=known)
    digests = {question_id: shown.digest or "" for question_id, shown in asked.items()}
    before = counted_reviews(store.read(), digests, labels).reviews
    states, kept = _compare(given, before)
    store.append(kept)
    new, changed, same, older = (states.count(one) for one in ("new", "changed", "known", "older"))
    by = tuple(given["reviewer"].unique(maintain_order=True))
    return Imported(new, changed, same, older, by, tuple(one.reader for one in each))


def _compare(given: pl.DataFrame, before: pl.DataFrame) -> tuple[list[str], pl.DataFrame]:
    """What each label is to what its reviewer said before, and those that are to be kept."""
    last = {(row["question_id"], row["reviewer"]): row for row in before.iter_rows(named=True)}
    states, kept, now = [], [], datetime.now(UTC)
    for row in given.iter_rows(named=True):
        known = last.get((row["question_id"], row["reviewer"]))
        if known is None:
            state = "new"
        elif (known["label"], known["note"] or None) == (row["label"], row["note"] or None):
            state = "known"
        elif row["reviewed_at"] and known["reviewed_at"] and row["reviewed_at"] < known["reviewed_at"]:
            state = "older"
        else:
            state = "changed"
        states.append(state)
        if state in ("new", "changed"):
            row = {**row, "reviewed_at": row["reviewed_at"] or now}
            kept.append(row)
            last[row["question_id"], row["reviewer"]] = row
    return states, pl.DataFrame(kept, schema=REVIEWS)
