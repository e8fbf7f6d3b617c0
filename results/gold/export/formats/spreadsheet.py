"""CSV: a row for each question, with three empty columns for a person to fill in, and these columns back."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from corpora.errors import InputError, listed
from corpora.reading.strict_csv import SEPARATORS, read_csv
from corpora.reading.text import read_lines
from results.gold.export.formats.given import OTHER, Given, moment, text_or_none
from results.gold.export.formats.hub import SPLITS
from results.gold.export.items import Items
from results.gold.export.reviewed import REVIEWS, SETTLED
from results.gold.shown import ShownQuestion

REVIEWER, LABEL, NOTE = "reviewer", "reviewer_label", "reviewer_note"
_NEEDED = ("question_id", "text_digest", LABEL)
_MOST_NAMED = 12  # columns of a file that is refused


def write_spreadsheet(
    items: Items, name: str, folder: Path, reasons: Mapping[str, str] | None = None
) -> dict[str, str]:  # fmt: skip
    """Write the two files of a reader: the questions of its gold set, and the excluded ones.

    Args:
        items: of the reader.
        name: what the files' names begin with.
        folder: where to write.
        reasons: why a question is reviewed, by its id; otherwise it is `OTHER`.

    Returns:
        What each file holds, by its name.
    """
    written = {}
    for split, kept in SPLITS.items():
        write_rows(items.only(kept=kept), folder / f"{name}.{split}.csv", reasons)
        written[f"{name}.{split}.csv"] = (
            f"{split} questions of {items.reader}; fill in {REVIEWER}, {LABEL} and {NOTE} to review them"
        )
    return written


def write_rows(items: Items, file: Path, reasons: Mapping[str, str] | None = None) -> None:
    """Write one file; arguments as of `write_spreadsheet`."""
    # With a byte order mark, without which Excel takes UTF-8 for something else.
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        table = csv.writer(out, lineterminator="\r\n")
        table.writerow(_cells(items, None, ShownQuestion(""), ""))
        for row, seen in items.shown():
            reason = (reasons or {}).get(str(row["question_id"]), OTHER)
            table.writerow(_cells(items, row, seen, reason).values())


def _cells(items: Items, row: Mapping[str, Any] | None, seen: ShownQuestion, review_reason: str) -> dict[str, Any]:
    """The cells of a row by their columns; without a row, the columns. Lists are JSON."""
    row = row or dict.fromkeys(items.rows.columns)
    votes = [*(row["votes"] or ()), None, None, None][:3]
    return {
        "question_id": row["question_id"], "question": row["question"], "document": seen.document,
        REVIEWER: None, LABEL: None, NOTE: None, "review_reason": review_reason,
        "label": row["label"], "kept": _json(row["kept"]), "reason": row["reason"],
        **{f"vote_{number}": vote for number, vote in enumerate(votes, 1)},
        **{f"probability[{label}]": (row["probabilities"] or {}).get(label) for label in items.labels},
        "outside_mass": row["outside_mass"], "p_unanimous": row["p_unanimous"], "reference": row["reference"],
        "annotators": _json(row["annotators"]), **_reviews(row), "split": row["split"], "tags": _json(row["tags"]),
        "origin": row["origin"],
        "document_ids": _json(row["document_ids"]), "evidence": _json(row["evidence"]),
        "reader": items.reader, "text_digest": row["text_digest"],
    }  # fmt: skip


def _reviews(row: Mapping[str, Any]) -> dict[str, Any]:
    """What people said, where it is taken along."""
    return {REVIEWS: _json(row[REVIEWS]), SETTLED: row[SETTLED]} if REVIEWS in row else {}


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def read_spreadsheet(path: Path) -> Iterator[Given]:
    """The rows that somebody filled in; a row with a reviewer and no label was skipped.

    Args:
        path: a CSV file, or a folder of such files.

    Raises:
        InputError: it is no CSV, or the columns of the export are not in it.
    """
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"there is no CSV file in {path}", "the CSV files of an export", "name their folder")
    for file in files:
        between = _separator(file)
        _check_columns(file, between)
        for number, row in read_csv(file, between):
            if any((row.get(name) or "").strip() for name in (REVIEWER, LABEL, NOTE)):
                yield _given(f"{file}, row {number}", row)


def _given(place: str, row: Mapping[str, str]) -> Given:
    def text(name: str) -> str | None:
        return text_or_none(place, name, row.get(name))

    return Given(
        place, text("question_id"), (row.get(REVIEWER) or "").strip(), text(LABEL), text(NOTE),
        text("review_reason") or OTHER, text("text_digest"), text("question"), text("document"),
        moment(row.get("reviewed_at")),
    )  # fmt: skip


def _check_columns(file: Path, separator: str) -> None:
    """Refuse a file without the columns that bring a label back, also where there is no row."""
    header: list[str] = []
    with suppress(csv.Error):  # which is said of the whole file
        header = [one for one in next(filter(None, csv.reader(read_lines(file), delimiter=separator)), []) if one]
    missing = [name for name in _NEEDED if name not in header]
    if header and missing:
        named = [repr(name) for name in header[:_MOST_NAMED]]
        more = f" and {len(header) - _MOST_NAMED} more" if len(header) > _MOST_NAMED else ""
        has = f"the column {named[0]}" if len(header) == 1 else f"the columns {', '.join(named)}{more}"
        raise InputError(
            f"{file} has {has}, and no {listed(missing)}",
            f"the columns {listed(list(_NEEDED), 'and')} of the export",
            "keep the columns of the export when you save it",
        )


def _separator(file: Path) -> str:
    """What stands between two fields: some programs save CSV with another separator than the comma."""
    header = next(iter(read_lines(file)), "")
    return max(SEPARATORS, key=lambda one: (header.count(one), one == ","))
